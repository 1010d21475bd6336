"""Where a capture may be written."""

from pathlib import Path

import pytest
from likeness.cli.sample import clear_place
from likeness.errors import LikenessError


def test_a_new_place_is_fine(tmp_path: Path):
    clear_place(tmp_path / "new", overwrite=False)


def test_what_is_there_is_kept_unless_replacing_is_wanted(tmp_path: Path):
    (tmp_path / "capture.json").write_text("{}")
    with pytest.raises(LikenessError, match="--overwrite"):
        clear_place(tmp_path, overwrite=False)
    assert (tmp_path / "capture.json").exists()


def test_an_older_capture_is_replaced_when_wanted(tmp_path: Path):
    folder = tmp_path / "capture"
    folder.mkdir()
    (folder / "capture.json").write_text("{}")
    clear_place(folder, overwrite=True)
    assert not folder.exists()


def test_a_folder_that_is_no_capture_is_never_removed(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LikenessError, match="not a capture"):
        clear_place(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()
