"""A video in, a capture out: find the face, fit the head model, follow the eyes, cut out the person."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..head.model import HeadModel
from .clip_mattes import refine_mattes
from .coverage import coverage
from .cutting_out import Clip, cut_out
from .fitting.correspondence import personal_head
from .fitting.fit import fit_clip
from .fitting.points import COUNT, point_model
from .fitting.priors import ExpressionPrior, expression_prior, with_gaze
from .fitting.residuals import PICTURE, Unknowns
from .fitting.teeth import resting_heights, with_teeth
from .formats.flame_frames import FOCAL_OVER_SIDE as POSSIBLE_FOCAL_OVER_SIDE
from .gaze import track_gaze
from .model import Capture
from .overlay import write_overlay
from .stopwatch import Stopwatch
from .storage import check_place, picture_names, put_in_place, write_capture
from .survey import Plan, Survey, plan_tracking, survey_film
from .tracking_page import write_page
from .tracking_report import plot_residuals, predicted_landmarks, tracking_report, write_report
from .video import Video, check_name, open_video
from .work_folder import WorkFolder, array_fingerprint, file_fingerprint
from .world import motion

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Report = Callable[[str, int, int], None]

SIZES = (128, 2048)
"""Smallest and largest side of a capture's pictures, pixels."""

FOCAL_OVER_SIDE = 2.2
"""Expected focal length in multiples of the square's side; landmarks hardly show it, so a fixed guess serves best."""


def track_video(
    video: Path,
    head: HeadModel,
    out: Path,
    *,
    size: int = 512,
    held_out_fraction: float = 0.2,
    focal: float | None = None,
    photometric: bool = True,
    overwrite: bool = False,
    provenance: Mapping[str, str] | None = None,
    progress: Report | None = None,
) -> Capture:
    """Track the head in a video and write a capture, whole or not at all.

    Beside the capture's own files the folder gets ``tracking/overlay.mp4``, ``tracking/residuals.png``,
    ``tracking/report.json`` (see :class:`likeness.capture.tracking_report.TrackingReport`) and ``tracking/report.md``,
    which tells what was poorly seen and what to film.

    If a second face is seen, the larger one is followed and the capture's provenance says so; two faces of similar size
    (less than 1.5 times) in more than half of the frames are refused. Frames that show no face are left out. Where the
    film was cut, nothing is smoothed. Memory does not grow with the film's length but for some 20 kilobytes a frame. A
    run that was killed goes on where it was when it is started again with the same video and size.

    MediaPipe's points are moved over the skin to where this person has them, so ``capture.head`` differs from ``head``
    in its landmarks; the stand-in is not stored with a capture, and when read again has its own landmarks.

    Parameters
    ----------
    video : Path
        A person talking before a camera that stands still.
    head : HeadModel
    out : Path
        Folder to make; it must not exist or be empty, unless ``overwrite`` is given.
    size : int
        Side of the square pictures; the part of the video that holds the head is never enlarged.
    held_out_fraction : float
        Part of the frames, at the end, on which nothing is fitted but their own pose and expression; 0..0.5.
    focal : float, optional
        Focal length of the video, its own pixels, 0.1 to 100 times its longer side. Without it, 2.2 times the side of
        the square that is kept.
    photometric : bool
        Whether the fit to landmarks is refined by the colours of the skin; see :mod:`likeness.capture.photometric`.
        Avatars get better by it, and points move away from the detector's.
    overwrite : bool
        Whether a capture that is already there may be replaced, once the new one is whole; any other folder never is.
    provenance : mapping of str to str, optional
        What is known of where the video came from; kept in the capture.
    progress : callable, optional
        Told a stage's name, what is done of it and its total.

    Returns
    -------
    Capture

    Raises
    ------
    LikenessError
        If the video cannot be used (missing, damaged, too short, HDR, no face, two faces alike) or the folder not be
        written.
    """
    video, out = Path(video), Path(os.path.abspath(out))
    if not SIZES[0] <= size <= SIZES[1]:
        raise LikenessError(f"A picture size of {size} is not possible; choose {SIZES[0]} to {SIZES[1]} pixels.")
    if not 0 <= held_out_fraction <= 0.5:
        raise LikenessError(f"A held-out part of {held_out_fraction} is not possible; choose 0 to 0.5.")
    if focal is not None and not focal > 0:
        raise LikenessError(f"A focal length of {focal} is not possible; give pixels of the video, more than zero.")
    report: Report = progress or (lambda stage, done, total: None)
    source = open_video(video)
    if focal is not None:
        _check_focal(focal, source)
    check_name(out)
    check_place(out, overwrite)
    watch = Stopwatch()
    try:
        settings = {"video": file_fingerprint(video), "size": size}
        with WorkFolder(out.parent / f".{out.name}.tracking", settings) as work:
            plan = plan_tracking(_surveyed(source, work, watch, report), source, size)
            clip = refine_mattes(cut_out(source, plan, work, watch, report), work, watch, report)
            pixels = focal * plan.crop.size / plan.crop.side if focal else FOCAL_OVER_SIDE * plan.crop.size
            capture = _fitted(clip, plan, head, pixels, held_out_fraction, photometric, work, watch, report)
            told = {
                "source": video.name,
                "made by": "likeness track",
                "head": f"{head.name} ({head.licence})" if head.licence else head.name,
                "frames without a face, left out": str(clip.count - len(clip.frames)),
                **plan.remarks,
                **capture.provenance,
                **(provenance or {}),
            }
            finished = _written(replace(capture, provenance=told), clip, plan, work, watch, report)
            # Somebody may have put files there since.
            check_place(out, overwrite)
            put_in_place(finished.folder, out)
            return replace(finished, folder=out)
    except OSError as error:
        raise LikenessError(f"Cannot write {out}: {error.strerror or error}.") from error


def _check_focal(focal: float, source: Video) -> None:
    least, most = (times * max(source.width, source.height) for times in POSSIBLE_FOCAL_OVER_SIDE)
    if not least <= focal <= most:
        raise LikenessError(
            f"A focal length of {focal:g} is not possible for {source.path}, {source.width}x{source.height} pixels; "
            f"give {least:g} to {most:g} pixels."
        )


def _surveyed(source: Video, work: WorkFolder, watch: Stopwatch, report: Report) -> Survey:
    """The survey of a film, made now or by an earlier run."""
    kept = work.stage("survey")
    if kept is not None:
        width, height = (int(value) for value in kept["size"])
        return Survey(width, height, kept["seconds"], kept["boxes"], kept["changes"])
    with watch.measuring("survey"):
        survey = survey_film(source, report)
    size = np.array([survey.width, survey.height])
    work.finish_stage(
        "survey", {"size": size, "seconds": survey.seconds, "boxes": survey.boxes, "changes": survey.changes}
    )
    return survey


def fit_landmarks(
    landmarks: Array,
    head: HeadModel,
    size: int,
    middle: tuple[float, float],
    focal: float,
    *,
    training: Indices | None = None,
    starts: Indices | None = None,
    frame_rate: float = 25.0,
) -> Capture:
    """A capture from landmarks alone; it has no pictures and is not on disk.

    Parameters
    ----------
    landmarks : (F, 478, 2)
        MediaPipe's points, pixels.
    head : HeadModel
    size : int
        Side of the square pictures that they were found in, pixels.
    middle : (float, float)
        Principal point, pixels.
    focal : float
        Expected focal length, pixels.
    training : (T,) int, optional
        Frames from which identity, focal length and places on the skin are taken: the first T; all by default.
    starts : (S,) int, optional
        Frames before which the film was cut.
    frame_rate : float

    Returns
    -------
    Capture
    """
    first = np.arange(len(landmarks)) if training is None else training
    cuts = np.zeros(0, np.intp) if starts is None else starts
    found = _fit(_centred(landmarks, size, middle), cuts, head, focal * PICTURE / size, first, lambda *_: None)
    return _capture(found, landmarks, head, size, middle, first, frame_rate)


def _fitted(
    clip: Clip,
    plan: Plan,
    head: HeadModel,
    focal: float,
    held_out_fraction: float,
    photometric: bool,
    work: WorkFolder,
    watch: Stopwatch,
    report: Report,
) -> Capture:
    """The capture of a clip, fitted now or by an earlier run; not yet on disk."""
    count, size = len(clip.frames), plan.crop.size
    training = np.arange(count - round(held_out_fraction * count))
    stage = f"fit-{_fit_fingerprint(head, focal, len(training))}"
    found = work.stage(stage)
    if found is None:
        with watch.measuring("fit"):
            centred = _centred(clip.landmarks, size, plan.crop.middle)
            found = _fit(centred, clip.starts, head, focal * PICTURE / size, training, report)
        work.finish_stage(stage, found)
    if photometric:
        refined = work.stage(f"{stage}-photometric")
        if refined is None:
            # Only this needs the rasteriser, which takes seconds to load.
            from .photometric.refine import Pictures, refine_clip
            from .photometric.teeth import seen_heights

            with watch.measuring("photometric"):
                centred = _centred(clip.landmarks, size, plan.crop.middle)
                pictures = Pictures(clip.picture, size, plan.crop.middle)
                refined = _refit(
                    found,
                    centred,
                    clip.starts,
                    head,
                    training,
                    lambda person, prior, unknowns: refine_clip(
                        person, prior, centred, unknowns, pictures, training, clip.starts, report
                    ),
                )
                known = _unknowns(refined)
                refined["teeth"] = seen_heights(head, centred, known, pictures, training, refined["teeth"])
            work.finish_stage(f"{stage}-photometric", refined)
        found = refined
    return _capture(found, clip.landmarks, head, size, plan.crop.middle, training, plan.frame_rate)


def _centred(landmarks: Array, size: int, middle: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Landmarks (F, 478, 2) in pixels of a picture 512 wide, from the principal point, y upwards."""
    return (landmarks.astype(np.float64) - middle) * [PICTURE / size, -PICTURE / size]


def _capture(
    found: dict[str, np.ndarray],
    landmarks: Array,
    head: HeadModel,
    size: int,
    middle: tuple[float, float],
    training: Indices,
    frame_rate: float,
) -> Capture:
    """The capture of what :func:`_fit` found, which says what became of its teeth and nothing of where it came from."""
    count = len(landmarks)
    head, unknowns = _person(head, found), _unknowns(found)
    rig = motion(head, unknowns, found["gaze"], training)
    teeth = "upper row {:.1f} mm, lower row {:.1f} mm".format(*1000 * found["teeth"])
    pixels = float(np.exp(unknowns.log_focal)) * size / PICTURE
    return Capture(
        folder=Path(),
        head=head,
        identity=unknowns.identity.astype(np.float32),
        width=size,
        height=size,
        intrinsics=np.array([pixels, pixels, *middle], np.float32),
        camera_to_world=np.tile(rig.camera_to_world, (count, 1, 1)),
        expression=unknowns.expression.astype(np.float32),
        root_rotation=np.zeros((count, 3), np.float32),
        root_translation=rig.root_translation,
        joint_rotations=rig.joint_rotations,
        landmarks=landmarks,
        frames=picture_names("frames", count, ".jpg"),
        mattes=picture_names("mattes", count, ".png"),
        held_out=tuple(range(len(training), count)),
        frame_rate=frame_rate,
        provenance={"teeth, raised": teeth} if head.regions["teeth"].any() else {},
    )


def _fit(
    centred: npt.NDArray[np.float64],
    starts: Indices,
    head: HeadModel,
    focal: float,
    training: Indices,
    report: Report,
) -> dict[str, np.ndarray]:
    """Fit head and eyes to landmarks (F, 478, 2), given as the fit wants them: everything found, by name."""
    points = centred[:, :COUNT]
    person = personal_head(head, points, focal, training, lambda done, total: report("points", done, total))
    unknowns = fit_clip(
        point_model(person),
        points,
        focal,
        training,
        report,
        gaze=lambda fitted: track_gaze(person, fitted, centred, starts)[0],
        starts=starts,
    )
    return _found(person, unknowns, centred, starts, training)


def _refit(
    found: dict[str, np.ndarray],
    centred: npt.NDArray[np.float64],
    starts: Indices,
    head: HeadModel,
    training: Indices,
    refine: Callable[[HeadModel, ExpressionPrior, Unknowns], Unknowns],
) -> dict[str, np.ndarray]:
    """What :func:`_fit` found, with the head refined and the eyes following it."""
    person = _person(head, found)
    prior = expression_prior(head.expression_names, head.expression_range[:, 0].astype(np.float64))
    unknowns = refine(person, with_gaze(prior, head.expression_names, found["gaze"]), _unknowns(found))
    return _found(person, unknowns, centred, starts, training)


def _found(
    person: HeadModel, unknowns: Unknowns, centred: npt.NDArray[np.float64], starts: Indices, training: Indices
) -> dict[str, np.ndarray]:
    """Everything that was fitted, by name, as it is kept on disk, with what follows from it for eyes and teeth."""
    return {
        "identity": unknowns.identity,
        "log_focal": np.array([unknowns.log_focal]),
        "rotation": unknowns.rotation,
        "translation": unknowns.translation,
        "expression": unknowns.expression,
        "gaze": track_gaze(person, unknowns, centred, starts)[0],
        "teeth": resting_heights(person, centred, unknowns.expression, training),
        "landmark_triangles": person.landmark_triangles,
        "landmark_barycentrics": person.landmark_barycentrics,
    }


def _unknowns(found: dict[str, np.ndarray]) -> Unknowns:
    return Unknowns(
        found["identity"], float(found["log_focal"][0]), found["rotation"], found["translation"], found["expression"]
    )


def _person(head: HeadModel, found: dict[str, np.ndarray]) -> HeadModel:
    """The head with this person's points and teeth."""
    own = {name: found[name] for name in ("landmark_triangles", "landmark_barycentrics")}
    return with_teeth(replace(head, **own), found["teeth"])


def _fit_fingerprint(head: HeadModel, focal: float, training: int) -> str:
    arrays = (head.template, head.identity_basis, head.expression_basis, head.landmark_barycentrics)
    return array_fingerprint(*arrays, np.array([focal, training]))[:16]


def _written(capture: Capture, clip: Clip, plan: Plan, work: WorkFolder, watch: Stopwatch, report: Report) -> Capture:
    """The capture with all that belongs to it, in the work folder: whole before it is moved to its place."""
    with watch.measuring("report"):
        predicted = predicted_landmarks(capture)
        numbers = tracking_report(capture, predicted, clip.starts)
    told = {**capture.provenance, "tracking": numbers.summary()}
    with watch.measuring("capture"):
        finished = write_capture(
            replace(capture, provenance=told), work.path / "capture", clip.frames, clip.mattes, overwrite=True
        )
    extra = finished.folder / "tracking"
    extra.mkdir()
    plot_residuals(finished, predicted, extra / "residuals.png")
    with watch.measuring("overlay"):
        for done in write_overlay(finished, predicted, extra / "overlay.mp4"):
            report("overlay", done, len(finished))
    sights = coverage(finished)
    remarks = {**plan.remarks, "left out": clip.left_out, "cuts": plan.starts.tolist()}
    write_report(numbers, sights, remarks, watch.seconds, extra / "report.json")
    write_page(finished, numbers, sights, extra / "report.md")
    return finished
