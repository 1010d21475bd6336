"""The core is open where the head mesh covers it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from likeness.layered.core_opening import MARGIN, open_core
from tiny_training import blank_proxies


def _proxies(level: float):
    """The tiny head's layers; the middle one only has its front, and is the head mesh if its level is zero."""
    proxies = blank_proxies().numpy()
    centres = proxies.positions[proxies.faces].mean(1)
    kept = (proxies.face_layers != 1) | (centres[:, 2] > 0.02)
    return replace(
        proxies,
        faces=proxies.faces[kept],
        faces_uv=proxies.faces_uv[kept],
        face_layers=proxies.face_layers[kept],
        levels=np.array([-0.006, level, 0.006], np.float32),
    )


def test_what_the_head_mesh_covers_is_left_out():
    proxies = _proxies(level=0.0)
    opened = open_core(proxies)
    centres = opened.positions[opened.faces].mean(1)
    core, head, shell = (centres[opened.face_layers == layer] for layer in range(3))
    assert core[:, 2].max() < 0.02 + 1.5 * MARGIN
    # Behind the rim, by more than an edge of these coarse meshes, the core is whole.
    before = proxies.positions[proxies.faces[proxies.face_layers == 0]].mean(1)
    assert (core[:, 2] < 0.0).sum() == (before[:, 2] < 0.0).sum()
    assert len(head) == (proxies.face_layers == 1).sum()
    assert len(shell) == (proxies.face_layers == 2).sum()
    assert len(opened.faces_uv) == len(opened.faces)


def test_without_a_head_mesh_nothing_changes():
    proxies = _proxies(level=0.001)
    assert len(open_core(proxies).faces) == len(proxies.faces)


def test_a_closed_head_mesh_has_no_rim_and_opens_nothing():
    proxies = replace(blank_proxies().numpy(), levels=np.array([-0.006, 0.0, 0.006], np.float32))
    assert len(open_core(proxies).faces) == len(proxies.faces)
