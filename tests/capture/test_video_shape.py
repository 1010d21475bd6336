"""Films are shown as their files say: turned, mirrored, and with square pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import ffmpeg, write_film
from likeness.capture.video import open_video
from likeness.capture.video_shape import flipped

WIDTH, HEIGHT = 64, 32


def corners() -> np.ndarray:
    """Red at the upper left, green at the upper right, blue at the lower left."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2, 0] = 255
    picture[: HEIGHT // 2, WIDTH // 2 :, 1] = 255
    picture[HEIGHT // 2 :, : WIDTH // 2, 2] = 255
    return picture


def shown(path: Path) -> np.ndarray:
    return next(open_video(path).frames())


def off(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(int) - wanted).mean())


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ((), lambda picture: picture),
        (("-display_hflip:v:0",), np.fliplr),
        (("-display_vflip:v:0",), np.flipud),
        (("-display_rotation:v:0", "180"), lambda picture: np.rot90(picture, 2)),
        (("-display_rotation:v:0", "-90"), lambda picture: np.rot90(picture, 1)),
        (("-display_rotation:v:0", "90"), lambda picture: np.rot90(picture, -1)),
    ],
    ids=["plain", "mirrored", "upside down", "turned over", "turned right", "turned left"],
)
def test_pictures_come_as_the_file_says(tmp_path, told, stored):
    film = write_film(tmp_path / "stored.mp4", [stored(corners())] * 5)
    ffmpeg(*told, "-i", film, "-c", "copy", tmp_path / "told.mp4")
    # Colours of 64 x 32 pixels are kept at half the resolution; a wrong flip is off by more than 60.
    assert off(shown(tmp_path / "told.mp4"), corners()) < 15


def test_large_pictures_are_compared_when_they_are_small(tmp_path, monkeypatch):
    large = np.kron(corners(), np.ones((20, 20, 1), np.uint8))
    film = write_film(tmp_path / "stored.mp4", [np.fliplr(large)] * 2)
    ffmpeg("-display_hflip:v:0", "-i", film, "-c", "copy", tmp_path / "told.mp4")
    compared: list[tuple[int, ...]] = []

    def noted(picture: np.ndarray, flip: int | None) -> np.ndarray:
        compared.append(picture.shape)
        return flipped(picture, flip)

    monkeypatch.setattr("likeness.capture.video_shape.flipped", noted)
    assert off(shown(tmp_path / "told.mp4"), large) < 15
    assert set(compared) == {(128, 256, 3)}


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_stretched(tmp_path, turned):
    film = write_film(tmp_path / "stored.mp4", [corners()] * 5)
    ffmpeg("-i", film, "-vf", "setsar=1/2", tmp_path / "narrow.mp4")
    if turned:
        ffmpeg("-display_rotation:v:0", "-90", "-i", tmp_path / "narrow.mp4", "-c", "copy", tmp_path / "turned.mp4")
    found = shown(tmp_path / ("turned.mp4" if turned else "narrow.mp4"))
    # Pixels twice as high as wide: 64 x 32 of them show a square, and nothing that was filmed is thrown away.
    assert found.shape == (WIDTH, WIDTH, 3)
