"""Looking at a job and steering it, from another process than the one that works."""

import json
import math
from pathlib import Path

import pytest
from likeness.cli.main import INTERRUPTED, main
from likeness.jobs.control import asked
from likeness.jobs.lock import locked
from likeness.jobs.progress import Progress, write_progress


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The folder of a job in the middle of its work."""
    folder = tmp_path / "job"
    folder.mkdir()
    curve = [(100, 0.4), (200, 0.2), (300, 0.1)]
    progress = Progress(
        "running", "Fine-tuning", 300, 1200, 0.25, 0.1, 61.0, 150.0, 460.0, curve, "2026-01-01T00:00:00+00:00", 7
    )
    write_progress(progress, folder)
    return folder


def test_status_says_stage_step_loss_and_time(job, capsys):
    with locked(job, "end it"):
        assert main(["job", "status", str(job)]) == 0
    told = capsys.readouterr().out
    assert told == (
        "Running: Fine-tuning, step 300 of at most 1200, 25 %, loss 0.1000 █▃▁, about 2 min of this stage left; "
        "61 s worked of 8 min.\n"
    )


def test_status_as_json_has_every_number(job, capsys):
    (job / "preview.png").write_bytes(b"")
    with locked(job, "end it"):
        assert main(["job", "status", str(job), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["step"], told["steps"], told["left_s"]) == ("running", 300, 1200, 150.0)
    assert told["curve"][-1] == [300, 0.1]
    assert told["preview"] == str(job / "preview.png")


def test_a_job_that_nobody_works_on_was_killed(job, capsys):
    assert main(["job", "status", str(job)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Killed") and "--resume" in told


def test_wishes_reach_the_folder(job, capsys):
    with locked(job, "end it"):
        assert main(["job", "pause", str(job)]) == 0
        assert asked(job) == "pause"
        assert main(["job", "resume", str(job)]) == 0
        assert asked(job) is None
        assert main(["job", "stop", str(job)]) == 0
        assert asked(job) == "stop"
        assert "asked to stop" in _status(job, capsys)


def _status(job: Path, capsys) -> str:
    capsys.readouterr()
    assert main(["job", "status", str(job)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_where_nobody_works_nothing_is_asked(job, capsys, action):
    assert main(["job", action, str(job)]) == 1
    told = capsys.readouterr().err
    assert "No process is at work" in told and told.count("\n") == 1
    assert asked(job) is None


def test_another_folder_is_no_job(tmp_path, capsys):
    assert main(["job", "status", str(tmp_path)]) == 1
    assert "no job folder" in capsys.readouterr().err


def test_a_time_is_a_number_of_seconds_or_without_end(monkeypatch, tmp_path, capsys):
    seen = []
    monkeypatch.setattr("likeness.cli.train.run", lambda options: seen.append(options.seconds))
    for text, seconds in (("90", 90.0), ("inf", math.inf)):
        assert main(["train", "capture", "avatar.glb", "--seconds", text]) == 0
        assert seen.pop() == seconds
    for text in ("-1", "nan", "long"):
        with pytest.raises(SystemExit):
            main(["train", "capture", "avatar.glb", "--seconds", text])


def test_an_interrupted_training_tells_how_to_go_on(monkeypatch, tmp_path, capsys):
    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    assert main(["sample", str(tmp_path / "capture")]) == 0
    monkeypatch.setattr("likeness.layered.training.train", interrupted)
    assert main(["train", str(tmp_path / "capture"), str(tmp_path / "avatar.glb")]) == INTERRUPTED
    told = capsys.readouterr().err
    assert "Interrupted" in told and "--resume" in told and str(tmp_path / "avatar-training") in told
