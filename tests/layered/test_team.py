"""Two processes that share each step's frames learn what one process learns from all of them."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from balls import ball_on_disk
from killed_training import SIZE
from likeness.errors import LikenessError
from likeness.layered import team as team_module
from likeness.layered.team import ALONE, Team, joined_team, random_of_frame
from safetensors.torch import load_file
from team_training import STEPS

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> tuple[Path, Path]:
    """The folders of a job that one process did, and of one that two did."""
    folder = tmp_path_factory.mktemp("team")
    capture = ball_on_disk(folder / "capture", SIZE)
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    script = str(TESTS / "team_training.py")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    for name, words in (("one", ()), ("two", launcher)):
        command = [sys.executable, *words, script, str(capture), str(folder / name)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
    return folder / "one", folder / "two"


@pytest.mark.parametrize(
    "name", ["stage-one/stage_one.safetensors", "proxies.safetensors", "decoder.safetensors", "finetuned.safetensors"]
)
def test_two_processes_learn_what_one_does(jobs, name):
    one, two = (load_file(job / name) for job in jobs)
    assert one.keys() == two.keys()
    for key, values in one.items():
        # Sums in another order differ in their last digits, which may turn a code or a step of Adam here and there.
        differences = (values.double() - two[key].double()).abs()
        near = differences <= 1e-4 * values.double().abs() + 1e-6
        assert near.double().mean() > 0.999, key


def test_every_step_is_a_step_of_both(jobs):
    one, two = (load_file(job / "finetuned.safetensors")["losses"] for job in jobs)
    assert len(one) == STEPS
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_frames_are_shared_without_one_left_or_doubled():
    shares = [Team(rank, 3).share("abcdef") for rank in range(3)]
    assert shares == [[(0, "a"), (3, "d")], [(1, "b"), (4, "e")], [(2, "c"), (5, "f")]]
    assert ALONE.share("ab") == [(0, "a"), (1, "b")]


def test_a_frames_random_numbers_are_its_own():
    first = random_of_frame(seed=1, step=2, place=0)
    numbers = first.random(3), torch.rand(3)
    random_of_frame(seed=1, step=2, place=1)
    again = random_of_frame(seed=1, step=2, place=0)
    np.testing.assert_array_equal(again.random(3), numbers[0])
    torch.testing.assert_close(torch.rand(3), numbers[1], rtol=0, atol=0)
    other = random_of_frame(seed=1, step=3, place=0)
    assert (other.random(3) != numbers[0]).all()


def test_alone_nothing_is_shared():
    with joined_team(1) as team:
        assert team is ALONE and team.leads
        assert team.agreed(0.5) == team.total(0.5) == 0.5


def test_frames_that_cannot_be_shared_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LikenessError, match="--set frames_per_step=2"), joined_team(3):
        pass


def _group_that_is_joined(monkeypatch, *, cuda: bool) -> tuple[str, timedelta]:
    """Means of exchange and patience that a process of a team asks torch for, on a computer with or without GPUs."""
    asked: list[tuple[str, timedelta]] = []

    def join(means: str, *, timeout: timedelta, **_: Any) -> None:
        asked.append((means, timeout))

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
    monkeypatch.setattr(team_module.distributed, "init_process_group", join)
    monkeypatch.setattr(team_module.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(team_module.distributed, "destroy_process_group", lambda: None)
    with joined_team(2) as team:
        assert (team.rank, team.size) == (1, 2)
    return asked[0]


@pytest.mark.parametrize(("cuda", "means"), [(True, {"cpu:gloo", "cuda:nccl"}), (False, {"gloo"})])
def test_tensors_in_main_memory_are_exchanged_on_gpus_too(monkeypatch, cuda, means):
    """Stage 1 keeps all of its tensors there."""
    assert set(_group_that_is_joined(monkeypatch, cuda=cuda)[0].split(",")) == means


def test_a_team_outlives_a_pause_over_the_holidays(monkeypatch):
    assert _group_that_is_joined(monkeypatch, cuda=False)[1] >= timedelta(days=21)
