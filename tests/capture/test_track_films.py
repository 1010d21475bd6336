"""Films as people bring them: cut, with somebody else in them, on their side, uneven; and runs that were killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from films import TALKING_FRAMES, TALKING_SIZE, ffmpeg
from likeness.capture.storage import load_capture
from likeness.capture.track import track_video
from likeness.head.standin import standin

FRAMES, SIZE = TALKING_FRAMES, TALKING_SIZE

KILLED = """
import os, sys
from pathlib import Path
from likeness.capture import cutting_out
from likeness.capture.track import track_video
from likeness.head.standin import standin

cutting_out.PIECE = 10

def progress(stage, done, total):
    if stage == sys.argv[3] and done >= int(sys.argv[4]):
        os._exit(9)  # as a kill does: nothing is tidied up

track_video(Path(sys.argv[1]), standin(), Path(sys.argv[2]), size=128, progress=progress)
"""


@pytest.fixture
def film(talking_film: Path) -> Path:
    return talking_film


def test_the_larger_of_two_faces_is_followed_and_this_is_said(film, tmp_path):
    smaller = "[1]scale=128:128,pad=128:256:0:64[small];[0][small]hstack"
    ffmpeg("-i", film, "-i", film, "-filter_complex", smaller, "-crf", 12, tmp_path / "two.mp4")
    capture = track_video(tmp_path / "two.mp4", standin(), tmp_path / "capture", size=128)
    assert capture.provenance["faces"].startswith("a second face is seen in ")
    assert capture.provenance["faces"].endswith("frames; the larger one was followed")
    # The larger head fills the square that was cut out; the other one would fill half of it.
    face = np.ptp(capture.landmarks[:, :468], axis=1).max(1)
    assert len(capture) == FRAMES and (face > 0.35 * capture.width).all()


def test_a_cut_is_found_and_nothing_is_smoothed_over_it(film, tmp_path):
    ffmpeg(
        "-i", film, "-i", film, "-filter_complex", "[1]hflip,negate=components=0[b];[0][b]concat", tmp_path / "c.mp4"
    )
    capture = track_video(tmp_path / "c.mp4", standin(), tmp_path / "capture", size=128)
    report = json.loads((capture.folder / "tracking" / "report.json").read_text())
    assert report["remarks"]["cuts"] == [FRAMES]
    assert capture.provenance["cuts"].startswith(f"1, before frames {FRAMES} of the video")
    # The mirrored half turns the other way, at once.
    yaw = capture.joint_rotations[:, 0, 1]
    jump = np.abs(np.diff(yaw))
    assert jump.argmax() == FRAMES - 1


def test_a_phone_film_that_lies_on_its_side_is_tracked_upright(film, tmp_path):
    """A portrait film as phones keep it: pictures lie on their side, and a number says so."""
    ffmpeg("-i", film, "-vf", "pad=256:456:0:100:gray,transpose=clock", "-crf", 12, tmp_path / "lying.mp4")
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "lying.mp4", "-c", "copy", tmp_path / "phone.mp4")
    capture = track_video(tmp_path / "phone.mp4", standin(), tmp_path / "capture", size=128)
    forehead, chin = capture.landmarks[:, 10], capture.landmarks[:, 152]
    assert (chin[:, 1] - forehead[:, 1] > 0.3 * capture.width).all()
    assert (np.abs(chin[:, 0] - forehead[:, 0]) < 0.2 * capture.width).all()


def test_a_variable_rate_is_said_and_played_at_its_mean(film, tmp_path):
    # A stretch of half the frames, as phones make it in the dark.
    uneven = "select='gt(n,20)+not(mod(n,2))'"
    ffmpeg("-i", film, "-vf", uneven, "-fps_mode", "vfr", "-crf", 12, tmp_path / "uneven.mp4")
    capture = track_video(tmp_path / "uneven.mp4", standin(), tmp_path / "capture", size=128)
    assert "variable, 40 to 80 ms" in capture.provenance["frame rate"]
    # Thirty frames take as long as the forty did, the last one aside.
    assert capture.frame_rate == pytest.approx(25 * (len(capture) - 1) / (FRAMES - 1), rel=1e-3)


def test_frames_without_a_face_are_left_out_and_told(film, tmp_path):
    black = f"color=black:size={SIZE}x{SIZE}:rate=25:duration=0.2"
    joined = (
        "[0]trim=end_frame=20,setpts=PTS-STARTPTS[a];[2]trim=start_frame=20,setpts=PTS-STARTPTS[c];[a][1][c]concat=n=3"
    )
    ffmpeg(
        "-i", film, "-f", "lavfi", "-i", black, "-i", film, "-filter_complex", joined, "-crf", 12, tmp_path / "gap.mp4"
    )
    capture = track_video(tmp_path / "gap.mp4", standin(), tmp_path / "capture", size=128)
    report = json.loads((capture.folder / "tracking" / "report.json").read_text())
    assert report["remarks"]["left out"] == [[20, 24]]
    assert len(capture) == FRAMES and capture.provenance["frames without a face, left out"] == "5"


@pytest.mark.parametrize(("stage", "done", "kept"), [("landmarks", 25, 20), ("overlay", 5, FRAMES)])
def test_a_run_that_was_killed_goes_on(film, tmp_path, monkeypatch, stage, done, kept):
    monkeypatch.setattr("likeness.capture.cutting_out.PIECE", 10)
    out = tmp_path / "capture"
    run = subprocess.run([sys.executable, "-c", KILLED, film, out, stage, str(done)], capture_output=True, check=False)
    assert run.returncode == 9, run.stderr.decode()
    assert not out.exists()

    told: list[tuple[str, int]] = []
    resumed = track_video(film, standin(), out, size=128, progress=lambda name, at, total: told.append((name, at)))
    looked_at = [at for name, at in told if name == "landmarks"]
    assert "face" not in {name for name, _ in told}
    assert looked_at == list(range(kept + 1, FRAMES + 1))
    if stage == "overlay":
        assert "identity" not in {name for name, _ in told}
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]

    whole = track_video(film, standin(), tmp_path / "whole", size=128)
    # The detector begins anew a few frames earlier, so its points differ by less than it is sure of them.
    assert np.abs(load_capture(out).landmarks - whole.landmarks).mean() < 0.2
    assert len(resumed) == len(whole)


@pytest.mark.parametrize(
    ("gone", "looked_at", "refined"),
    [("000025.jpg", 20, False), ("000025.png", 20, False), ("000025.matte.png", 0, True)],
)
def test_stages_whose_pictures_are_gone_are_done_again(film, tmp_path, monkeypatch, gone, looked_at, refined):
    monkeypatch.setattr("likeness.capture.cutting_out.PIECE", 10)
    out = tmp_path / "capture"
    run = subprocess.run([sys.executable, "-c", KILLED, film, out, "points", "0"], capture_output=True, check=False)
    assert run.returncode == 9, run.stderr.decode()
    (tmp_path / ".capture.tracking" / gone).unlink()

    told: list[str] = []
    capture = track_video(
        film, standin(), out, size=128, photometric=False, progress=lambda name, at, total: told.append(name)
    )
    assert len(capture) == FRAMES and told.count("landmarks") == looked_at and ("mattes" in told) == refined
    assert "face" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["capture"]
