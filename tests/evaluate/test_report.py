"""The report that is made of an evaluation and Blender's renders."""

from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar
from likeness.evaluate.blender_jobs import ENGINES
from likeness.evaluate.pictures import save_picture, save_srgb
from likeness.evaluate.report import COLUMNS, contact_sheet, write_film

SIZE = 48


@pytest.fixture(scope="module")
def avatar():
    return tiny_avatar()


def test_the_contact_sheet_has_a_column_for_every_renderer(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    for name in COLUMNS[:3]:
        save_srgb(grey, tmp_path / "pictures" / f"00007_{name}.png")
    for engine in ENGINES:
        save_picture(np.full((SIZE, SIZE, 4), 0.5, np.float32), tmp_path / "pictures" / f"00007_{engine}.png")
    sheet = contact_sheet(tmp_path, [7])
    assert sheet.shape[1] == SIZE * len(COLUMNS)
    # Trainer and truth are the same grey, so the error column is black.
    assert sheet[-30 - SIZE // 2, -SIZE // 2].tolist() == [0, 0, 0]


def test_the_film_is_a_film(tmp_path: Path):
    import imageio.v2 as imageio

    frames = tmp_path / "film"
    frames.mkdir()
    for number in range(5):
        save_picture(np.full((SIZE, SIZE, 4), number / 5, np.float32), frames / f"{number:04d}.png")
    write_film(frames, tmp_path / "avatar.mp4")
    assert len(imageio.mimread(tmp_path / "avatar.mp4")) == 5
