"""Stages outlive a kill and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from likeness.capture.work_folder import WorkFolder, array_fingerprint, file_fingerprint
from likeness.errors import LikenessError

SETTINGS = {"video": "abc", "size": 512}


def killed(folder: WorkFolder) -> None:
    """Begin work, finish a stage, and vanish without leaving the block."""
    folder.__enter__()
    folder.finish_stage("one", {"numbers": np.arange(5)})


def test_stages_of_a_killed_run_are_found(tmp_path):
    killed(WorkFolder(tmp_path / "work", SETTINGS))
    with WorkFolder(tmp_path / "work", SETTINGS) as work:
        kept = work.stage("one")
        assert kept is not None and kept["numbers"].tolist() == [0, 1, 2, 3, 4]
        assert work.stage("two") is None
    assert not any(tmp_path.iterdir())


def test_other_settings_begin_anew(tmp_path):
    killed(WorkFolder(tmp_path / "work", SETTINGS))
    (tmp_path / "work" / "000000.jpg").write_bytes(b"old")
    with WorkFolder(tmp_path / "work", {**SETTINGS, "size": 256}) as work:
        assert work.stage("one") is None
        assert not (work.path / "000000.jpg").exists()


def test_what_is_not_from_tracking_is_not_touched(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "diary.txt").write_text("mine")
    with pytest.raises(LikenessError, match="work is in the way"), WorkFolder(tmp_path / "work", SETTINGS):
        pass
    assert (tmp_path / "work" / "diary.txt").read_text() == "mine"


def test_one_process_works_there_at_a_time(tmp_path):
    with WorkFolder(tmp_path / "work", SETTINGS) as work:
        work.finish_stage("one", {"numbers": np.arange(5)})
        for settings in (SETTINGS, {**SETTINGS, "size": 256}):
            with pytest.raises(LikenessError, match=r"Another process is at work on .*work; .* choose another"):
                WorkFolder(tmp_path / "work", settings).__enter__()
        assert work.stage("one") is not None
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_nothing(tmp_path, error):
    with pytest.raises(error), WorkFolder(tmp_path / "work", SETTINGS) as work:
        work.finish_stage("one", {"numbers": np.arange(5)})
        raise error
    assert not any(tmp_path.iterdir())


def test_a_damaged_stage_is_no_stage(tmp_path):
    killed(WorkFolder(tmp_path / "work", SETTINGS))
    (tmp_path / "work" / "one.safetensors").write_bytes(b"half of it")
    with WorkFolder(tmp_path / "work", SETTINGS) as work:
        assert work.stage("one") is None


def test_fingerprints_differ_where_files_and_arrays_do(tmp_path):
    film = tmp_path / "film"
    content = bytearray(5 * 2**20)
    film.write_bytes(content)
    first = file_fingerprint(film)
    assert file_fingerprint(film) == first
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] = 1
        film.write_bytes(changed)
        assert file_fingerprint(film) != first
    film.write_bytes(content[:-1])
    assert file_fingerprint(film) != first
    values = np.arange(6.0)
    assert array_fingerprint(values) == array_fingerprint(values.copy())
    assert array_fingerprint(values) != array_fingerprint(values.reshape(2, 3))
    assert array_fingerprint(values) != array_fingerprint(values.astype(np.float32))
