"""The trainer's renderer draws what the run-time defines."""

from __future__ import annotations

import numpy as np
import pytest
from avatars import tiny_avatar, tiny_camera, tiny_poses
from likeness.layered.playback import Player
from likeness.runtime.render import render


@pytest.mark.parametrize("name", tiny_poses())
@pytest.mark.parametrize("hard_edges", [False, True])
def test_pictures_are_the_runtimes(name, hard_edges):
    avatar, camera, pose = tiny_avatar(hard_edges=hard_edges), tiny_camera(64, azimuth=0.3), tiny_poses()[name]
    ours, theirs = Player(avatar).render(pose, camera), render(avatar, pose, camera)
    assert ours.shape == (64, 64, 4)
    difference = np.abs(ours - theirs).max(-1)
    # Both work in float32; where a pixel's centre lies on an edge to within that, each may see another triangle.
    assert (difference > 1e-3).sum() <= 1
    assert np.median(difference[theirs[..., 3] > 0]) < 1e-6
