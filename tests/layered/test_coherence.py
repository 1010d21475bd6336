"""How much hair hangs is read off mattes: with the right motion they agree on one shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import ball_capture
from likeness.layered.canonical import canonical_head
from likeness.layered.coherence import hanging_share
from likeness.layered.deformer import Deformer
from likeness.layered.frames import FilmedFrame
from likeness.layered.matte_outlines import posed_points
from scipy.ndimage import binary_closing

SIZE, LOW, HIGH = 96, np.full(3, -0.22, np.float32), np.full(3, 0.16, np.float32)


def filmed(share: float, nods: float = 1.0):
    """A ball between two long strands nods and tilts; the strands hang by a share."""
    plain, frames = ball_capture(turns=12, size=SIZE)
    tilts = np.zeros((12, 4, 3), np.float32)
    tilts[:, 0, 0] = nods * 0.15 * np.sin(np.arange(12))
    tilts[:, 0, 2] = nods * 0.3 * np.cos(2.1 * np.arange(12))
    capture = replace(plain, joint_rotations=tilts)
    head = canonical_head(capture.head, ())
    deformer = Deformer(head, LOW, HIGH)
    strand = np.stack(np.meshgrid(np.linspace(0.12, 0.15, 13), np.linspace(-0.2, 0.04, 97), [-0.01, 0, 0.01]), -1)
    strands = np.concatenate([strand.reshape(-1, 3) * [side, 1, 1] for side in (-1, 1)])
    person = np.concatenate([strands, 0.98 * head.points]).astype(np.float32)
    posed = posed_points(person, head, deformer.with_hanging(share))
    shots = []
    for index in range(12):
        columns, rows, _ = posed.seen(frames.cameras[index], capture.pose(index))
        matte = np.zeros((SIZE, SIZE), bool)
        across, down = np.rint(columns).astype(int), np.rint(rows).astype(int)
        shown = (across >= 0) & (across < SIZE) & (down >= 0) & (down < SIZE)
        matte[down[shown], across[shown]] = True
        matte = torch.as_tensor(255 * binary_closing(matte, iterations=3).astype(np.uint8))
        shots.append(FilmedFrame(frames.film(index).picture, matte, frames.film(index).face_mask))
    return replace(frames, film=shots.__getitem__), capture, head, deformer


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_strands_hang_as_they_were_filmed(share):
    frames, capture, head, deformer = filmed(share)
    assert hanging_share(frames, capture, head, deformer, LOW, HIGH) == share


def test_a_head_that_hardly_nods_tells_nothing():
    """Strands, 20 cm long, move by less than half a pixel."""
    frames, capture, head, deformer = filmed(1.0, nods=0.02)
    assert hanging_share(frames, capture, head, deformer, LOW, HIGH) == 0.0
