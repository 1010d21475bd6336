"""A film becomes a capture, whole or not at all; whatever is wrong with it is told in one sentence."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import TALKING_FRAMES, TALKING_SIZE, ffmpeg, noise_film
from likeness.capture.model import Capture
from likeness.capture.storage import load_capture, load_frame, load_matte
from likeness.capture.track import track_video
from likeness.capture.tracking_report import predicted_landmarks, tracking_report
from likeness.errors import LikenessError
from likeness.head.standin import standin

FRAMES, SIZE = TALKING_FRAMES, TALKING_SIZE


@pytest.fixture(scope="session")
def tracked(talking_film, ict_head, tmp_path_factory) -> Capture:
    told: list[tuple[str, int, int]] = []
    out = tmp_path_factory.mktemp("tracked") / "capture"
    capture = track_video(
        talking_film,
        ict_head,
        out,
        photometric=False,
        provenance={"licence": "CC BY 4.0"},
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    assert [stage for stage, done, total in told if done == total] == [
        "face",
        "landmarks",
        "mattes",
        "points",
        "identity",
        "frames",
        "overlay",
    ]
    assert all(0 < done <= total for _, done, total in told)
    return capture


def nothing_left(folder: Path) -> bool:
    return not any(folder.iterdir())


def test_a_real_film_is_tracked(tracked):
    read = load_capture(tracked.folder)
    assert len(read) == FRAMES and (read.width, read.height) == (SIZE, SIZE)
    assert read.held_out == tuple(range(32, 40)) and read.frame_rate == 25
    assert read.head.name == "ict" and read.provenance["licence"] == "CC BY 4.0"
    assert (read.expression == tracked.expression).all() and (read.landmarks == tracked.landmarks).all()
    assert (read.root_rotation == 0).all()
    assert (read.expression >= 0).all() and (read.expression <= 1).all()


def test_the_rig_follows_the_film(tracked):
    report = tracking_report(tracked, predicted_landmarks(tracked))
    # The project's mark for whole clips, in pixels of a picture 512 wide.
    assert report.track_px < 1.6
    assert report.lid_gap_correlation > 0.95 and report.lip_gap_correlation > 0.95
    assert report.iris_px < 1.0
    stored = json.loads((tracked.folder / "tracking" / "report.json").read_text())
    assert stored["track_px"] == pytest.approx(report.track_px, abs=1e-6)
    assert f"{report.track_px:.2f} px" in tracked.provenance["tracking"]
    page = (tracked.folder / "tracking" / "report.md").read_text()
    assert re.search(r"^- teeth, raised: upper row -?\d+\.\d mm, lower row -?\d+\.\d mm$", page, re.MULTILINE)


def test_the_report_measures_what_it_says(tracked):
    """Every landmark moved three pixels off raises distances by the triangle's rule, and gaps not at all."""
    predicted = predicted_landmarks(tracked)
    exact = tracking_report(tracked, tracked.landmarks.astype(np.float64))
    assert exact.track_px == 0 and exact.lid_gap_correlation == pytest.approx(1)
    moved = tracking_report(tracked, tracked.landmarks + np.array([3.0, 0.0]))
    assert moved.track_px == pytest.approx(3.0 * 512 / SIZE, rel=1e-5) and moved.lip_gap_px < 1e-4
    held_out = np.linalg.norm(predicted[32:, :468] - tracked.landmarks[32:, :468], axis=-1).mean() * 512 / SIZE
    assert tracking_report(tracked, predicted).held_out_px == pytest.approx(held_out, rel=1e-5)


def test_mattes_hold_the_face_and_leave_the_background(tracked):
    for index in (0, 20, 39):
        matte = load_matte(tracked, index)
        columns, rows = tracked.landmarks[index, :468].astype(int).T
        assert matte[rows, columns].mean() > 250
        assert matte[:20, :20].mean() < 5
        assert 0.3 < (matte > 127).mean() < 0.8
        assert load_frame(tracked, index).shape == (SIZE, SIZE, 3)


def test_the_overlay_shows_every_frame(tracked):
    reader = cv2.VideoCapture(str(tracked.folder / "tracking" / "overlay.mp4"))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    picture = reader.read()[1]
    reader.release()
    assert picture.shape == (512, 1024, 3)
    # The mesh is green on the right and absent on the left.
    green = picture[..., 1].astype(int) - picture[..., 2]
    assert (green[:, 512:] > 30).mean() > 0.05 > (green[:, :512] > 30).mean()
    assert cv2.imread(str(tracked.folder / "tracking" / "residuals.png")).shape[0] > 400


def test_colours_refine_the_fit_unless_told_otherwise(talking_film, tracked, ict_head, tmp_path):
    """The head then moves, but no further than what landmarks can tell."""
    told: list[str] = []
    refined = track_video(
        talking_film,
        ict_head,
        tmp_path / "capture",
        progress=lambda stage, done, total: told.append(stage),
    )
    assert "colours" in told
    moved = np.linalg.norm(predicted_landmarks(refined)[:, :468] - predicted_landmarks(tracked)[:, :468], axis=-1)
    # Of a picture 256 wide; a landmark's deviation is one pixel there.
    assert 0.05 < moved.mean() < 2.0
    assert (refined.identity == tracked.identity).all() and (refined.landmarks == tracked.landmarks).all()
    assert (refined.expression >= 0).all() and (refined.expression <= 1).all()


def test_a_head_of_flames_layout_is_tracked(talking_film, flame_head, tmp_path):
    """Its identities and expressions are random fields: it cannot follow well, but all the way, and is stored."""
    capture = track_video(talking_film, flame_head, tmp_path / "capture", size=128)
    read = load_capture(tmp_path / "capture")
    assert read.head.name == "flame" and read.expression.shape == (FRAMES, 100)
    assert np.isfinite(read.expression).all() and np.isfinite(read.joint_rotations).all()
    assert tracking_report(capture, predicted_landmarks(capture)).track_px < 5


def test_native_libraries_stay_silent(talking_film, tmp_path, capfd):
    track_video(talking_film, standin(), tmp_path / "capture", size=128)
    assert capfd.readouterr() == ("", "")
    assert load_capture(tmp_path / "capture").head.name == "standin"


@pytest.mark.parametrize("stage", ["face", "landmarks", "mattes", "points", "identity", "frames", "overlay"])
def test_an_interrupt_leaves_nothing(talking_film, tmp_path, stage):
    def interrupt(name: str, done: int, total: int) -> None:
        if name == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_video(talking_film, standin(), tmp_path / "capture", size=128, progress=interrupt)
    assert nothing_left(tmp_path)


def test_a_head_at_the_edge_of_a_wide_film_is_cut_out(talking_film, tmp_path):
    """What is kept is the head's square, seen by a camera whose axis still goes through the middle of the film."""
    ffmpeg("-i", talking_film, "-vf", "pad=960:540:690:200:gray", "-crf", 12, tmp_path / "wide.mp4")
    capture = track_video(tmp_path / "wide.mp4", standin(), tmp_path / "capture", focal=1200.0)
    assert SIZE <= capture.width < 540
    _, _, cx, cy = capture.intrinsics
    # The head is 338 pixels right of the middle and 58 below; a crop around it has the middle left and above.
    face = capture.landmarks[:, :468].mean((0, 1))
    assert cx < face[0] - 300 and cy < face[1]
    # Expected focal length, and what the prior lets it move.
    assert abs(np.log(capture.intrinsics[0] / 1200)) < 0.3
    off = predicted_landmarks(capture)[:, :468] - capture.landmarks[:, :468]
    assert np.linalg.norm(off, axis=-1).mean() * 512 / capture.width < 5


def test_two_faces_are_refused(talking_film, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ffmpeg("-i", talking_film, "-i", talking_film, "-filter_complex", "hstack", tmp_path / "two.mp4")
    with pytest.raises(LikenessError, match=r"Two faces are seen at frame \d+ of .*crop the video"):
        track_video(tmp_path / "two.mp4", standin(), out / "capture")
    assert nothing_left(out)


def test_a_film_that_mostly_shows_no_face_is_refused(talking_film, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    black = f"color=black:size={SIZE}x{SIZE}:rate=25:duration=1"
    ffmpeg("-i", talking_film, "-f", "lavfi", "-i", black, "-filter_complex", "concat", tmp_path / "half.mp4")
    with pytest.raises(LikenessError, match=r"shows a face in 40 of its 65 frames only"):
        track_video(tmp_path / "half.mp4", standin(), out / "capture", size=128)
    assert nothing_left(out)


@pytest.mark.parametrize(
    ("frames", "told"), [(5, "has 5 frames; at least 30 frames and 1 s are needed"), (35, "No face is seen")]
)
def test_useless_films_are_refused(tmp_path, frames, told):
    out = tmp_path / "out"
    out.mkdir()
    film = noise_film(tmp_path / "film.mp4", frames)
    with pytest.raises(LikenessError, match=told):
        track_video(film, standin(), out / "capture")
    assert nothing_left(out)


def test_places_that_cannot_be_written_are_told(tmp_path):
    film = noise_film(tmp_path / "film.mp4", 31)
    with pytest.raises(LikenessError, match=r"Cannot write .*film\.mp4/capture"):
        track_video(film, standin(), film / "capture")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "diary.txt").write_text("mine")
    with pytest.raises(LikenessError, match="taken holds other files"):
        track_video(film, standin(), tmp_path / "taken")
    assert (tmp_path / "taken" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("focal", [1e300, 0.001, float("inf"), float("nan"), 6.3, 6401.0])
def test_an_impossible_focal_length_is_told_before_the_film_is_looked_through(tmp_path, focal):
    film, told = noise_film(tmp_path / "film.mp4", 31), []
    with pytest.raises(LikenessError, match=r"A focal length of .* is not possible"):
        track_video(film, standin(), tmp_path / "capture", focal=focal, progress=lambda *done: told.append(done))
    assert told == [] and [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("focal", [6.4, 6400.0])
def test_focal_lengths_of_possible_cameras_are_taken(tmp_path, focal):
    film = noise_film(tmp_path / "film.mp4", 31)
    with pytest.raises(LikenessError, match="No face is seen"):
        track_video(film, standin(), tmp_path / "capture", focal=focal)


def test_a_place_whose_name_is_not_utf_8_is_refused_at_once(tmp_path):
    """OpenCV would end the process when it reads the pictures back."""
    film = noise_film(tmp_path / "film.mp4", 5)
    with pytest.raises(LikenessError, match="is not UTF-8; rename"):
        track_video(film, standin(), tmp_path / os.fsdecode(b"caf\xe9"))


def test_a_capture_is_replaced_only_once_the_new_one_is_whole(talking_film, tracked, tmp_path):
    out = tmp_path / "capture"
    shutil.copytree(tracked.folder, out)

    def interrupt(name: str, done: int, total: int) -> None:
        if name == "overlay":
            raise KeyboardInterrupt

    with pytest.raises(LikenessError, match="already holds a capture"):
        track_video(talking_film, standin(), out, size=128)
    with pytest.raises(KeyboardInterrupt):
        track_video(talking_film, standin(), out, size=128, photometric=False, overwrite=True, progress=interrupt)
    assert load_capture(out).width == SIZE
    replaced = track_video(talking_film, standin(), out, size=128, photometric=False, overwrite=True)
    assert load_capture(out).width == replaced.width == 128 and replaced.folder == out
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 10}, "picture size of 10"),
        ({"held_out_fraction": 0.9}, "held-out part of 0.9"),
        ({"focal": -1.0}, "focal length of -1.0"),
    ],
)
def test_impossible_options_are_told(tmp_path, options, told):
    with pytest.raises(LikenessError, match=told):
        track_video(tmp_path / "film.mp4", standin(), tmp_path / "capture", **options)
