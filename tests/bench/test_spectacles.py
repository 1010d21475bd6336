"""Spectacles are drawn before the eyes of a head whose pose is known, whichever way it is turned."""

from __future__ import annotations

import numpy as np
from likeness.bench.spectacles import with_spectacles
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_frame
from likeness.rig import JOINTS, skinning_transforms

RIM = 60
"""sRGB value up to which a pixel is taken for a rim that was drawn."""


def test_rims_lie_around_both_eyes():
    truth = sample_capture()
    joints = truth.head.joints(truth.head.shaped(truth.identity))
    for index in (0, 60, 90):
        bare, camera = load_frame(truth, index), truth.camera(index)
        worn = with_spectacles(bare, truth, index)
        rims = np.argwhere((worn.max(-1) < RIM) & (bare.max(-1) > 2 * RIM))[:, ::-1] + 0.5
        neck = skinning_transforms(truth.pose(index), joints)[JOINTS.index("neck")]
        for name in ("eye_l", "eye_r"):
            eye = neck[:, :3] @ joints[JOINTS.index(name)] + neck[:, 3]
            # Where rims are by the head's own axes, metres: pixels of one metre across and up, at the eye's depth.
            axes = np.stack([camera.project(eye + 0.01 * neck[:, axis]) - camera.project(eye) for axis in (0, 1)], 1)
            across, up = np.linalg.solve(100 * axes, (rims - camera.project(eye)).T)
            middle = up[np.abs(across) < 0.008]
            # Of a lens's four centimetres, 35 mm are open eight from its middle; seen at 45 degrees they look like 25.
            assert 0.025 < middle[middle > 0].min() - middle[middle < 0].max() < 0.04


def test_nothing_far_from_the_eyes_changes():
    truth = sample_capture()
    bare = load_frame(truth, 0)
    changed = np.argwhere((with_spectacles(bare, truth, 0) != bare).any(-1))
    top, left = changed.min(0)
    bottom, right = changed.max(0)
    assert 0.3 < top / truth.height < bottom / truth.height < 0.55
    assert 0.2 < left / truth.width < right / truth.width < 0.8
