"""The report that is made of an evaluation and Blender's renders."""

from pathlib import Path

import numpy as np
import pytest
from likeness.evaluate.blender_jobs import ENGINES
from likeness.evaluate.pictures import CAPTION, save_picture, save_srgb
from likeness.evaluate.report import COLUMNS, ERROR_GAIN, contact_sheet, write_film
from likeness.runtime.colour import linear_to_srgb

SIZE = 48


def test_the_contact_sheet_has_a_column_for_every_renderer(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    greys = {"truth": 40, "baseline": 90, "trainer": 50, "eevee": 140, "cycles": 190}
    for name, grey in greys.items():
        picture = np.full((SIZE, SIZE, 3), grey, np.uint8)
        if name in ENGINES:
            picture = np.concatenate([picture, np.full((SIZE, SIZE, 1), 255, np.uint8)], 2)
        save_srgb(picture, tmp_path / "pictures" / f"00007_{name}.png")
    sheet = contact_sheet(tmp_path, [7])
    assert sheet.shape[1] == SIZE * len(COLUMNS)
    middle = sheet[-CAPTION - SIZE // 2, SIZE // 2 :: SIZE, 1]
    # Blender's pictures are decoded and encoded again; the trainer's error is shown three times as large.
    expected = [greys.get(name, ERROR_GAIN * (greys["trainer"] - greys["truth"])) for name in COLUMNS]
    assert np.abs(middle.astype(int) - expected).max() <= 1


def test_the_film_is_a_film(tmp_path: Path):
    import imageio.v2 as imageio

    frames = tmp_path / "film"
    frames.mkdir()
    for number in range(5):
        # Black that hides ever less of the white behind it.
        picture = np.zeros((SIZE, SIZE, 4), np.float32)
        picture[..., 3] = 1 - number / 4
        save_picture(picture, frames / f"{number:04d}.png")
    write_film(frames, tmp_path / "avatar.mp4")
    shown = [picture.mean() / 255 for picture in imageio.mimread(tmp_path / "avatar.mp4")]
    # Light is mixed, not sRGB; film keeps 219 steps of brightness, and the encoder adds a little.
    assert shown == pytest.approx(linear_to_srgb(np.arange(5) / 4).tolist(), abs=4 / 255)
