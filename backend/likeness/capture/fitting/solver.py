"""The steps of the fit: first poses, key frames with identity and focal length, all frames alone, all frames together.

Each is a Gauss-Newton method whose steps are taken only where they lower the cost: without that, two of three clips
diverge. Expression weights have ranges; one that would leave its range is put on the bound and the rest solved again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from .banded import solve_chain
from .points import PointModel
from .priors import FOCAL_DEVIATION, IDENTITY, STEADINESS, ExpressionPrior
from .residuals import POSE, Frames, Linearised, Unknowns, frame_energy, linearise

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Evidence = Callable[[Frames, Unknowns], tuple[Floats, Floats]]
"""What else is known of some frames, whose unknowns are given: matrices (F, n, n) and gradients (F, n)."""

CHUNK = 50
"""Frames linearised at a time, to bound memory."""

KEY_FRAMES = 24
"""Frames, as different as possible, from which identity and focal length are taken."""

SETTLED = 1e-3
"""Share by which a step must lower a frame's cost for another one to be worth it."""

WINDOW, AHEAD = 400, 24
"""Frames of a long clip that are solved together, and frames beyond them that are looked at."""

NOMINAL_FRAMES = 20
"""Key frames beyond this many add no more certainty: frames of one clip err alike."""

IDENTITY_LIMIT = 4.0
"""Largest identity coefficient, standard deviations."""

VELOCITY_FRAMES = 2.0
"""Standard deviation of the window over which the head's usual velocity is taken, frames."""


def first_poses(
    model: PointModel, observed: Floats, identity: Floats, expression: Floats, log_focal: float
) -> Unknowns:
    """Poses from a scaled orthographic camera, in closed form, given one identity (I,) and one expression (E,)."""
    points = model.points(identity, expression[None])[0]
    weight = model.trust / model.trust.sum()
    centre = weight @ points
    centred = points - centre
    middle = np.einsum("n,fnj->fj", weight, observed)
    moment = np.einsum("ni,n,fnj->fji", centred, weight, observed - middle[:, None])
    rows = moment @ np.linalg.inv((centred * weight[:, None]).T @ centred)
    lengths = np.linalg.norm(rows, axis=2)
    scale = np.sqrt(lengths.prod(1))
    units = rows / lengths[..., None]
    frame = np.concatenate([units, np.cross(units[:, 0], units[:, 1])[:, None]], 1)
    left, _, right = np.linalg.svd(frame)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    rotation: Floats = np.matmul(left, right)
    depth = np.exp(log_focal) / scale
    translation = np.concatenate([middle / scale[:, None], -depth[:, None]], 1) - rotation @ centre
    return Unknowns(identity, log_focal, rotation, translation, np.tile(expression, (len(observed), 1)))


def key_frames(observed: Floats, count: int, candidates: Frames) -> Frames:
    """Frames that differ most from one another (farthest-point sampling of the points' positions), ascending."""
    flat = observed.reshape(len(observed), -1)
    chosen = [int(candidates[0])]
    distance = ((flat[candidates] - flat[chosen[0]]) ** 2).sum(1)
    while len(chosen) < min(count, len(candidates)):
        chosen.append(int(candidates[distance.argmax()]))
        distance = np.minimum(distance, ((flat[candidates] - flat[chosen[-1]]) ** 2).sum(1))
    return np.array(sorted(chosen))


def solve_key_frames(
    model: PointModel,
    prior: ExpressionPrior,
    observed: Floats,
    unknowns: Unknowns,
    *,
    iterations: int = 20,
    tell: Callable[[int, int], None] | None = None,
) -> Unknowns:
    """Fit identity and focal length together with the poses and expressions of a few frames.

    The frames' own unknowns are eliminated frame by frame (Schur complement), so that each step solves one small
    system.
    """
    expected_focal = unknowns.log_focal
    share = min(1.0, NOMINAL_FRAMES / len(observed))

    def cost(state: Unknowns) -> float:
        return float(
            share * frame_energy(model, prior, observed, state).sum()
            + 0.5 * IDENTITY * (state.identity**2).sum()
            + 0.5 * ((state.log_focal - expected_focal) / FOCAL_DEVIATION) ** 2
        )

    damping, best = 1e-2, cost(unknowns)
    for iteration in range(iterations):
        linear = linearise(model, observed, unknowns, shared=True)
        hessian, gradient = _frame_systems(linear, prior, unknowns)
        free = ~_at_bounds(model, unknowns, gradient)
        _damp(hessian, damping)
        hessian, gradient = _pinned(hessian, gradient, free)
        by_shared, weighted = linear.by_shared, linear.weight[..., None] * linear.by_shared
        mixed = (weighted.transpose(0, 2, 1) @ linear.by_frame) * free[:, None, :]
        solved = np.linalg.solve(hessian, np.concatenate([mixed.transpose(0, 2, 1), gradient[..., None]], 2))
        shared_hessian = share * np.tensordot(weighted, by_shared, ((0, 1), (0, 1)))
        _damp(shared_hessian[None], damping)
        shared_hessian -= share * (mixed @ solved[..., :-1]).sum(0)
        shared_gradient = -share * np.einsum("fmk,fm->k", weighted, linear.residual)
        shared_gradient -= share * (mixed @ solved[..., -1:])[..., 0].sum(0)
        curvature = np.append(np.full(len(unknowns.identity), IDENTITY), FOCAL_DEVIATION**-2)
        shared_hessian[np.diag_indices_from(shared_hessian)] += curvature
        shared_gradient += curvature * np.append(unknowns.identity, unknowns.log_focal - expected_focal)
        if iteration < 2:  # Poses are still rough, and would pull the focal length anywhere.
            shared_hessian[-1, -1] += 1e12
        step = np.linalg.solve(shared_hessian, -shared_gradient)
        step[-1] = step[-1].clip(-0.15, 0.15)
        frame_step = -solved[..., -1] - solved[..., :-1] @ step
        moved = replace(
            unknowns.moved(frame_step, model),
            identity=(unknowns.identity + step[:-1]).clip(-IDENTITY_LIMIT, IDENTITY_LIMIT),
            log_focal=unknowns.log_focal + float(step[-1]),
        )
        reached = cost(moved)
        if reached < best:
            unknowns, best, damping = moved, reached, max(damping / 4, 1e-4)
        else:
            damping = min(damping * 8, 1e4)
        if tell:
            tell(iteration + 1, iterations)
    return unknowns


def solve_frames(
    model: PointModel,
    prior: ExpressionPrior,
    observed: Floats,
    unknowns: Unknowns,
    *,
    iterations: int = 10,
    tell: Callable[[int, int], None] | None = None,
) -> Unknowns:
    """Fit pose and expression of every frame by itself (Levenberg-Marquardt, damped and accepted per frame)."""
    for start in range(0, len(observed), CHUNK):
        frames = np.arange(start, min(start + CHUNK, len(observed)))
        damping = np.full(len(frames), 1e-3)
        chunk, points, beliefs = unknowns.at(frames), observed[frames], prior.at(frames)
        cost = frame_energy(model, beliefs, points, chunk)
        moving = np.arange(len(frames))  # those whose cost still falls
        for _ in range(iterations):
            part, seen, belief = chunk.at(moving), points[moving], beliefs.at(moving)
            hessian, gradient = _frame_systems(linearise(model, seen, part, shared=False), belief, part)
            _damp(hessian, damping[moving])
            moved = part.moved(_bounded_step(model, part, hessian, gradient), model)
            reached = frame_energy(model, belief, seen, moved)
            better = reached < cost[moving]
            chunk = chunk.with_frames(moving[better], moved.at(np.flatnonzero(better)))
            settled = better & (cost[moving] - reached < SETTLED * cost[moving])
            cost[moving] = np.where(better, reached, cost[moving])
            damping[moving] = np.where(better, (damping[moving] / 4).clip(1e-5), damping[moving] * 8).clip(max=1e6)
            moving = moving[~settled]
            if not len(moving):
                break
        unknowns = unknowns.with_frames(frames, chunk)
        if tell:
            tell(int(frames[-1]) + 1, len(observed))
    return unknowns


def solve_clip(
    model: PointModel,
    prior: ExpressionPrior,
    observed: Floats,
    unknowns: Unknowns,
    starts: Frames | None = None,
    iterations: int = 3,
    evidence: Evidence | None = None,
    *,
    pose_only: bool = False,
) -> Unknowns:
    """Fit all frames together: expressions change smoothly from frame to frame, and so does the head's velocity.

    Long clips are solved window by window, each tied to the frame before it, so that memory does not grow with length;
    what comes more than ``AHEAD`` frames later has no say.

    Parameters
    ----------
    starts : (S,) int, optional
        Frames that are not tied to the one before them.
    iterations : int
    evidence : callable, optional
        Normal equations of what the points do not tell.
    pose_only : bool
        Whether expressions stay as they are.
    """
    count = len(observed)
    edges = np.unique([0, count, *(starts if starts is not None else ())])
    for begin, end in pairwise(edges.tolist()):
        for first in range(begin, end, WINDOW):
            pinned = first > begin
            last = min(first + WINDOW, end)
            frames = np.arange(first - pinned, min(last + AHEAD, end))
            if len(frames) < 2:
                continue
            solved = _solve_window(
                model,
                prior.at(frames),
                observed[frames],
                unknowns.at(frames),
                pinned=pinned,
                iterations=iterations,
                evidence=(lambda part, frames=frames: evidence(frames, part)) if evidence else None,
                pose_only=pose_only,
            )
            kept = np.arange(first, last)
            unknowns = unknowns.with_frames(kept, solved.at(kept - frames[0]))
    return unknowns


def _solve_window(
    model: PointModel,
    prior: ExpressionPrior,
    observed: Floats,
    unknowns: Unknowns,
    *,
    pinned: bool,
    iterations: int,
    evidence: Callable[[Unknowns], tuple[Floats, Floats]] | None,
    pose_only: bool,
) -> Unknowns:
    """Fit the frames of one window together; the first one stays as it is if it is pinned."""
    tie = np.concatenate([STEADINESS, prior.smoothness])
    for _ in range(iterations):
        systems = [
            _frame_systems(linearise(model, observed[frames], part, shared=False), prior.at(frames), part)
            for frames in np.array_split(np.arange(len(observed)), -(-len(observed) // CHUNK))
            for part in (unknowns.at(frames),)
        ]
        hessian, gradient = (np.concatenate(parts) for parts in zip(*systems, strict=True))
        more = evidence(unknowns) if evidence else None
        if more:
            hessian, gradient = hessian + more[0], gradient + more[1]
        _damp(hessian, 1e-3)
        neighbours = np.full(len(observed), 2.0)
        neighbours[[0, -1]] = 1.0
        diagonal = np.arange(hessian.shape[1])
        hessian[:, diagonal, diagonal] += neighbours[:, None] * tie
        usual = _usual_velocity(unknowns)
        pull = tie * (_changes(unknowns) - usual)
        gradient[1:] += pull
        gradient[:-1] -= pull
        free = ~_at_bounds(model, unknowns, gradient)
        free[0] &= not pinned
        free[:, POSE:] &= not pose_only
        hessian, gradient = _pinned(hessian, gradient, free)
        both_free: Floats = (free[1:] & free[:-1]).astype(np.float64)
        step = solve_chain(hessian, -tie * both_free, -gradient)
        best = _clip_cost(model, prior, observed, unknowns, usual)
        for shortening in (1.0, 0.5, 0.25, 0.125):
            taken = shortening * step
            moved = unknowns.moved(taken, model)
            reached = _clip_cost(model, prior, observed, moved, usual)
            if more:  # Looking again would cost as much as a step; near the solution the parabola is near enough.
                reached += float((taken * (more[1] + 0.5 * (more[0] @ taken[..., None])[..., 0])).sum())
            if reached < best:
                unknowns = moved
                break
        else:
            return unknowns
    return unknowns


def _clip_cost(model: PointModel, prior: ExpressionPrior, observed: Floats, unknowns: Unknowns, usual: Floats) -> float:
    """What all frames cost with the changes between them, against a usual velocity (F - 1, 6 + E)."""
    tie = np.concatenate([STEADINESS, prior.smoothness])
    sudden = _changes(unknowns) - usual
    return float(frame_energy(model, prior, observed, unknowns).sum() + 0.5 * (tie * sudden**2).sum())


def _changes(unknowns: Unknowns) -> Floats:
    """Changes (F - 1, 6 + E) from each frame to the next: turn about the camera's axes, translation, expression."""
    turn = Rotation.from_matrix(unknowns.rotation[1:] @ unknowns.rotation[:-1].transpose(0, 2, 1)).as_rotvec()
    return np.concatenate([turn, np.diff(unknowns.translation, axis=0), np.diff(unknowns.expression, axis=0)], 1)


def _usual_velocity(unknowns: Unknowns) -> Floats:
    """Velocity (F - 1, 6 + E) of the head around each frame; for expressions zero, for they come and go suddenly."""
    usual = np.zeros((len(unknowns.rotation) - 1, POSE + unknowns.expression.shape[1]))
    usual[:, :POSE] = gaussian_filter1d(_changes(unknowns)[:, :POSE], VELOCITY_FRAMES, axis=0, mode="nearest")
    return usual


def _frame_systems(linear: Linearised, prior: ExpressionPrior, unknowns: Unknowns) -> tuple[Floats, Floats]:
    """Normal equations of each frame with its prior: matrices (F, n, n) and gradients (F, n)."""
    # A step's direction needs no more than single precision, which is twice as fast; where it leads to does.
    scaled = (np.sqrt(linear.weight)[..., None] * linear.by_frame).astype(np.float32)
    hessian = (scaled.transpose(0, 2, 1) @ scaled).astype(np.float64)
    weighted = linear.weight * linear.residual
    gradient = -(weighted[:, None] @ linear.by_frame)[:, 0]
    diagonal = np.arange(POSE, hessian.shape[1])
    hessian[:, diagonal, diagonal] += prior.ridge
    gradient[:, POSE:] += prior.ridge * (unknowns.expression - prior.usual) + prior.sparsity
    return hessian, gradient


def _damp(hessian: Floats, damping: Floats | float) -> None:
    """Enlarge the diagonals of matrices (F, n, n) in place by a share, (F,) or one for all."""
    diagonal = np.arange(hessian.shape[1])
    hessian[:, diagonal, diagonal] *= 1 + np.reshape(damping, (-1, 1))


def _at_bounds(model: PointModel, unknowns: Unknowns, gradient: Floats) -> Flags:
    """Unknowns (F, n) that sit on a bound and would leave their range by going downhill."""
    expression, downhill = unknowns.expression, -gradient[:, POSE:]
    fixed = np.zeros(gradient.shape, bool)
    fixed[:, POSE:] = ((expression <= model.lowest + 1e-9) & (downhill < 0)) | (
        (expression >= model.highest - 1e-9) & (downhill > 0)
    )
    return fixed


def _pinned(hessian: Floats, gradient: Floats, free: Flags) -> tuple[Floats, Floats]:
    """The same systems with a step of zero for unknowns that are not free."""
    pinned = hessian * (free[:, :, None] & free[:, None, :])
    diagonal = np.arange(hessian.shape[1])
    pinned[:, diagonal, diagonal] += ~free
    return pinned, gradient * free


def _bounded_step(model: PointModel, unknowns: Unknowns, hessian: Floats, gradient: Floats) -> Floats:
    """Newton steps (F, n) within the ranges: what would leave is put on its bound and the rest solved again."""
    fixed = _at_bounds(model, unknowns, gradient)
    onto_bound = np.zeros_like(gradient)
    step = onto_bound
    for _ in range(3):
        shifted = gradient + (hessian @ onto_bound[..., None])[..., 0]
        pinned, right = _pinned(hessian, shifted, ~fixed)
        step = np.linalg.solve(pinned, -right[..., None])[..., 0] * ~fixed + onto_bound
        reached = unknowns.expression + step[:, POSE:]
        leaving = ((reached < model.lowest) | (reached > model.highest)) & ~fixed[:, POSE:]
        if not leaving.any():
            break
        bound = reached.clip(model.lowest, model.highest) - unknowns.expression
        fixed[:, POSE:] |= leaving
        onto_bound[:, POSE:] = np.where(leaving, bound, onto_bound[:, POSE:])
    return step
