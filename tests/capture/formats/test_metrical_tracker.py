"""Faults of metrical-tracker's frames are told by file and field, and its eyelids are kept where the head has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from data_sets import tracked_frame, truth, write_tracked
from likeness.capture.formats.exchange import import_capture
from likeness.capture.formats.metrical_tracker import read_metrical_tracker
from likeness.errors import LikenessError
from likeness.head.flame import EYELIDS, load_flame
from likeness.head.flame_files import VERTICES

HEAD = truth(2, camera=0.1)


def save(folder: Path, frame: int, change) -> None:
    content = tracked_frame(HEAD, frame)
    change(content)
    torch.save(content, folder / f"checkpoint/{frame:05d}.frame")


def nested(content: dict, value: object, *names: str) -> None:
    for name in names[:-1]:
        content = content[name]
    content[names[-1]] = value


@pytest.mark.parametrize(
    ("names", "value", "clause"),
    [
        (("flame", "exp"), np.zeros((1, 50), np.float32), "50 expressions"),
        (("flame", "shape"), np.zeros((1, 100), np.float32), "100 identity"),
        (("flame", "jaw"), np.zeros((1, 3), np.float32), "'flame.jaw'"),
        (("flame", "jaw"), np.zeros((1, 6), np.float32), "no rotation"),
        (("flame", "eyes"), np.full((1, 12), np.nan, np.float32), "'flame.eyes'"),
        (("flame", "eyelids"), "closed", "'flame.eyelids'"),
        (("flame",), None, "'flame.shape'"),
        (("opencv", "R"), 2 * np.eye(3)[None], "rigid"),
        (("opencv", "R"), -np.eye(3)[None], "rigid"),
        (("opencv", "t"), np.array([[0.0, 0, -1]]), "behind"),
        (("opencv", "K"), np.zeros((1, 3, 3)), "focal"),
        (("opencv", "K"), np.diag([3000, 3000, 1.0]), "another focal length"),
        (("img_size",), np.array([256, 256]), "512x512"),
        (("opencv", "K"), np.array([[1500, 0, 260], [0, 1500, 250], [0, 0, 2.0]]), "skewed"),
        (("opencv", "K"), np.array([[1500, 9, 260], [0, 1500, 250], [0, 0, 1.0]]), "skewed"),
        (("flame", "exp"), np.full((1, 100), 1e5, np.float32), "absurdly large"),
    ],
)
def test_each_fault_of_a_frame_is_told_in_one_sentence(flame_head, tmp_path, names, value, clause):
    folder = write_tracked(tmp_path / "actor", HEAD)
    save(folder, 0, lambda content: nested(content, value, *names))
    with pytest.raises(LikenessError) as told:
        read_metrical_tracker(folder, flame_head)
    assert clause in str(told.value) and "\n" not in str(told.value)


def test_a_frame_that_runs_code_is_refused_unexecuted(flame_head, tmp_path, monkeypatch):
    class Command:
        def __reduce__(self):
            return os.system, ("touch executed",)

    monkeypatch.chdir(tmp_path)
    folder = write_tracked(tmp_path / "actor", HEAD)
    save(folder, 1, lambda content: nested(content, Command(), "camera"))
    with pytest.raises(LikenessError, match=r"00001\.frame .*system"):
        read_metrical_tracker(folder, flame_head)
    assert not (tmp_path / "executed").exists()


def test_every_frames_own_size_is_looked_at(flame_head, tmp_path):
    folder = write_tracked(tmp_path / "actor", HEAD)
    save(folder, 1, lambda content: nested(content, np.array([300, 512]), "img_size"))
    with pytest.raises(LikenessError, match=r"00001\.frame says 512x300"):
        read_metrical_tracker(folder, flame_head)


def test_a_missing_picture_is_told(flame_head, tmp_path):
    folder = write_tracked(tmp_path / "actor", HEAD)
    (folder / "images/00001.png").unlink()
    with pytest.raises(LikenessError, match=r"no picture 00001\.png"):
        read_metrical_tracker(folder, flame_head)


def test_frames_alone_find_their_pictures_beside_them(flame_head, tmp_path):
    folder = write_tracked(tmp_path / "actor", HEAD)
    frames = read_metrical_tracker(folder / "checkpoint", flame_head)
    assert frames.pictures[0].picture == folder / "images/00000.png"


def test_eyelids_are_kept_by_a_head_that_has_them_and_told_by_one_that_has_not(flame_file, flame_head, tmp_path):
    folder = write_tracked(tmp_path / "actor", HEAD)
    for frame in (0, 1):
        save(folder, frame, lambda content: nested(content, np.array([[0.25, 0.75]], np.float32), "flame", "eyelids"))
    assert "eyelids" in read_metrical_tracker(folder, flame_head).notes["left out"]

    os.link(flame_file, tmp_path / "generic_model.pkl")
    for name in ("l_eyelid.npy", "r_eyelid.npy"):
        np.save(tmp_path / name, np.full((VERTICES, 3), 1e-3, np.float32))
    with_lids = load_flame(tmp_path)
    capture = import_capture(folder, with_lids, tmp_path / "out", landmarks=False)
    assert capture.head.expression_names[-2:] == EYELIDS
    np.testing.assert_array_equal(capture.expression[:, -2:], [[0.25, 0.75]] * 2)
