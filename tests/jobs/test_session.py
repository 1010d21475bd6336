"""A session watches any loop: it keeps, tells, shows, pauses and stops."""

import math
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from likeness.errors import LikenessError
from likeness.jobs import lock
from likeness.jobs.checkpoint import Checkpoint, read_checkpoint
from likeness.jobs.control import JobStoppedError, ask, asked, withdraw
from likeness.jobs.folder import make_folder, opened_record
from likeness.jobs.lock import is_locked, locked
from likeness.jobs.progress import read_progress
from likeness.jobs.record import CAPTURE, difference, read_record
from likeness.jobs.session import CHECKPOINT, Session
from likeness.jobs.status import KILLED, job_progress, told

FACTS = {"seed": 1, "preset": {"steps": 9, "sizes": (1.0, 2.0)}}


def session(job: Path, *, resume: bool = False, kept_every: float = 0.0) -> Session:
    make_folder(job, ["result.bin"], resume=resume)
    return Session(job, opened_record(job, FACTS, {}, resume=resume), math.inf, kept_every)


def work(session: Session, steps: int = 9, at_step=lambda step: None) -> list[float]:
    """A learner whose state is its losses alone."""
    with session.stage("train", "Learning") as watch:
        losses: list[float] = []
        if watch.restored is not None:
            losses.extend(watch.restored.arrays["losses"].tolist())
            watch.went_on(watch.restored)
        while len(losses) < steps:
            losses.append(1.0 / (len(losses) + 1))
            at_step(len(losses))
            watch.between(
                losses,
                steps,
                len(losses) / steps,
                lambda: Checkpoint({"losses": np.array(losses, np.float32)}, {}),
                lambda: b"a picture",
            )
    return losses


def wait_until_paused(job: Path) -> None:
    """For a while: a job that never pauses must not keep a thread for ever."""
    end = time.monotonic() + 20
    while not (job / "progress.json").exists() or read_progress(job).state != "paused":
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def job(tmp_path) -> Path:
    return tmp_path / "job"


def test_a_finished_job_says_so(job):
    watched = session(job)
    work(watched)
    watched.finished()
    progress = read_progress(job)
    assert (progress.state, progress.done) == ("done", 1.0)
    assert len(progress.curve) == 9
    record = read_record(job)
    assert record is not None and set(record["seconds"]) == {"train_s"}
    assert not (job / CHECKPOINT).exists()


def test_progress_tells_step_loss_curve_and_time(job):
    watched = session(job)

    def look(step):
        # The note of a step is written after it.
        if step == 5:
            time.sleep(1.0)
        if step == 6:
            seen.append(read_progress(job))

    seen = []
    work(watched, at_step=look)
    (progress,) = seen
    assert (progress.state, progress.stage, progress.step, progress.steps) == ("running", "Learning", 5, 9)
    assert progress.loss == pytest.approx(np.mean([1 / n for n in range(1, 6)]))
    assert progress.curve[-1][0] == 5
    assert progress.left_s is not None and 0 < progress.left_s < 10
    assert progress.done == pytest.approx(5 / 9, abs=1e-4)
    assert "step 5 of at most 9" in told(progress, job)


def test_a_stop_keeps_the_last_step(job):
    with pytest.raises(JobStoppedError, match=r"step 4.*--resume"):
        work(session(job), at_step=lambda step: ask(job, "stop") if step == 4 else None)
    assert read_progress(job).state == "stopped"
    record = read_record(job)
    assert record is not None and record["state"] == "stopped"
    assert asked(job) is None
    taken = []
    losses = work(session(job, resume=True), at_step=taken.append)
    assert taken == [5, 6, 7, 8, 9]
    assert len(losses) == 9


def test_a_pause_holds_until_it_is_withdrawn_and_does_not_count(job):
    watched = session(job)

    def go_on():
        wait_until_paused(job)
        held.append(read_checkpoint(job / CHECKPOINT))
        time.sleep(0.6)
        withdraw(job)

    held: list[Checkpoint | None] = []
    helper = threading.Thread(target=go_on)
    helper.start()
    start = time.monotonic()
    assert len(work(watched, at_step=lambda step: ask(job, "pause") if step == 3 else None)) == 9
    helper.join()
    taken = time.monotonic() - start
    assert taken > 0.6
    assert watched.record.seconds["train_s"] <= taken - 0.6
    # Whoever is killed while pausing has lost nothing.
    assert held[0] is not None and len(held[0].arrays["losses"]) == 3


def test_a_paused_job_can_be_stopped(job):
    def stop():
        wait_until_paused(job)
        ask(job, "stop")

    helper = threading.Thread(target=stop)
    helper.start()
    with pytest.raises(JobStoppedError):
        work(session(job), at_step=lambda step: ask(job, "pause") if step == 3 else None)
    helper.join()
    assert read_progress(job).state == "stopped"


def test_a_failure_is_told(job):
    def fail(step):
        raise LikenessError("The disk is full.")

    with pytest.raises(LikenessError, match="The disk is full"):
        work(session(job), at_step=fail)
    assert read_progress(job).state == "failed"
    assert told(read_progress(job), job).startswith("Failed: ")
    record = read_record(job)
    assert record is not None and (record["state"], record["stage"]) == ("failed", "train")


def test_a_checkpoint_on_its_way_counts_after_a_failure(job):
    def interrupt(step):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(session(job), at_step=interrupt)
    assert read_progress(job).state == "interrupted"
    kept = read_checkpoint(job / CHECKPOINT)
    assert kept is not None and len(kept.arrays["losses"]) == 4


def test_a_job_that_says_it_runs_while_nobody_does_was_killed(job):
    watched = session(job)
    seen = []

    def look(step):
        if step == 2:
            with locked(job, "end it"):
                seen.append(job_progress(job).state)
                assert is_locked(job)
            seen.append(job_progress(job).state)
            assert "--resume" in told(job_progress(job), job)

    work(watched, at_step=look)
    assert seen == ["running", KILLED]


def test_two_processes_do_not_work_on_one_job(job):
    session(job)
    with locked(job, "end it"):
        with pytest.raises(LikenessError, match="Another process"), locked(job, "end it"):
            pass
        with pytest.raises(LikenessError, match="Another process"):
            make_folder(job, [], resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="there the second waits until the first has looked")
def test_those_who_look_at_once_are_not_taken_for_a_process_at_work(job, monkeypatch):
    session(job)
    with locked(job, "end it"):
        pass
    take, seen = lock._take, []

    def look_meanwhile(*arguments, **named):
        taken = take(*arguments, **named)
        monkeypatch.undo()
        seen.append(is_locked(job))
        return taken

    monkeypatch.setattr(lock, "_take", look_meanwhile)
    seen.append(is_locked(job))
    assert seen == [False, False]


def test_an_unfinished_job_is_moved_aside_and_a_finished_one_makes_room(job):
    with pytest.raises(JobStoppedError):
        work(session(job), at_step=lambda step: ask(job, "stop") if step == 4 else None)
    assert make_folder(job, ["result.bin"], resume=False) == job.with_name("job.1")
    assert (job.with_name("job.1") / CHECKPOINT).exists()
    watched = session(job)
    (job / "result.bin").write_bytes(b"old")
    (job / "notes.txt").write_text("mine")
    work(watched)
    with watched.stage("finish", "Finishing"):
        pass
    watched.finished()
    assert make_folder(job, ["result.bin"], resume=False) is None
    # What is not the job's own stays.
    assert sorted(path.name for path in job.iterdir() if path.name != ".lock") == ["notes.txt"]


def test_another_job_cannot_go_on(job):
    with pytest.raises(JobStoppedError):
        work(session(job), at_step=lambda step: ask(job, "stop") if step == 4 else None)
    with pytest.raises(LikenessError, match=r"preset\.steps was 9 and now is 10.*--resume") as told:
        opened_record(job, {**FACTS, "preset": {"steps": 10, "sizes": (1.0, 2.0)}}, {}, resume=True)
    assert "\n" not in str(told.value)


def test_leftovers_of_a_killed_write_are_swept(job):
    session(job)
    (job / ".checkpoint.x1y2.safetensors").write_bytes(b"half")
    session(job, resume=True)
    assert not list(job.glob(".checkpoint.*"))


def test_a_damaged_record_is_told(job):
    session(job)
    (job / "training.json").write_text("{")
    with pytest.raises(LikenessError, match=r"training\.json is damaged"):
        opened_record(job, FACTS, {}, resume=True)


def test_a_difference_names_the_first_value():
    assert difference({"a": 1, "b": {"c": [1]}}, {"a": 1, "b": {"c": [2]}}) == "b.c was [1] and now is [2]"
    assert difference({"a": 1}, {"a": 1, "b": 2}) == "b was null and now is 2"
    assert difference({"a": {"b": 1}}, {"a": {"b": 1}}) is None


def test_another_capture_is_told_in_words_and_not_as_two_fingerprints():
    before, now = {"seed": 1, CAPTURE: "01ab"}, {"seed": 1, CAPTURE: "23cd"}
    assert difference(before, now) == "its capture has changed since it began"
    assert difference(before, dict(before)) is None
