"""The tracking benchmark measures what it says, on captures whose errors are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from likeness.bench.track import bench_track, compare, peak_gib
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.head.standin import standin
from likeness.rig import POSED_JOINTS
from scipy.spatial.transform import Rotation

FRAMES = np.array([0, 31, 75, 120])


@pytest.fixture(scope="module")
def truth() -> Capture:
    return sample_capture()


def part(capture: Capture) -> Capture:
    """The chosen frames of a capture, as if found by tracking."""
    return replace(
        capture,
        expression=capture.expression[FRAMES],
        root_rotation=capture.root_rotation[FRAMES],
        root_translation=capture.root_translation[FRAMES],
        joint_rotations=capture.joint_rotations[FRAMES],
        camera_to_world=capture.camera_to_world[FRAMES],
        frames=capture.frames[: len(FRAMES)],
    )


def test_the_truth_has_no_error(truth):
    errors = compare(truth, FRAMES, part(truth))
    # A double's arc cosine near one is good to 1e-8 of a radian, a millionth of a degree.
    assert max(vars(errors).values()) < 2e-6


def test_each_error_is_seen_as_what_it_is(truth):
    found = part(truth)
    turn = Rotation.from_rotvec(np.radians([0, 5, 0])).as_matrix()
    turned = found.camera_to_world.copy()
    turned[:, :3, :3] = turn @ turned[:, :3, :3]
    errors = compare(truth, FRAMES, replace(found, camera_to_world=turned))
    assert errors.turn_deg == pytest.approx(5, abs=1e-2) and errors.steady_turn_deg < 1
    assert errors.shown < 1e-6 and errors.face_mm < 1e-3 and errors.gaze_deg < 1e-2

    shifted = found.camera_to_world.copy()
    shifted[:, :3, 3] += shifted[:, :3, 0] * 0.003
    assert compare(truth, FRAMES, replace(found, camera_to_world=shifted)).place_mm == pytest.approx(3, abs=1e-2)

    rotations = found.joint_rotations.copy()
    rotations[:, POSED_JOINTS.index("eye_l")] = 0
    assert compare(truth, FRAMES, replace(found, joint_rotations=rotations)).gaze_deg > 1

    expression = np.clip(found.expression - 0.1, 0, None)
    errors = compare(truth, FRAMES, replace(found, expression=expression))
    assert errors.shown == pytest.approx(0.1, abs=1e-5) and errors.hidden < 0.05 and errors.face_mm > 0.01


def test_a_film_gets_all_marks(talking_film):
    marks = bench_track(talking_film, standin())["marks"]
    fit = ["track_px", "lid_corr", "lip_corr", "iris_px", "jitter_ratio", "ms_per_frame"]
    assert list(marks) == [*fit, *(f"colours_{name}" for name in fit), "peak_gib"]
    assert [mark["unit"] for mark in marks.values()] == [*["px", "", "", "px", "", "ms"] * 2, "GiB"]
    values = {name: mark["value"] for name, mark in marks.items()}
    for way in ("", "colours_"):
        # The stand-in is nobody's likeness; lids and lips follow all the same.
        assert 0.5 < values[f"{way}track_px"] < 4 and 0 < values[f"{way}iris_px"] < 1
        assert values[f"{way}lid_corr"] > 0.9 and values[f"{way}lip_corr"] > 0.95
        assert 0.3 < values[f"{way}jitter_ratio"] < 3 and values[f"{way}ms_per_frame"] > 1
    assert values["colours_track_px"] != values["track_px"]
    # What was the most so far cannot have shrunk since.
    assert 0.1 < values["peak_gib"] <= peak_gib() < 16
