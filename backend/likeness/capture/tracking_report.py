"""How well a capture's rig follows what the pictures show: numbers that are told, stored and plotted."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import replacing, write_atomically
from .coverage import Sight, advice
from .fitting.points import COUNT, GROUPS
from .fitting.residuals import PICTURE
from .gaze import posed_irises
from .landmarks import LEFT_IRIS, RIGHT_IRIS
from .model import Capture

Floats = npt.NDArray[np.float64]

_LIDS = ((159, 145), (386, 374))
_LIPS = ((13, 14),)


@dataclass(frozen=True)
class TrackingReport:
    """Distances in pixels of a picture 512 wide, between landmarks seen and those of the posed head model.

    Attributes
    ----------
    track_px : float
        Mean over all frames and all 468 points of the face, each counted alike.
    median_px, p95_px : float
        Median and 95th percentile of the same distances.
    held_out_px : float
        Mean over the held-out frames only; NaN if there are none.
    groups : dict of str to float
        Mean over lips, eyes, brows, nose, oval.
    lid_gap_px, lid_gap_correlation : float
        Mean error of the opening between upper and lower lid, and its correlation over frames with the one seen.
    lip_gap_px, lip_gap_correlation : float
        The same for the opening between the lips.
    iris_px : float
        Mean distance of the iris centres.
    jitter_ratio : float
        Root mean square second difference over time of the posed model's points over that of the landmarks seen; above
        one the rig trembles more than the detector.
    worst_frame : int
        The frame with the largest mean distance.
    worst_frame_px : float
        That distance.
    """

    track_px: float
    median_px: float
    p95_px: float
    held_out_px: float
    groups: dict[str, float]
    lid_gap_px: float
    lid_gap_correlation: float
    lip_gap_px: float
    lip_gap_correlation: float
    iris_px: float
    jitter_ratio: float
    worst_frame: int
    worst_frame_px: float

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.track_px:.2f} px mean landmark error at {PICTURE:.0f} px (median {self.median_px:.2f}, 95 % below "
            f"{self.p95_px:.2f}, held out {self.held_out_px:.2f}); lids {self.lid_gap_px:.2f} px (correlation "
            f"{self.lid_gap_correlation:.3f}), lips {self.lip_gap_px:.2f} px ({self.lip_gap_correlation:.3f}), "
            f"irises {self.iris_px:.2f} px"
        )


def predicted_landmarks(capture: Capture) -> Floats:
    """Where the rig puts MediaPipe's 478 points in every frame, pixels (F, 478, 2).

    The head model is posed by the capture's parameters and projected by its cameras, exactly as consumers do. Of each
    iris only the centre is predicted; its rim is NaN.
    """
    head, identity = capture.head, capture.identity
    predicted = np.full((len(capture), 478, 2), np.nan)
    for index in range(len(capture)):
        camera, pose = capture.camera(index), capture.pose(index)
        predicted[index, :COUNT] = camera.project(head.landmarks(head.posed(pose, identity)))
        predicted[index, [LEFT_IRIS, RIGHT_IRIS]] = camera.project(posed_irises(head, identity, pose)[:, 0])
    return predicted


def tracking_report(capture: Capture, predicted: Floats, starts: npt.NDArray[np.intp] | None = None) -> TrackingReport:
    """Compare landmarks seen with those predicted by :func:`predicted_landmarks`.

    Parameters
    ----------
    capture : Capture
    predicted : (F, 478, 2)
    starts : (S,) int, optional
        Frames that do not go on from the one before; they do not count as jitter.
    """
    scale = PICTURE / capture.width
    seen, predicted = scale * capture.landmarks.astype(np.float64), scale * predicted
    distance = np.linalg.norm(seen - predicted, axis=-1)
    face = distance[:, :COUNT]
    by_frame = np.nanmean(face, axis=1)
    held_out = face[list(capture.held_out)]
    lid_seen, lid_predicted = (_gaps(points, _LIDS) for points in (seen, predicted))
    lip_seen, lip_predicted = (_gaps(points, _LIPS) for points in (seen, predicted))
    worst = int(by_frame.argmax())
    return TrackingReport(
        track_px=float(np.nanmean(face)),
        median_px=float(np.nanmedian(face)),
        p95_px=float(np.nanquantile(face, 0.95)),
        held_out_px=float(np.nanmean(held_out)) if held_out.size else float("nan"),
        groups={name: float(np.nanmean(face[:, list(points)])) for name, points in GROUPS.items()},
        lid_gap_px=float(np.nanmean(np.abs(lid_seen - lid_predicted))),
        lid_gap_correlation=_correlation(lid_seen, lid_predicted),
        lip_gap_px=float(np.nanmean(np.abs(lip_seen - lip_predicted))),
        lip_gap_correlation=_correlation(lip_seen, lip_predicted),
        iris_px=float(np.nanmean(distance[:, [LEFT_IRIS, RIGHT_IRIS]])),
        jitter_ratio=_jitter(predicted[:, :COUNT], starts) / max(_jitter(seen[:, :COUNT], starts), 1e-9),
        worst_frame=worst,
        worst_frame_px=float(by_frame[worst]),
    )


def write_report(
    report: TrackingReport, sights: list[Sight], remarks: dict[str, Any], seconds: dict[str, float], path: Path
) -> None:
    """Write the numbers as JSON, with what was seen, what to film, what was unusual, and how long each stage took.

    Parameters
    ----------
    report : TrackingReport
    sights : list of Sight
        Under ``seen``; advice about those that lack under ``advice``.
    remarks : dict
        What is unusual about the film, by topic.
    seconds : dict of str to float
        Wall-clock time by stage.
    path : Path
    """
    numbers = asdict(report)
    if math.isnan(report.held_out_px):  # JSON knows no NaN.
        numbers["held_out_px"] = None
    told = {
        **numbers,
        "remarks": remarks,
        "seen": [{**asdict(sight), "lacking": sight.lacking} for sight in sights],
        "advice": advice(sights),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
    }
    write_atomically(path, json.dumps(told, indent=1).encode())


def plot_residuals(capture: Capture, predicted: Floats, path: Path) -> None:
    """Draw the error of every frame, and the openings of lids and lips as seen and as predicted, into a PNG."""
    # Loading it takes a second that nobody else need wait for; no window is opened.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = PICTURE / capture.width
    seen, predicted = scale * capture.landmarks.astype(np.float64), scale * predicted
    distance = np.linalg.norm(seen - predicted, axis=-1)[:, :COUNT]
    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    error, lids, lips = figure.subplots(3, 1, sharex=True)
    error.plot(np.nanmean(distance, 1), label="mean")
    error.plot(np.nanquantile(distance, 0.95, axis=1), label="95th percentile", linewidth=0.8)
    for axes, pairs, name in ((lids, _LIDS, "lids"), (lips, _LIPS, "lips")):
        axes.plot(_gaps(seen, pairs).mean(1), label=f"{name}: seen")
        axes.plot(_gaps(predicted, pairs).mean(1), label=f"{name}: rig", linewidth=0.8)
    for axes, label in ((error, "landmark error"), (lids, "opening"), (lips, "opening")):
        axes.set_ylabel(f"{label}, px at {PICTURE:.0f}")
        axes.set_ylim(bottom=0)
        if capture.held_out:
            axes.axvspan(capture.held_out[0], capture.held_out[-1], color="0.92", label="held out")
        axes.legend(loc="upper left", fontsize=8)
    lips.set_xlabel("frame")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _gaps(points: Floats, pairs: tuple[tuple[int, int], ...]) -> Floats:
    """Distances (F, P) between pairs of points."""
    upper, lower = np.array(pairs).T
    return np.linalg.norm(points[:, upper] - points[:, lower], axis=-1)


def _jitter(points: Floats, starts: npt.NDArray[np.intp] | None) -> float:
    """Root mean square second difference over time of points (F, N, 2), not over cuts."""
    second = (np.diff(points, 2, axis=0) ** 2).sum(-1).mean(-1)
    smooth = np.ones(len(second), bool)
    for start in starts if starts is not None else ():
        smooth[max(start - 2, 0) : start] = False
    return float(np.sqrt(second[smooth].mean())) if smooth.any() else 0.0


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's correlation of all entries; zero where one of them never changes."""
    if min(np.std(first), np.std(second)) < 1e-9:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
