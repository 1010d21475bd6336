"""A job that is killed at any moment, by ``kill -9``, ends as if nothing had happened."""

import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from balls import ball_on_disk
from killed_training import AVATAR, PRESET, SIZE
from likeness.capture.storage import load_capture
from likeness.errors import LikenessError
from likeness.jobs.control import JobStoppedError, ask
from likeness.jobs.fingerprint import capture_fingerprint
from likeness.layered.training import bake_only, train

TESTS = Path(__file__).resolve().parents[1]
LAYERED = "likeness.layered"
MOMENTS = (
    # While the field is carved, in steps of stage 1, before and after layers were extracted anew,
    f"{LAYERED}.stage_one:hull_field:1",
    f"{LAYERED}.stage_one:stage_one_loss:6",
    f"{LAYERED}.stage_one:stage_one_loss:11",
    # in the middle of a checkpoint,
    "likeness.jobs.checkpoint:_write_all:40",
    # with stage 1 learnt but not written, with layers baked but not written,
    f"{LAYERED}.training:save_stage_one:1",
    f"{LAYERED}.training:save_proxies:1",
    # in steps of fine-tuning, in the middle of a checkpoint, when one is about to take its place,
    f"{LAYERED}.finetune:_loss:17",
    "likeness.jobs.checkpoint:_write_all:70",
    "os:replace:12",
    # with everything learnt but not written, and at last while unseen texels are filled.
    f"{LAYERED}.training:save_finetuned:1",
    f"{LAYERED}.training:_filled:1",
)
OUTCOMES = ("stage-one/stage_one.safetensors", "proxies.safetensors", "finetuned.safetensors")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a matter of Unix")


def run_script(capture: Path, job: Path, *moments: str) -> Path:
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(TESTS / "killed_training.py"), str(capture), str(job), *moments]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return job


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    """A ball filmed from seven sides, on disk."""
    return ball_on_disk(tmp_path_factory.mktemp("ball") / "capture", SIZE)


@pytest.fixture(scope="module")
def undisturbed(capture, tmp_path_factory) -> Path:
    return run_script(capture, tmp_path_factory.mktemp("undisturbed") / "job")


def test_many_times_killed_it_ends_the_same_bit_for_bit(capture, undisturbed, tmp_path):
    killed = run_script(capture, tmp_path / "job", *MOMENTS)
    for name in (*OUTCOMES, AVATAR):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_from_a_checkpoint_of_some_steps_ago_too(capture, undisturbed, tmp_path):
    """Stopped, then gone on with in this very process, whose memory and random numbers have another past."""
    job, loaded = tmp_path / "job", load_capture(capture)

    def stop(stage, done, message):
        if stage == "Fine-tuning" and 0 < done < 1 and not (job / "finetuned.safetensors").exists() and first:
            ask(job, "stop")

    first = [True]
    with pytest.raises(JobStoppedError):
        train(loaded, PRESET, job, seconds=math.inf, progress=stop)
    first.clear()
    # What it has learnt so far is an avatar already.
    assert bake_only(job).report["training"]["state"] == "stopped"
    train(loaded, PRESET, job, seconds=math.inf, resume=True)
    for name in OUTCOMES:
        assert (job / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_job_that_is_done_is_finished_once_more(capture, undisturbed):
    before = {name: (undisturbed / name).read_bytes() for name in OUTCOMES}
    train(load_capture(capture), PRESET, undisturbed, seconds=math.inf, resume=True)
    assert {name: (undisturbed / name).read_bytes() for name in OUTCOMES} == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"preset": replace(PRESET, basis_count=3)}, "preset.basis_count was 2 and now is 3"),
        ({"seed": 1}, "seed was 0 and now is 1"),
        ({"seconds": 9.0}, "time was null and now is 9.0"),
    ],
)
def test_a_job_does_not_go_on_with_other_settings(capture, undisturbed, change, sentence):
    settings = {"preset": PRESET, "seconds": math.inf, **change}
    with pytest.raises(LikenessError, match=sentence) as told:
        train(load_capture(capture), out=undisturbed, resume=True, **settings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["proxies.safetensors", "finetuned.safetensors"])
def test_a_job_does_not_go_on_without_what_it_had_finished(capture, undisturbed, tmp_path, name):
    job = tmp_path / "job"
    shutil.copytree(undisturbed, job)
    (job / name).unlink()
    with pytest.raises(LikenessError, match=f"{name}, which this job had finished, is gone"):
        train(load_capture(capture), PRESET, job, seconds=math.inf, resume=True)


def test_a_job_does_not_go_on_with_another_capture(capture, undisturbed):
    loaded = load_capture(capture)
    moved = replace(loaded, root_translation=loaded.root_translation + 0.001)
    with pytest.raises(LikenessError, match="its capture has changed since it began") as told:
        train(moved, PRESET, undisturbed, seconds=math.inf, resume=True)
    assert capture_fingerprint(moved) not in str(told.value)


def test_a_fingerprint_knows_pictures_and_parameters_but_not_the_place(capture, tmp_path):
    loaded = load_capture(capture)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (*loaded.frames, *loaded.mattes):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes((capture / name).read_bytes())
    same = replace(loaded, folder=copy, provenance={"told": "otherwise"})
    assert capture_fingerprint(same) == capture_fingerprint(loaded)
    # Still a picture, for what follows a PNG's last block is not looked at.
    with open(copy / loaded.frames[2], "ab") as stream:
        stream.write(b"\0")
    assert capture_fingerprint(same) != capture_fingerprint(loaded)
    assert capture_fingerprint(replace(loaded, held_out=(2,))) != capture_fingerprint(loaded)
