"""What is read whole must have a size and an end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from likeness.array_files import read_array_archive, read_torch_file
from likeness.errors import LikenessError
from likeness.files import file_size
from likeness.tensors import read_tensors
from likeness.unpickling import read_pickle_file


def test_an_ordinary_file_has_its_size(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"seven..")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert file_size(tmp_path / "file") == file_size(tmp_path / "link") == 7


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_tensors(path, "a head", 100),
        lambda path: read_pickle_file(path, "a head", 100),
        lambda path: read_torch_file(path, "a frame", 100),
        lambda path: read_array_archive(path, "a head", ("v",), 100),
    ],
    ids=["tensors", "pickle", "torch", "npz"],
)
def test_folders_pipes_and_devices_are_refused_unread(tmp_path: Path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "zeros", "folder"):
        with pytest.raises(LikenessError, match=rf"{name} cannot be read: it is no ordinary file"):
            read(tmp_path / name)
