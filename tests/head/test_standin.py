"""The stand-in head: what it promises to everything that is built and tested on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from likeness.head.model import HeadModel
from likeness.head.sculpt import ears
from likeness.head.sculpt.anatomy import EYE_RADIUS
from likeness.head.sculpt.body import Body, body
from likeness.head.sculpt.expressions import expressions
from likeness.head.sculpt.eyes import COLUMNS, EDGE_RING
from likeness.head.sculpt.mouth import COLUMNS as MOUTH_COLUMNS
from likeness.head.sculpt.mouth import SEAM_RING
from likeness.head.sculpt.weights import JAW_ANGLE, JOINT_PLACES
from likeness.head.standin import FILE, standin
from likeness.rig import JOINTS, Pose

RADIUS = EYE_RADIUS / 100
HALF_STEP = 2.0**-11
"""Relative error of a number rounded to float16."""
ARKIT_SIDED = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeBlink", "eyeLookDown",
    "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
ARKIT_WHOLE = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut",
)  # fmt: skip


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return standin()


@pytest.fixture(scope="module")
def sculpted() -> Body:
    return body()


def expressed(head: HeadModel, **weights: float) -> np.ndarray:
    """Vertices of the head with some expressions."""
    values = np.zeros(head.expression_count, np.float32)
    for name, weight in weights.items():
        values[head.expression_names.index(name)] = weight
    return head.posed(Pose(values)).astype(np.float64)


def lid_edge(sculpted: Body, ring: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the left upper and lower lid's edge, paired from the outer corner to the inner one."""
    edge = np.flatnonzero((sculpted.rows("lid") == ring) & (sculpted.points[:, 0] > 0))
    edge = edge[np.argsort(sculpted.column[edge])]
    return edge[1 : COLUMNS // 2], edge[: COLUMNS // 2 : -1]


def test_it_has_arkits_expressions_within_the_promised_size(head: HeadModel) -> None:
    sided = {f"{name}_{side}" for name in ARKIT_SIDED for side in "LR"}
    assert set(head.expression_names) == sided | set(ARKIT_WHOLE)
    assert len(head.template) <= 8000
    assert FILE.stat().st_size < 3_000_000
    assert (head.expression_range == [0, 1]).all()


def test_every_expression_moves_something_and_nothing_below_the_throat(head: HeadModel) -> None:
    moved = np.linalg.norm(head.expression_basis, axis=2)
    assert (moved.max(1) > 0.0005).all()
    assert moved[:, head.template[:, 1] < -0.14].max() == 0


def test_it_is_a_head_of_adult_size(head: HeadModel) -> None:
    skin = head.template[np.unique(head.faces[head.regions["face"] | head.regions["scalp"]])]
    crown, chin = skin[:, 1].max(), skin[skin[:, 2] > 0.07, 1].min()
    assert crown - chin == pytest.approx(0.23, abs=0.01)
    eyes = head.joints()[3:]
    assert eyes[0, 0] - eyes[1, 0] == pytest.approx(0.062, abs=0.001)
    # Axes: the face looks along +Z, the subject's left is +X.
    assert eyes[0, 0] > 0 and eyes[:, 2].min() > 0


def test_regions_that_every_head_model_has_are_there(head: HeadModel) -> None:
    for name in (
        "skin",
        "face",
        "mouth",
        "teeth",
        "eyes",
        "neck",
        "lips",
        "brows",
        "ears",
        "scalp",
        "gums",
        "tongue",
        "lids",
    ):
        assert head.regions[name].any(), name
    owners = np.stack([head.regions[name] for name in ("skin", "mouth", "teeth", "eyes")]).sum(0)
    assert (owners == 1).all()
    for name in ("face", "neck", "lips", "brows", "ears", "scalp", "lids"):
        assert not (head.regions[name] & ~head.regions["skin"]).any(), name


def test_the_surface_is_sound(head: HeadModel) -> None:
    """Every edge has at most two triangles, which run along it in opposite directions."""
    edges = np.concatenate([head.faces[:, [0, 1]], head.faces[:, [1, 2]], head.faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert (np.unique(head.faces) == np.arange(len(head.template))).all()


def test_the_skin_looks_outwards(head: HeadModel) -> None:
    corners = head.template[head.faces[head.regions["scalp"]]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("fc,fc->f", normal, corners.mean(1) - [0, 0.03, 0]) > 0).all()
    for joint, side in ((3, 1), (4, -1)):
        corners = head.template[head.faces[head.regions["eyes"]]]
        corners = corners[np.sign(corners[:, 0, 0]) == side]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (np.einsum("fc,fc->f", normal, corners.mean(1) - head.joints()[joint]) > 0).all()


def test_an_ear_has_helix_groove_antihelix_and_concha(sculpted: Body) -> None:
    """From the rim towards the middle, a little above straight backwards, the ear's front rises and falls twice."""
    flare = np.radians(ears.FLARE)
    rings = sculpted.points[sculpted.of("ear_l")][: len(ears.FRONT) * ears.COLUMNS].reshape(-1, ears.COLUMNS, 3)
    height = (rings @ [np.cos(flare), 0, np.sin(flare)])[::-1, ears.COLUMNS // 24]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(height)))) + 1
    helix, groove, antihelix = height[turns[:3]]
    concha = height[turns[2] :].min()
    # Centimetres: what one can feel, and a bowl that a fingertip fits in.
    assert helix - groove > 0.15 and antihelix - groove > 0.1
    assert antihelix - concha > 0.5


def test_furrows_part_the_teeth(sculpted: Body) -> None:
    """Where two upper teeth meet the arch is notched: their middles stand out by half a millimetre more."""
    teeth = sculpted.points[sculpted.of("upper teeth")].reshape(5, -1, 3)
    middle = teeth.shape[1] // 2
    front = teeth[1, :, 2]
    assert front[middle + 2] - front[middle] > 0.05 and front[middle - 2] - front[middle] > 0.05


def test_it_is_symmetric(head: HeadModel, sculpted: Body) -> None:
    twin = sculpted.twin
    assert (twin[twin] == np.arange(len(twin))).all()
    np.testing.assert_array_equal(head.template[twin] * np.array([-1, 1, 1], np.float32), head.template)
    for number, name in enumerate(head.expression_names):
        if name.endswith("_L"):
            other = head.expression_basis[head.expression_names.index(name[:-1] + "R")]
            np.testing.assert_array_equal(other[twin] * [-1, 1, 1], head.expression_basis[number])


@pytest.mark.parametrize("ring", [EDGE_RING, EDGE_RING + 1])
def test_a_blink_closes_the_eye(head: HeadModel, sculpted: Body, ring: int) -> None:
    upper, lower = lid_edge(sculpted, ring)
    open_gap = np.linalg.norm(head.template[upper] - head.template[lower], axis=1)
    assert open_gap.max() > 0.008
    closed = expressed(head, eyeBlink_L=1)
    # Both edges land on the same points; what is left is the rounding of displacements of up to 1 cm to float16.
    assert np.linalg.norm(closed[upper] - closed[lower], axis=1).max() < 4 * 0.01 * HALF_STEP


@pytest.mark.parametrize(
    "name", ["eyeBlink", "eyeWide", "eyeSquint", "eyeLookDown", "eyeLookUp", "eyeLookIn", "eyeLookOut", "cheekSquint"]
)
@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_lids_slide_over_the_ball(head: HeadModel, sculpted: Body, name: str, weight: float) -> None:
    points = expressed(head, **{f"{name}_L": weight})
    lid = sculpted.rows("lid")[head.faces]
    faces = head.faces[(lid >= 1).all(1) & (head.template[head.faces[:, 0], 0] > 0)]
    corners = points[faces]
    # A flat triangle comes nearest to the ball's centre somewhere inside: look at a grid of places on it.
    grid = np.array([(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)]) / 4
    places = np.einsum("gk,fkc->fgc", grid, corners)
    clearance = np.linalg.norm(places - head.joints()[3], axis=2) - RADIUS
    assert clearance.min() > 0
    if name == "eyeBlink" and weight == 1:
        rear = points[sculpted.rows("lid") == EDGE_RING + 1]
        rear = rear[rear[:, 0] > 0]
        assert (np.linalg.norm(rear - head.joints()[3], axis=1) - RADIUS).min() > 0.0003


def test_an_open_jaw_parts_lips_and_teeth(head: HeadModel, sculpted: Body) -> None:
    points = expressed(head, jawOpen=1)
    middle = (sculpted.rows("lip") == SEAM_RING) & (np.abs(sculpted.points[:, 0]) < 1e-6)
    upper, lower = (points[middle & (sculpted.column == column)][0] for column in (0, MOUTH_COLUMNS - 1))
    assert upper[1] - lower[1] > 0.025
    # The lower teeth turn rigidly with the jaw, the upper ones stay.
    moved = points - head.template
    np.testing.assert_array_equal(moved[sculpted.of("upper teeth")], 0)
    teeth = sculpted.of("lower teeth")
    arm = head.template[teeth] - head.joints()[2]
    angle = np.radians(JAW_ANGLE)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(points[teeth], head.joints()[2] + arm @ turn.T, atol=0.05 * HALF_STEP)


def test_closing_the_lips_over_an_open_jaw(head: HeadModel, sculpted: Body) -> None:
    points = expressed(head, jawOpen=1, mouthClose=1)
    seam = np.flatnonzero((sculpted.rows("lip") == SEAM_RING) & (sculpted.points[:, 0] > -1e-9))
    seam = seam[np.argsort(sculpted.column[seam])]
    gap = np.linalg.norm(points[seam] - points[seam[::-1]], axis=1)
    rest = np.linalg.norm(head.template[seam] - head.template[seam[::-1]], axis=1)
    assert (gap - rest).max() < 8 * 0.03 * HALF_STEP


@pytest.mark.parametrize("identity", [0, 1])
def test_turning_the_jaw_looks_like_opening_it(head: HeadModel, identity: int) -> None:
    assert identity < len(head.identity_basis)
    pose = head.neutral()
    pose.joint_rotations[JOINTS.index("jaw") - 1, 0] = np.radians(JAW_ANGLE)
    difference = np.linalg.norm(head.posed(pose) - expressed(head, jawOpen=1), axis=1)
    # The corrective is float32 and the features' sine is too: micrometres.
    assert difference.max() < 2e-6
    still = np.delete(np.arange(36), [9 + 5, 9 + 7])
    assert not head.pose_correctives[still].any()


def test_skin_weights(head: HeadModel, sculpted: Body) -> None:
    weights = head.skin_weights
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.min() >= 0
    assert (weights[sculpted.of("eye_l"), JOINTS.index("eye_l")] == 1).all()
    assert (weights[sculpted.of("eye_r"), JOINTS.index("eye_r")] == 1).all()
    assert (weights[sculpted.of("lower teeth"), JOINTS.index("jaw")] == 1).all()
    shoulders = head.template[:, 1] < -0.165
    assert (weights[shoulders, 0] > 0.99).all()
    assert not weights[head.template[:, 1] > -0.02, 0].any()


def test_the_regressor_gives_the_joints(head: HeadModel) -> None:
    np.testing.assert_allclose(head.joint_regressor.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(head.joints(), JOINT_PLACES / 100, atol=1e-6)


def test_identities_move_lids_with_the_ball(head: HeadModel, sculpted: Body) -> None:
    """Two standard deviations of any mode leave the eyeball's distance from its lids' edge as it was."""
    edge = np.flatnonzero((sculpted.rows("lid") == EDGE_RING + 1) & (sculpted.points[:, 0] > 0))
    for mode in range(len(head.identity_basis)):
        identity = np.zeros(len(head.identity_basis))
        identity[mode] = 2.0
        shaped = head.shaped(identity)
        joint = head.joints(shaped)[3]
        distance = np.linalg.norm(shaped[edge] - joint, axis=1)
        rest = np.linalg.norm(head.template[edge] - head.joints()[3], axis=1)
        assert np.abs(distance - rest).max() < 2e-5, mode
    assert np.linalg.norm(head.identity_basis, axis=2).max(1).min() > 0.001


def test_texture_coordinates_are_one_layout_without_overlaps(head: HeadModel) -> None:
    assert head.uv.min() >= 0 and head.uv.max() <= 1
    corners = head.uv[head.faces_uv].astype(np.float64)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    assert (area > 0).all()
    # Charts without folds that overlap nowhere cover as many texels as their triangles' areas add up to.
    size = 1024
    covered = np.zeros((size, size), np.int32)
    for triangle in corners * size:
        low, high = np.floor(triangle.min(0) - 0.5).astype(int), np.ceil(triangle.max(0) + 0.5).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        place = np.stack([x, y], -1) + 0.5
        sides = [np.cross(triangle[(k + 1) % 3] - triangle[k], place - triangle[k]) for k in range(3)]
        inside = (sides[0] > 0) & (sides[1] > 0) & (sides[2] > 0)
        covered[np.clip(y[inside], 0, size - 1), np.clip(x[inside], 0, size - 1)] += 1
    assert covered.max() == 1


def test_landmarks_lie_where_they_belong(head: HeadModel, sculpted: Body) -> None:
    np.testing.assert_allclose(head.landmark_barycentrics.sum(1), 1, atol=1e-6)
    assert head.landmark_barycentrics.min() >= 0
    points = head.landmarks(head.template)
    # 33 and 263 are the right and left eye's outer corners, 1 the tip of the nose, 152 the chin.
    assert points[33, 0] < -0.03 and points[263, 0] > 0.03
    assert points[1, 2] == pytest.approx(head.template[:, 2].max(), abs=0.003)
    assert points[152, 1] < points[1, 1] - 0.05
    # Lids' points sit on the true edge, so that closing the eye closes the gap between them.
    closed = head.landmarks(expressed(head, eyeBlink_L=1, eyeBlink_R=1).astype(np.float32))
    for upper, lower in ((386, 374), (159, 145)):
        assert points[upper, 1] - points[lower, 1] > 0.008
        assert abs(closed[upper, 1] - closed[lower, 1]) < 0.0005


def test_making_it_again_gives_the_same_head(head: HeadModel, sculpted: Body) -> None:
    """Script and file agree; other processors round other last bits, hence the tolerance of a micrometre."""
    from likeness.head.sculpt.assemble import make_head

    made = make_head(sculpted)
    for name in ("template", "faces", "uv", "faces_uv", "skin_weights", "joint_regressor", "pose_correctives"):
        np.testing.assert_allclose(getattr(made, name), getattr(head, name), atol=1e-6, err_msg=name)
    assert made.expression_names == head.expression_names
    np.testing.assert_allclose(made.expression_basis, head.expression_basis, atol=1e-6, rtol=2 * HALF_STEP)
    np.testing.assert_allclose(made.identity_basis, head.identity_basis, atol=1e-6, rtol=2 * HALF_STEP)
    assert {name: value.sum() for name, value in made.regions.items()} == {
        name: value.sum() for name, value in head.regions.items()
    }


def test_mediapipe_sees_a_face(head: HeadModel) -> None:
    pytest.importorskip("mediapipe")
    from likeness.head.sculpt.landmarks import detect
    from likeness.head.shading import View, draw, reduced

    size = 512
    view = View(10.0, 0.0, (0.0, 0.0, 0.03), 0.34, 1.1)
    found = detect(reduced(draw(head, head.template, view, 2 * size)[0], 2))
    assert found is not None
    expected, _ = view.project(head.landmarks(head.template), size)
    # Half of the points within two millimetres.
    assert np.median(np.linalg.norm(found - expected, axis=1)) < 0.002 * size / view.extent


def test_its_picture_can_be_drawn(head: HeadModel, tmp_path: Path) -> None:
    from dataclasses import replace

    from likeness.head.preview import preview
    from PIL import Image

    few = replace(
        head,
        expression_names=head.expression_names[:3],
        expression_basis=head.expression_basis[:3],
        expression_range=head.expression_range[:3],
    )
    preview(few, tmp_path / "head.png")
    picture = np.asarray(Image.open(tmp_path / "head.png"))
    assert picture.shape[1] == 1920 and picture.std() > 20


def test_expressions_of_the_two_sides_do_not_mix(sculpted: Body) -> None:
    """A one-sided expression leaves the middle of the other side's cheek alone."""
    shapes = expressions(sculpted)
    far = sculpted.points[:, 0] < -2.5
    for name, displacement in shapes.items():
        if name.endswith("_L"):
            assert np.abs(displacement[far]).max() < 0.02, name
