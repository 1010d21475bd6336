"""Where a capture may be written."""

from pathlib import Path

import numpy as np
import pytest
from likeness.capture.sample import sample_capture
from likeness.capture.storage import load_capture
from likeness.cli.main import main


def test_the_copy_is_the_sample(tmp_path: Path):
    assert main(["sample", str(tmp_path / "capture")]) == 0
    copy, sample = load_capture(tmp_path / "capture"), sample_capture()
    assert np.array_equal(copy.expression, sample.expression) and copy.held_out == sample.held_out
    for name in (*copy.frames, *copy.mattes):
        assert (copy.folder / name).read_bytes() == (sample.folder / name).read_bytes()


@pytest.mark.parametrize("words", [["sample"], ["track", "missing.mp4"]])
def test_what_is_there_is_kept_unless_replacing_is_wanted(tmp_path: Path, capsys, words: list[str]):
    (tmp_path / "capture.json").write_text("{}")
    assert main([*words, str(tmp_path)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "capture.json").read_text() == "{}"


@pytest.mark.parametrize("words", [["sample"], ["track", "missing.mp4"]])
def test_a_folder_that_is_no_capture_is_never_replaced(tmp_path: Path, capsys, words: list[str]):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main([*words, str(tmp_path), "--overwrite"]) == 1
    assert "holds other files" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


def test_an_older_capture_is_replaced_when_wanted(tmp_path: Path):
    (tmp_path / "capture.json").write_text("{}")
    assert main(["sample", str(tmp_path), "--overwrite"]) == 0
    assert len(load_capture(tmp_path)) == 160


def test_an_older_capture_outlives_tracking_that_fails(tmp_path: Path, capsys):
    assert main(["sample", str(tmp_path / "capture")]) == 0
    assert main(["track", str(tmp_path / "missing.mp4"), str(tmp_path / "capture"), "--overwrite"]) == 1
    assert "missing.mp4" in capsys.readouterr().err
    assert len(load_capture(tmp_path / "capture")) == 160
    assert [place.name for place in tmp_path.iterdir()] == ["capture"]


def test_folders_beside_the_capture_are_never_touched(tmp_path: Path):
    """One of them is an older capture that somebody kept under another name."""
    assert main(["sample", str(tmp_path / "capture")]) == 0
    assert main(["sample", str(tmp_path / "capture.new")]) == 0
    (tmp_path / "capture.new" / "diary.txt").write_text("mine")
    assert main(["track", str(tmp_path / "missing.mp4"), str(tmp_path / "capture"), "--overwrite"]) == 1
    assert len(load_capture(tmp_path / "capture.new")) == 160
    assert (tmp_path / "capture.new" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("words", [["sample"], ["track", "missing.mp4"]])
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_folder_that_one_stands_in_is_refused_at_once(
    tmp_path: Path, monkeypatch, capsys, words: list[str], overwrite: list[str]
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main([*words, ".", *overwrite]) == 1
    told = capsys.readouterr().err
    assert "here cannot be replaced while a command runs in it; choose another folder" in told
    assert told.count("\n") == 1
    assert [place.name for place in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("place", ["/dev/null/capture", "/dev/null"])
def test_a_place_that_cannot_be_written_is_named(capsys, place: str):
    assert main(["sample", place]) == 1
    told = capsys.readouterr().err
    assert place in told and told.count("\n") == 1
