"""Labels of a face parser come with IMavatar's data sets into captures, go back with them, and tell where cloth is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from avatars import tiny_avatar
from data_sets import SIDE, semantics_of, truth, write_imavatar_clip, write_semantics
from likeness.asset import write_layered_avatar
from likeness.asset.layered import LayeredAvatar
from likeness.capture.formats.exchange import export_capture, import_capture
from likeness.capture.semantics import CLASSES, has_semantics, load_semantics
from likeness.capture.storage import load_capture
from likeness.cli.main import main
from likeness.errors import LikenessError
from likeness.head.model import HeadModel
from likeness.head.storage import save_head
from PIL import Image

FRAMES = 5


@pytest.fixture
def clip(tmp_path) -> Path:
    folder = write_imavatar_clip(tmp_path / "clip", truth(FRAMES))
    write_semantics(folder, FRAMES)
    return folder


def imported(folder: Path, head, out: Path):
    import_capture(folder, head, out, held_out_part=0.4, landmarks=False, overwrite=True)
    return load_capture(out)


def test_labels_survive_import_export_and_import(clip, flame_head, tmp_path):
    capture = imported(clip, flame_head, tmp_path / "capture")
    assert "parser" in capture.provenance["labels"]
    for frame in range(FRAMES):
        np.testing.assert_array_equal(load_semantics(capture, frame), semantics_of(frame))
    export_capture(capture, tmp_path / "out", "imavatar")
    # Held-out frames become the test clip, counted from one.
    for name, source in (("train/semantic/1.png", 0), ("train/semantic/3.png", 2), ("test/semantic/2.png", 4)):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / name)), semantics_of(source))
    assert "semantic_source" not in json.loads((tmp_path / "out/train/flame_params.json").read_text())
    again = imported(tmp_path / "out", flame_head, tmp_path / "again")
    for frame, source in enumerate((3, 4, 0, 1, 2)):
        np.testing.assert_array_equal(load_semantics(again, frame), semantics_of(source))
    assert again.provenance["labels"] == capture.provenance["labels"]


def test_labels_that_export_drew_are_not_taken_for_a_parsers(clip, flame_head, tmp_path):
    shutil.rmtree(clip / "semantic")
    capture = imported(clip, flame_head, tmp_path / "capture")
    assert not has_semantics(capture) and "labels" not in capture.provenance
    for out in ("first", "second"):
        export_capture(capture, tmp_path / out, "imavatar")
        capture = imported(tmp_path / out, flame_head, tmp_path / "capture")
        assert has_semantics(capture) and "drawn" in capture.provenance["labels"]


def as_palette(labels: np.ndarray) -> Image.Image:
    picture = Image.fromarray(labels, "P")
    picture.putpalette(list(np.random.default_rng(0).permutation(256).repeat(3)))
    return picture


@pytest.mark.parametrize(
    "encoded",
    [
        as_palette,
        lambda labels: Image.fromarray(labels.astype(np.uint16)),
        lambda labels: Image.fromarray(labels).convert("RGB"),
        lambda labels: Image.fromarray(labels).convert("RGBA"),
        lambda labels: Image.fromarray(labels).convert("LA"),
    ],
    ids=["palette", "16 bits", "grey thrice", "grey thrice and opacity", "grey and opacity"],
)
def test_class_numbers_are_read_however_they_are_encoded(clip, flame_head, tmp_path, encoded):
    encoded(semantics_of(1)).save(clip / "semantic/2.png")
    capture = imported(clip, flame_head, tmp_path / "capture")
    np.testing.assert_array_equal(load_semantics(capture, 1), semantics_of(1))


def of_class(number: int) -> Image.Image:
    labels = semantics_of(1).astype(np.int64)
    labels[100, 100] = number
    return Image.fromarray(labels.astype(np.uint8 if number < 256 else np.uint16))


def coloured() -> Image.Image:
    return Image.fromarray(np.stack([semantics_of(1)] * 2 + [semantics_of(2)], -1))


@pytest.mark.parametrize(
    ("damage", "clause"),
    [
        (lambda place: place.unlink(), "holds no 2.png"),
        (lambda place: place.write_bytes(b"labels"), "is not a PNG"),
        (lambda place: place.write_bytes(place.read_bytes()[:-300]), "damaged"),
        (lambda place: of_class(len(CLASSES)).save(place), "class 19"),
        (lambda place: of_class(255).save(place), "class 255"),
        (lambda place: of_class(256 + 16).save(place), "class 272"),
        (lambda place: coloured().save(place), "as colours"),
        (lambda place: of_class(1).resize((SIDE, SIDE - 1)).save(place), f"{SIDE}x{SIDE - 1}"),
        (lambda place: (of_class(1).save(place.with_suffix(".jpg")), place.unlink()), "JPEG"),
    ],
)
def test_each_fault_of_labels_is_told_in_one_sentence_and_leaves_nothing(clip, flame_head, tmp_path, damage, clause):
    damage(clip / "semantic/2.png")
    with pytest.raises(LikenessError) as told:
        import_capture(clip, flame_head, tmp_path / "capture", landmarks=False)
    message = str(told.value)
    assert clause in message and "semantic" in message and "\n" not in message and message.endswith(".")
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


def test_one_clip_of_two_without_labels_is_told(clip, flame_head, tmp_path):
    subject = tmp_path / "subject"
    subject.mkdir()
    shutil.copytree(clip, subject / "test")
    shutil.rmtree(subject / "test/semantic")
    clip.rename(subject / "train")
    with pytest.raises(LikenessError, match=r"test.image.1\.png has no labels where other frames have"):
        import_capture(subject, flame_head, tmp_path / "capture", landmarks=False)


def test_labels_and_masks_of_named_jpegs_are_found(clip, flame_head, tmp_path):
    for place in (clip / "image").iterdir():
        Image.open(place).save(place.with_suffix(".jpg"))
        place.unlink()
    description = json.loads((clip / "flame_params.json").read_text())
    for entry in description["frames"]:
        entry["file_path"] += ".jpg"
    (clip / "flame_params.json").write_text(json.dumps(description))
    capture = imported(clip, flame_head, tmp_path / "capture")
    np.testing.assert_array_equal(load_semantics(capture, 2), semantics_of(2))
    mask = np.asarray(Image.open(clip / "mask/3.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(capture.folder / capture.mattes[2])), mask)


def avatar_of(head: HeadModel) -> LayeredAvatar:
    """The tiny avatar under another head's expressions, none of which changes it."""
    avatar, count = tiny_avatar(), head.expression_count
    first, *others = avatar.decoder.weights
    return replace(
        avatar,
        head_name=head.name,
        expression_names=head.expression_names,
        expression_range=head.expression_range,
        layers=tuple(
            replace(layer, expression_targets=np.zeros((count, len(layer.positions), 3), np.float32))
            for layer in avatar.layers
        ),
        decoder=replace(
            avatar.decoder,
            weights=(np.pad(first, ((0, 0), (0, 9 + count - first.shape[1]))), *others),
        ),
    )


def test_eval_tells_figures_with_and_without_cloth(clip, flame_head, tmp_path, capsys):
    save_head(flame_head, tmp_path / "flame.safetensors")
    words = ["capture", "import", str(clip), str(tmp_path / "capture"), "--head", str(tmp_path / "flame.safetensors")]
    assert main([*words, "--no-landmarks", "--held-out", "0.4"]) == 0
    assert "labels: of the data set" in capsys.readouterr().out
    assert main(["capture", "info", str(tmp_path / "capture")]) == 0
    assert "labelled by a face parser" in capsys.readouterr().out
    write_layered_avatar(avatar_of(flame_head), tmp_path / "avatar.glb")
    words = ["eval", str(tmp_path / "avatar.glb"), str(tmp_path / "capture"), "--out", str(tmp_path / "told")]
    assert main([*words, "--size", "128", "--json", str(tmp_path / "told.json")]) == 0
    marks = json.loads((tmp_path / "told.json").read_text())["marks"]
    for measure in ("psnr_fg", "l1", "ssim", "psnr_paper"):
        assert marks[f"{measure}_no_cloth"]["value"] != marks[measure]["value"]
    assert "without cloth" in (tmp_path / "told/evaluation.md").read_text()
