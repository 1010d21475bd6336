"""From landmarks in a clip's pictures to who it is, how the head is turned and what the face does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .points import PointModel
from .priors import expression_prior, with_gaze
from .residuals import Frames, Unknowns, project
from .solver import KEY_FRAMES, first_poses, key_frames, solve_clip, solve_frames, solve_key_frames

Floats = npt.NDArray[np.float64]
Report = Callable[[str, int, int], None]

LID_ITERATIONS = 4
"""Steps of every frame once the eyes' turns are known; little but the lids moves then."""


def fit_clip(
    model: PointModel,
    observed: Floats,
    focal: float,
    training: Frames | None = None,
    progress: Report | None = None,
    *,
    gaze: Callable[[Unknowns], Floats] | None = None,
    starts: Frames | None = None,
) -> Unknowns:
    """Fit identity, focal length, poses and expressions to landmarks.

    Parameters
    ----------
    model : PointModel
    observed : (F, 468, 2)
        Pixels of a picture 512 wide, from the camera's principal point, y upwards.
    focal : float
        Expected focal length, the same pixels; the fit stays within about ten per cent of it.
    training : (T,) int, optional
        Frames from which identity and focal length may be taken; all by default.
    progress : callable, optional
        Told a stage's name, what is done of it and its total.
    gaze : callable, optional
        Finds the turns (F, 2, 2) of the eyes for a fit of the head, for lids follow them; see
        :func:`likeness.capture.gaze.track_gaze`.
    starts : (S,) int, optional
        Frames before which the film was cut; nothing is expected to go on smoothly there.

    Returns
    -------
    Unknowns
    """

    def tell(stage: str) -> Callable[[int, int], None] | None:
        if progress is None:
            return None
        report = progress
        return lambda done, total: report(stage, done, total)

    candidates = np.arange(len(observed)) if training is None else training
    prior = expression_prior(model.expression_names, model.lowest)
    nothing = np.zeros(len(model.expression_names)).clip(model.lowest, model.highest)
    start = first_poses(model, observed, np.zeros(len(model.identity_basis)), nothing, float(np.log(focal)))
    keys = key_frames(observed, KEY_FRAMES, candidates)
    fitted = solve_key_frames(model, prior, observed[keys], start.at(keys), tell=tell("identity"))
    # Poses that were guessed for the mean head are too far off once the identity is known.
    usual = fitted.expression.mean(0)
    unknowns = first_poses(model, observed, fitted.identity, usual, fitted.log_focal).with_frames(keys, fitted)
    unknowns = solve_frames(model, prior, observed, unknowns, tell=tell("frames"))
    if gaze:
        prior = with_gaze(prior, model.expression_names, gaze(unknowns))
        unknowns = solve_frames(model, prior, observed, unknowns, iterations=LID_ITERATIONS)
    return solve_clip(model, prior, observed, unknowns, starts)


def distances(model: PointModel, observed: Floats, unknowns: Unknowns) -> Floats:
    """Distance (F, 468) between seen and predicted points, pixels of a picture 512 wide."""
    return np.linalg.norm(observed - project(model, unknowns)[0], axis=-1)
