"""Stages outlive a kill and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

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


class Killed(BaseException):
    """What ends a process at once: a kill, or an interrupt while another one is dealt with."""


def ended_early(monkeypatch: pytest.MonkeyPatch, removals: int, go: Callable[[], None]) -> bool:
    """Run ``go`` and end it after so many removals; tell whether there was another to do."""
    left = removals

    def counted(remove: Callable[..., None]) -> Callable[..., None]:
        def removing(*arguments: object, **options: object) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            remove(*arguments, **options)

        return removing

    with monkeypatch.context() as patched:
        for name in ("unlink", "rmdir"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        patched.setattr(shutil, "rmtree", counted(shutil.rmtree))
        try:
            go()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("removals", range(9))
@pytest.mark.parametrize("next_size", [512, 256])
def test_whatever_is_left_of_a_folder_that_was_going_the_next_run_can_begin(tmp_path, monkeypatch, removals, next_size):
    work = WorkFolder(tmp_path / "work", SETTINGS)
    killed(work)
    for name in ("000000.jpg", "000000.png", ".likeness-tracking.abc.json"):
        (work.path / name).write_bytes(b"made")
    (work.path / "capture").mkdir()

    assert ended_early(monkeypatch, removals, lambda: work.__exit__(None, None, None)) == (removals < 8)
    work._lock.close()
    pictures_left = (work.path / "000000.jpg").exists() and (work.path / "000000.png").exists()
    with WorkFolder(tmp_path / "work", {**SETTINGS, "size": next_size}) as again:
        # A stage that is found says that its pictures are there.
        assert again.stage("one") is None or (pictures_left and next_size == 512)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("removals", range(4))
def test_whatever_is_left_when_old_stages_were_going_the_next_run_can_begin(tmp_path, monkeypatch, removals):
    killed(WorkFolder(tmp_path / "work", SETTINGS))
    (tmp_path / "work" / "000000.jpg").write_bytes(b"made")
    other = WorkFolder(tmp_path / "work", {**SETTINGS, "size": 256})
    ended_early(monkeypatch, removals, lambda: other.__enter__() and None)
    other._lock.close()
    with WorkFolder(tmp_path / "work", SETTINGS) as again:
        assert again.stage("one") is None or (again.path / "000000.jpg").exists()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("names", [[], [".lock"], [".lock", ".likeness-tracking.x1.json"]])
def test_a_folder_that_was_never_marked_is_taken(tmp_path, names):
    (tmp_path / "work").mkdir()
    for name in names:
        (tmp_path / "work" / name).touch()
    with WorkFolder(tmp_path / "work", SETTINGS) as work:
        assert work.stage("one") is None
    assert not any(tmp_path.iterdir())


def test_a_file_at_the_folders_place_is_not_touched(tmp_path):
    (tmp_path / "work").write_text("mine")
    with pytest.raises(LikenessError, match="work is in the way"), WorkFolder(tmp_path / "work", SETTINGS):
        pass
    assert (tmp_path / "work").read_text() == "mine"


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
