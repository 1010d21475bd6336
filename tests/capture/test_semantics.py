"""Labels lie beside the frames of a capture, whole or not at all, and those that cannot be meant are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from likeness.capture.model import Capture
from likeness.capture.sample import sample_capture
from likeness.capture.semantics import CLASSES, FOLDER, has_semantics, load_semantics
from likeness.capture.storage import load_capture, write_capture
from likeness.errors import LikenessError
from PIL import Image

FRAMES = 2


def capture() -> tuple[Capture, list[Path], list[Path]]:
    """The first frames of the sample capture, not yet written, and where their pictures are."""
    sample = sample_capture()
    per_frame = ("camera_to_world", "expression", "root_rotation", "root_translation", "joint_rotations", "landmarks")
    arrays = {name: getattr(sample, name)[:FRAMES] for name in per_frame}
    first = replace(sample, frames=sample.frames[:FRAMES], mattes=sample.mattes[:FRAMES], held_out=(1,), **arrays)
    frames, mattes = ([sample.folder / name for name in names] for names in (first.frames, first.mattes))
    return first, frames, mattes


def labels(index: int) -> np.ndarray:
    sample = sample_capture()
    return np.random.default_rng(index).integers(0, len(CLASSES), (sample.height, sample.width), np.uint8)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_capture(*_parts(tmp_path), semantics=[labels(index) for index in range(FRAMES)])
    return tmp_path / "capture"


def _parts(place: Path) -> tuple[Capture, Path, list[Path], list[Path]]:
    first, frames, mattes = capture()
    return first, place / "capture", frames, mattes


def refusal(folder: Path) -> str:
    with pytest.raises(LikenessError) as caught:
        load_capture(folder)
    assert "\n" not in str(caught.value) and FOLDER in str(caught.value)
    return str(caught.value)


def test_labels_are_read_back_exactly(written: Path):
    loaded = load_capture(written)
    assert has_semantics(loaded)
    for index in range(FRAMES):
        np.testing.assert_array_equal(load_semantics(loaded, index), labels(index))


def test_a_capture_without_labels_loads_and_has_none(tmp_path: Path):
    write_capture(*_parts(tmp_path))
    assert not has_semantics(load_capture(tmp_path / "capture"))


@pytest.mark.parametrize(
    "bad",
    [[labels(0)], [labels(0), labels(1)[1:]], [labels(0), np.stack([labels(1)] * 3, -1)]],
    ids=["few", "small", "coloured"],
)
def test_labels_that_do_not_fit_leave_no_capture(tmp_path: Path, bad: list[np.ndarray]):
    with pytest.raises(LikenessError):
        write_capture(*_parts(tmp_path), semantics=bad)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_wrong_or_strayed_picture_of_labels_is_named(written: Path, tmp_path: Path):
    place = written / FOLDER / "00001.png"
    good = place.read_bytes()
    Image.fromarray(labels(1)[1:]).save(place)
    assert "00001.png" in refusal(written)
    Image.fromarray(labels(1)).convert("RGB").save(place)
    assert "mode RGB" in refusal(written)
    place.write_bytes(b"labels")
    assert "00001.png" in refusal(written)
    place.unlink()
    assert "label every frame" in refusal(written)
    (tmp_path / "outside.png").write_bytes(good)
    place.symlink_to(tmp_path / "outside.png")
    assert "out of the capture's folder" in refusal(written)


def test_a_picture_of_labels_that_links_to_itself_is_named(written: Path):
    place = written / FOLDER / "00001.png"
    place.unlink()
    place.symlink_to(place.name)
    assert "00001.png" in refusal(written)


def test_numbers_of_no_class_are_refused_when_they_are_read(written: Path):
    Image.fromarray(np.full_like(labels(0), len(CLASSES))).save(written / FOLDER / "00000.png")
    with pytest.raises(LikenessError, match=r"00000\.png holds class 19"):
        load_semantics(load_capture(written), 0)
