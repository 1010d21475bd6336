"""The fit finds a face that it was shown, for any head model; its parts do what their formulas say."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from likeness.capture.fitting.banded import solve_chain
from likeness.capture.fitting.fit import distances, fit_clip
from likeness.capture.fitting.points import COUNT, GAPS, PointModel, point_model
from likeness.capture.fitting.priors import FOCAL_DEVIATION, LOOK_ANGLE, expression_prior, with_gaze
from likeness.capture.fitting.residuals import NOISE, POSE, Unknowns, frame_energy, linearise, project, visibility
from likeness.capture.fitting.solver import first_poses, key_frames, solve_clip, solve_frames
from likeness.head.standin import standin
from scipy.spatial.transform import Rotation

FRAMES = 36
FOCAL = 1126.0


@pytest.fixture(scope="module")
def model() -> PointModel:
    return point_model(standin())


@pytest.fixture(scope="module")
def shown(model) -> Unknowns:
    """A head that turns and nods by 20 degrees, opens its mouth, blinks and smiles."""
    random = np.random.default_rng(3)
    time = np.linspace(0, 2 * np.pi, FRAMES)
    expression = np.zeros((FRAMES, len(model.expression_names)))
    for name, weight in (
        ("jawOpen", 0.3 + 0.3 * np.sin(3 * time)),
        ("eyeBlink_L", np.exp(-((time - 2) ** 2) / 0.1)),
        ("eyeBlink_R", np.exp(-((time - 2) ** 2) / 0.1)),
        ("mouthSmile_L", 0.4 + 0.4 * np.cos(time)),
        ("mouthSmile_R", 0.4 + 0.4 * np.cos(time)),
    ):
        expression[:, model.expression_names.index(name)] = weight
    angles = np.radians(20) * np.stack([np.sin(time), np.cos(2 * time) / 2, np.sin(time + 1) / 4], 1)
    place = np.array([0.0, -0.03, -0.75]) + 0.02 * np.stack([np.sin(time), np.cos(time), np.sin(2 * time)], 1)
    return Unknowns(
        identity=random.normal(size=len(model.identity_basis)).clip(-1.5, 1.5),
        log_focal=float(np.log(FOCAL)),
        rotation=Rotation.from_euler("yxz", angles).as_matrix(),
        translation=place,
        expression=expression,
    )


@pytest.fixture(scope="module")
def observed(model, shown) -> np.ndarray:
    return project(model, shown)[0]


@pytest.fixture(scope="module")
def fitted(model, observed) -> Unknowns:
    return fit_clip(model, observed, FOCAL)


def turn_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles between rotations, degrees."""
    return np.degrees(np.linalg.norm(Rotation.from_matrix(first @ second.transpose(0, 2, 1)).as_rotvec(), axis=1))


def test_a_known_face_is_found(model, shown, observed, fitted):
    # Without noise only the priors pull, and by less than the noise that they are weighed against.
    assert distances(model, observed, fitted).mean() < NOISE / 4
    assert turn_between(fitted.rotation, shown.rotation).mean() < 1.0
    for name, tolerance in (("jawOpen", 0.03), ("eyeBlink_L", 0.03), ("mouthSmile_R", 0.06)):
        index = model.expression_names.index(name)
        assert np.abs(fitted.expression[:, index] - shown.expression[:, index]).mean() < tolerance
        assert np.corrcoef(fitted.expression[:, index], shown.expression[:, index])[0, 1] > 0.995
    # The focal length hardly shows; it must stay where it is believed to be.
    assert abs(fitted.log_focal - shown.log_focal) < FOCAL_DEVIATION


def test_gaps_of_lids_and_lips_follow(model, observed, fitted):
    def gaps(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, GAPS[:, 0]] - points[:, GAPS[:, 1]], axis=-1)

    assert np.abs(gaps(project(model, fitted)[0]) - gaps(observed)).mean() < NOISE / 10


def test_noise_is_not_followed_but_averaged(model, shown, observed):
    noisy = observed + np.random.default_rng(0).normal(0, NOISE, observed.shape)
    fitted = fit_clip(model, noisy, FOCAL)
    # Some 60 unknowns of a frame share 936 measurements, so a quarter of the noise remains, before priors help.
    off = np.linalg.norm(project(model, fitted)[0] - observed, axis=-1)
    assert off.mean() < 0.5 * NOISE
    assert turn_between(fitted.rotation, shown.rotation).mean() < 1.0


def test_turns_of_45_degrees_are_followed(model, shown):
    """The far side of a face is guessed by the detector: there its points are off by many times the noise."""
    time = np.linspace(0, 2 * np.pi, FRAMES)
    angles = np.radians(45) * np.stack([np.sin(time), np.zeros(FRAMES), np.zeros(FRAMES)], 1)
    state = replace(shown, rotation=Rotation.from_euler("yxz", angles).as_matrix())
    exact, seen = project(model, state)
    hidden = visibility(model, state.rotation, seen) < 0.3
    random = np.random.default_rng(4)
    noise = random.normal(0, np.where(hidden, 4 * NOISE, NOISE / 2)[..., None], exact.shape)
    fitted = fit_clip(model, exact + noise, FOCAL)
    off = turn_between(fitted.rotation, state.rotation)
    assert off.mean() < 0.6 and off.max() < 1.2
    index = model.expression_names.index("jawOpen")
    assert np.abs(fitted.expression[:, index] - shown.expression[:, index]).mean() < 0.03


def test_weights_stay_in_their_range(model, fitted):
    assert (fitted.expression >= model.lowest).all() and (fitted.expression <= model.highest).all()


def test_names_and_ranges_do_not_matter(model, observed):
    """A head with principal components: names that tell nothing, weights of either sign, fewer of them."""
    kept = [i for i, name in enumerate(model.expression_names) if name.startswith(("jaw", "eyeBlink", "mouthS"))]
    other = replace(
        model,
        expression_basis=model.expression_basis[kept],
        expression_names=tuple(f"component {i}" for i in range(len(kept))),
        lowest=np.full(len(kept), -np.inf),
        highest=np.full(len(kept), np.inf),
    )
    fitted = fit_clip(other, observed, FOCAL)
    assert fitted.expression.shape == (FRAMES, len(kept))
    assert distances(other, observed, fitted).mean() < NOISE / 4


def test_identity_comes_from_training_frames_only(model, observed):
    training = np.arange(FRAMES - 8)
    changed = observed.copy()
    changed[len(training) :] *= 1.05
    first, second = (fit_clip(model, points, FOCAL, training) for points in (observed, changed))
    assert (first.identity == second.identity).all() and first.log_focal == second.log_focal
    assert set(key_frames(changed, 24, training)) <= set(training)


def test_ict_is_fitted_alike(ict_head):
    ict = point_model(ict_head)
    expression = np.zeros((FRAMES, len(ict.expression_names)))
    expression[:, ict.expression_names.index("jawOpen")] = np.linspace(0, 0.6, FRAMES)
    shown = Unknowns(
        identity=0.7 * (-1.0) ** np.arange(len(ict.identity_basis)) * (np.arange(len(ict.identity_basis)) < 8),
        log_focal=float(np.log(FOCAL)),
        rotation=Rotation.from_euler("y", np.linspace(-0.3, 0.3, FRAMES)[:, None]).as_matrix(),
        translation=np.tile([0.0, 0, -0.7], (FRAMES, 1)),
        expression=expression,
    )
    observed = project(ict, shown)[0]
    fitted = fit_clip(ict, observed, FOCAL)
    assert distances(ict, observed, fitted).mean() < NOISE / 4
    assert turn_between(fitted.rotation, shown.rotation).mean() < 1.0


def test_first_poses_are_exact_for_a_far_camera(model, shown):
    far = replace(shown, log_focal=float(np.log(1e6)), translation=shown.translation * [1, 1, 1e3])
    observed = project(model, far)[0]
    found = first_poses(model, observed, far.identity, np.zeros(len(model.expression_names)), far.log_focal)
    neutral = replace(far, expression=np.zeros_like(far.expression))
    exact = first_poses(model, project(model, neutral)[0], far.identity, neutral.expression[0], far.log_focal)
    # At a thousand times the distance perspective is a thousandth of the head's depth, 0.1 m, over 0.75 m.
    depth = 1e-3 * 0.1 / 0.75
    assert turn_between(exact.rotation, far.rotation).max() < np.degrees(depth)
    assert np.abs(exact.translation[:, 2] / far.translation[:, 2] - 1).max() < depth
    # A start that knows no expression is off by what the expressions move, a few millimetres of a face of 0.1 m.
    assert turn_between(found.rotation, far.rotation).max() < 3


def test_derivatives_are_those_of_the_projection(model, shown, observed):
    few = np.arange(3)
    state = shown.at(few)
    linear = linearise(model, observed[few] + 1.0, state, shared=True)
    small = 1e-6

    def predicted(unknowns: Unknowns) -> np.ndarray:
        points = project(model, unknowns)[0]
        gaps = points[:, GAPS[:, 0]] - points[:, GAPS[:, 1]]
        return np.concatenate([points, gaps], 1).reshape(len(points), -1)

    inner = replace(model, lowest=np.full_like(model.lowest, -9), highest=np.full_like(model.highest, 9))
    for column in (0, 1, 2, 3, 4, 5, POSE, POSE + 20):
        step = np.zeros((3, POSE + len(model.expression_names)))
        step[:, column] = small
        slope = (predicted(state.moved(step, inner)) - predicted(state.moved(-step, inner))) / (2 * small)
        assert np.abs(slope - linear.by_frame[:, :, column]).max() < 1e-6 * np.abs(slope).max()
    for column in (0, 5):
        change = small * np.eye(len(state.identity))[column]
        slope = (
            predicted(replace(state, identity=state.identity + change))
            - predicted(replace(state, identity=state.identity - change))
        ) / (2 * small)
        assert np.abs(slope - linear.by_shared[:, :, column]).max() < 1e-6 * np.abs(slope).max()
    slope = (
        predicted(replace(state, log_focal=state.log_focal + small))
        - predicted(replace(state, log_focal=state.log_focal - small))
    ) / (2 * small)
    assert np.abs(slope - linear.by_shared[:, :, -1]).max() < 1e-6 * np.abs(slope).max()


def test_no_frame_ever_gets_worse(model, shown, observed):
    prior = expression_prior(model.expression_names, model.lowest)
    random = np.random.default_rng(1)
    start = shown.moved(0.2 * random.normal(size=(FRAMES, POSE + len(model.expression_names))), model)
    before = frame_energy(model, prior, observed, start)
    after = frame_energy(model, prior, observed, solve_frames(model, prior, observed, start, iterations=3))
    assert (after <= before).all() and after.mean() < 0.1 * before.mean()


def test_lids_are_expected_to_follow_the_eyes():
    names = ("eyeLookUp_L", "eyeLookInRight", "eyeLookOut_R", "jawOpen", "component 3")
    prior = with_gaze(expression_prior(names, np.zeros(5)), names, np.array([[[-LOOK_ANGLE / 2, 0.1], [0.0, 9.0]]]))
    # The left eye looks up by half of the usual angle; the right eye looks to the subject's left, which is inwards.
    assert prior.usual[0].tolist() == pytest.approx([0.5, 1, 0, 0, 0])
    assert (prior.sparsity == 0).tolist() == [True, True, True, False, False]


def test_gaze_settles_what_lids_hardly_show(model, shown, observed):
    look = [index for index, name in enumerate(model.expression_names) if name.startswith("eyeLook")]
    turns = np.radians(15) * np.sin(np.linspace(0, 9, FRAMES))[:, None, None] * np.ones((2, 2))
    expression = (
        shown.expression
        + with_gaze(expression_prior(model.expression_names, model.lowest), model.expression_names, turns).usual
    )
    state = replace(shown, expression=expression)
    seen = project(model, state)[0]
    told, guessed = (fit_clip(model, seen, FOCAL, gaze=gaze).expression for gaze in (lambda _: turns, None))
    errors = [np.abs(fitted - expression)[:, look].mean() for fitted in (told, guessed)]
    assert errors[0] < errors[1] / 4


def test_windows_of_a_long_clip_join(monkeypatch, model, observed, fitted):
    prior = expression_prior(model.expression_names, model.lowest)
    noisy = observed + np.random.default_rng(2).normal(0, 0.5, observed.shape)
    start = solve_frames(model, prior, noisy, fitted, iterations=3)
    whole = solve_clip(model, prior, noisy, start)
    monkeypatch.setattr("likeness.capture.fitting.solver.WINDOW", 10)
    monkeypatch.setattr("likeness.capture.fitting.solver.AHEAD", 12)
    parts = solve_clip(model, prior, noisy, start)
    # Each part starts where the last one ended, so what is left is far less than what smoothing itself does.
    moved = np.abs(whole.expression - start.expression).mean()
    assert np.abs(parts.expression - whole.expression).mean() < moved / 5


def test_memory_does_not_grow_with_length(monkeypatch, model, observed, fitted):
    """Of a frame only its own unknowns and points may stay; its normal equations alone are a hundred times as much."""
    monkeypatch.setattr("likeness.capture.fitting.solver.WINDOW", 20)
    monkeypatch.setattr("likeness.capture.fitting.solver.CHUNK", 20)
    prior = expression_prior(model.expression_names, model.lowest)

    def peak(copies: int) -> int:
        frames = np.tile(np.arange(FRAMES), copies)
        longer, points = fitted.at(frames), observed[frames]
        tracemalloc.start()
        solve_clip(model, prior, points, solve_frames(model, prior, points, longer, iterations=1), iterations=1)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    bytes_per_frame = (peak(6) - peak(3)) / (3 * FRAMES)
    assert bytes_per_frame < 2_000


def test_nothing_is_smoothed_over_a_cut(model, observed, fitted):
    prior = expression_prior(model.expression_names, model.lowest)
    half = FRAMES // 2
    jumping = observed + np.where(np.arange(FRAMES) < half, 0, 40.0)[:, None, None] * [1, 0]
    start = solve_frames(model, prior, jumping, fitted, iterations=6)
    cut = solve_clip(model, prior, jumping, start, starts=np.array([half]))
    alone = solve_clip(model, prior, jumping[:half], start.at(np.arange(half)))
    assert np.abs(cut.translation[:half] - alone.translation).max() < 1e-9
    smooth = solve_clip(model, prior, jumping, start)
    assert np.abs(smooth.translation[:half] - alone.translation).max() > 1e-4


def test_heads_may_move_alone(model, shown, observed):
    """A head that is off comes back, under the expressions that it had."""
    prior = expression_prior(model.expression_names, model.lowest)
    shift = np.array([0.003, -0.002, 0.0])
    off = replace(shown, translation=shown.translation + shift)
    found = solve_clip(model, prior, observed, off, pose_only=True)
    assert np.array_equal(found.expression, off.expression)
    assert np.abs(found.translation - shown.translation).mean() < 0.2 * np.abs(shift).mean()


def test_priors_go_by_names():
    names = ("eyeBlink_L", "eyeBlinkRight", "jawOpen", "anything", "component 3")
    prior = expression_prior(names, np.array([0, 0, 0, 0, -np.inf]))
    assert prior.smoothness[0] == prior.smoothness[1] < prior.smoothness[2] < prior.smoothness[3]
    assert prior.ridge[0] < prior.ridge[3] == prior.ridge[4]
    assert prior.sparsity[3] > 0 == prior.sparsity[4]


def test_points_that_ride_on_the_shoulders_are_not_trusted():
    head = standin()
    loose = replace(head, skin_weights=np.eye(5, dtype=np.float32)[np.zeros(len(head.template), int)])
    assert (point_model(head).trust > 0).all()
    assert point_model(loose).trust.max() < 1e-6
    assert point_model(head).template.shape == (COUNT, 3)


def test_the_chain_solver_solves_the_whole_system():
    random = np.random.default_rng(0)
    frames, size = 7, 5
    blocks = random.normal(size=(frames, size, size))
    blocks = blocks @ blocks.transpose(0, 2, 1) + 10 * np.eye(size)
    coupling, right = random.normal(size=(frames - 1, size)), random.normal(size=(frames, size))
    whole = np.zeros((frames * size, frames * size))
    for frame in range(frames):
        here = slice(frame * size, (frame + 1) * size)
        whole[here, here] = blocks[frame]
        if frame:
            before = slice((frame - 1) * size, frame * size)
            whole[here, before] = whole[before, here] = np.diag(coupling[frame - 1])
    expected = np.linalg.solve(whole, right.ravel()).reshape(frames, size)
    assert np.abs(solve_chain(blocks, coupling, right) - expected).max() < 1e-12
