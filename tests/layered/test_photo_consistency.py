"""Where hair lies is read off pictures from several sides, and mattes alone hold the outline."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from balls import GEOMETRY, HAIR_RADIUS, ball_capture
from likeness.layered.canonical import brow_height, canonical_head
from likeness.layered.deformer import Deformer
from likeness.layered.grid import Grid
from likeness.layered.hull_field import carved_field
from likeness.layered.photo_consistency import LEAST_APART, settled
from likeness.raster.warp_rasteriser import WarpRasteriser

SIZE = 160
TOO_FAR = 0.010
GRID = Grid.over([-0.16] * 3, [0.16] * 3, 0.005)


def filmed(pattern: float, turns: int = 13, chosen: slice = slice(None)):
    """A ball with spots of some contrast, filmed from some of so many sides."""
    spots = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (256, 512)).astype(np.float32), (0, 0), 2)

    def spotted(points: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis((points / HAIR_RADIUS).astype(np.float32), -1, 0)
        across, down = 256 + 81 * np.arctan2(x, z), 128 + 81 * np.arcsin(np.clip(y, -1, 1))
        grey = 128 + pattern * cv2.remap(spots, across, down, cv2.INTER_LINEAR)
        return np.repeat(np.clip(grey, 0, 255)[..., None], 3, -1)

    capture, frames = ball_capture(turns, SIZE, spotted)
    head = canonical_head(capture.head, ())
    return replace(frames, training=tuple(range(turns))[chosen], held_out=()), capture, head


def stretched() -> np.ndarray:
    """A hull that is right where outlines touch the ball, and a centimetre too far at its front."""
    points = GRID.points() / [1, 1, 1 + TOO_FAR / HAIR_RADIUS]
    return (np.linalg.norm(points, axis=1) - HAIR_RADIUS).reshape(GRID.shape).astype(np.float32)


def crown(head) -> np.ndarray:
    """Directions to what is seen above the brows, where no head model knows better."""
    angles = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(0.5, 0.8, 5)), -1).reshape(-1, 2)
    turn, rise = angles.T
    directions = np.stack([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)], 1)
    assert (HAIR_RADIUS * directions[:, 1] > brow_height(head)).all()
    return directions


def radii(values: np.ndarray, directions: np.ndarray, grid: Grid = GRID) -> np.ndarray:
    """How far from the middle the surface is."""
    steps = np.linspace(0.09, 0.15, 241)
    along = grid.sample(values, (steps[:, None, None] * directions).reshape(-1, 3)).reshape(len(steps), -1)
    return steps[(along > 0).argmax(0)]


def run(frames, capture, head) -> np.ndarray:
    return settled(stretched(), GRID, frames, capture, head, Deformer(head, GRID.low, GRID.high), WarpRasteriser())


def test_hair_settles_where_pictures_agree_and_outlines_stay():
    frames, capture, head = filmed(pattern=200)
    values, directions = run(frames, capture, head), crown(head)
    before = radii(stretched(), directions) - HAIR_RADIUS
    after = radii(values, directions) - HAIR_RADIUS
    assert before.mean() > 0.004
    assert np.abs(after).mean() < 0.3 * before.mean()
    angles = np.linspace(0.2, np.pi - 0.2, 9)
    outline = np.stack([np.cos(angles), np.sin(angles), np.zeros(9)], 1)
    # A step of the search is a quarter of a millimetre.
    np.testing.assert_allclose(radii(values, outline), HAIR_RADIUS, atol=0.0003)


def test_carving_uses_it():
    """Mattes of some sides do not tell how far in front of the forehead hair is; spots on it do."""
    off = {}
    for pattern in (0, 200):
        frames, capture, head = filmed(pattern, chosen=slice(4, 9))
        carved = carved_field(frames, capture, GEOMETRY)
        off[pattern] = np.abs(radii(carved.values, crown(head), carved.grid) - HAIR_RADIUS).mean()
    assert off[200] < 0.5 * off[0]


@pytest.mark.parametrize(
    ("pattern", "turns", "chosen"),
    [(0, 13, slice(None)), (200, 13, slice(6, 7)), (200, 41, slice(20, 22))],
    ids=["nothing to see", "one picture", "sides nearly alike"],
)
def test_what_tells_nothing_moves_nothing(pattern, turns, chosen):
    frames, capture, head = filmed(pattern, turns, chosen)
    assert turns == 13 or 1.6 / (turns - 1) < LEAST_APART
    np.testing.assert_allclose(run(frames, capture, head), stretched(), atol=1e-6)
