"""A checkpoint is there whole or not at all, and what is read is bit for bit what was written."""

import os

import numpy as np
import pytest
from likeness.errors import LikenessError
from likeness.jobs import checkpoint
from likeness.jobs.checkpoint import Checkpoint, CheckpointWriter, read_checkpoint, stage_of_checkpoint
from safetensors.numpy import load_file

ARRAYS = {
    "weights.first": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "weights.step": np.float32(5) * np.ones((), np.float32),
    "codes": np.arange(256, dtype=np.uint8),
    "visits": np.zeros((0, 3), np.int32),
}
FACTS = {"order": [3, 1, 2], "random": {"state": 2**127 + 1}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def test_what_is_read_is_what_was_written(path):
    writer = CheckpointWriter(path)
    writer.write(Checkpoint(ARRAYS, FACTS))
    writer.settle(wait=True)
    read = read_checkpoint(path)
    assert read is not None and read.facts == FACTS
    assert set(read.arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert read.arrays[name].dtype == array.dtype
        assert read.arrays[name].shape == array.shape
        np.testing.assert_array_equal(read.arrays[name], array)
    assert set(read.within("weights")) == {"first", "step"}


def test_the_file_is_an_ordinary_safetensors(path):
    writer = CheckpointWriter(path)
    writer.write(Checkpoint(ARRAYS, FACTS))
    writer.settle(wait=True)
    np.testing.assert_array_equal(load_file(path)["weights.first"], ARRAYS["weights.first"])


def test_arrays_may_change_once_they_are_handed_over(path):
    array = np.ones(1000, np.float32)
    writer = CheckpointWriter(path)
    writer.write(Checkpoint({"array": array}, {}))
    array[:] = 2
    writer.settle(wait=True)
    read = read_checkpoint(path)
    assert read is not None
    np.testing.assert_array_equal(read.arrays["array"], np.ones(1000))


def test_until_it_is_settled_the_one_before_counts(path):
    writer = CheckpointWriter(path)
    for number in (1, 2):
        writer.write(Checkpoint({}, {"number": number}))
    # The second write has settled the first.
    read = read_checkpoint(path)
    assert read is not None and read.facts["number"] == 1
    writer.settle(wait=True)
    read = read_checkpoint(path)
    assert read is not None and read.facts["number"] == 2


@pytest.mark.parametrize("culprit", ["_write_all", "fsync"])
def test_a_full_disk_is_told_and_leaves_the_one_before(path, monkeypatch, culprit):
    writer = CheckpointWriter(path)
    writer.write(Checkpoint(ARRAYS, {"number": 1}))
    writer.settle(wait=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if culprit == "fsync" else checkpoint, culprit, full)
    with pytest.raises(LikenessError, match="No space left"):
        writer.write(Checkpoint(ARRAYS, {"number": 2}))
        writer.settle(wait=True)
    read = read_checkpoint(path)
    assert read is not None and read.facts["number"] == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_its_stage_is_known_without_its_arrays(path):
    writer = CheckpointWriter(path)
    writer.write(Checkpoint(ARRAYS, {"stage": "train"}))
    writer.settle(wait=True)
    assert stage_of_checkpoint(path) == "train"


def test_nothing_is_no_checkpoint_and_damage_is_told(path):
    assert read_checkpoint(path) is None
    assert stage_of_checkpoint(path) is None
    path.write_bytes(b"\x10")
    for read in (read_checkpoint, stage_of_checkpoint):
        with pytest.raises(LikenessError, match=r"checkpoint\.safetensors"):
            read(path)
