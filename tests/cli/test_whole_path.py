"""From the sample capture to figures and pictures, by the commands that a user types, with few steps to learn."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from likeness.capture.storage import load_capture
from likeness.cli.main import main
from likeness.evaluate.metrics import psnr
from likeness.evaluate.pictures import truth

STEPS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the sample capture, an avatar that was learnt for a moment, and its job."""
    folder = tmp_path_factory.mktemp("path")
    assert main(["sample", str(folder / "capture")]) == 0
    words = ["train", str(folder / "capture"), str(folder / "avatar.glb"), "--job", str(folder / "job")]
    small = ["stage_one_share=0.0", "picture_size=128", "basis_count=4", "tile_size=96", "threads=1"]
    small += ["geometry.core_faces=1500", "geometry.head_faces=3000", "geometry.shell_faces=1500"]
    small += [f"fine_tuning.steps={STEPS}"]
    words += [part for change in small for part in ("--set", change)]
    assert main([*words, "--seconds", "inf", "--json", str(folder / "train.json")]) == 0
    return folder


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Path:
    """What ``likeness eval`` wrote about that avatar."""
    out = folder / "evaluation"
    words = ["eval", str(folder / "avatar.glb"), str(folder / "capture"), "--out", str(out)]
    assert main([*words, "--size", "96", "--shown", "2", "--json", str(folder / "eval.json")]) == 0
    return out


def test_training_tells_what_it_did(folder: Path):
    told = json.loads((folder / "train.json").read_text())["training"]
    assert told["steps"] == STEPS and told["total_s"] > told["finetune_s"] > 0
    assert told["frames"] == 128 and told["held_out_frames"] == 32


def test_validate_describes_the_avatar(folder: Path, capsys):
    assert main(["validate", str(folder / "avatar.glb")]) == 0
    told = capsys.readouterr().out
    assert "sound layered avatar" in told and "standin" in told and "4 bases of 96 texels" in told


def test_a_job_can_be_baked_at_any_time(folder: Path):
    assert main(["bake", str(folder / "job"), str(folder / "baked.glb")]) == 0
    assert main(["validate", str(folder / "baked.glb")]) == 0


def test_figures_have_names_units_and_every_held_out_frame(evaluation: Path, folder: Path):
    marks = json.loads((folder / "eval.json").read_text())["marks"]
    summary = json.loads((evaluation / "evaluation.json").read_text())
    assert summary["marks"] == marks
    assert {mark["unit"] for mark in marks.values()} == {"dB", "1", "1/255", "px", "%"}
    assert marks["frames_inside"]["value"] + marks["frames_outside"]["value"] == 32
    assert [frame["frame"] for frame in summary["frames"]] == list(range(128, 160))
    for name in ("psnr_fg", "psnr_face", "baseline_psnr_face"):
        values = [frame[name] for frame in summary["frames"]]
        assert marks[name]["value"] == pytest.approx(np.mean(values))


def test_even_a_moment_of_learning_shows_more_than_the_colour_of_the_face(evaluation: Path, folder: Path):
    figures = json.loads((evaluation / "evaluation.json").read_text())
    capture = load_capture(folder / "capture")
    for index in figures["shown"]:
        target = truth(capture, index, 96)
        mean = np.broadcast_to(target.picture[target.face].mean(0), target.picture.shape)
        found = next(frame["psnr_face"] for frame in figures["frames"] if frame["frame"] == index)
        assert found > psnr(mean, target.picture, target.face) + 2


def test_pictures_are_there_for_the_contact_sheet(evaluation: Path):
    shown = json.loads((evaluation / "evaluation.json").read_text())["shown"]
    for index in shown:
        for name in ("truth", "baseline", "trainer"):
            picture = cv2.imread(str(evaluation / "pictures" / f"{index:05d}_{name}.png"))
            assert picture is not None and picture.shape == (96, 96, 3)


def test_turned_heads_are_shown(evaluation: Path):
    picture = cv2.imread(str(evaluation / "turned.png"))
    assert picture is not None and picture.shape[1] == 5 * 96
    assert "turned.png" in (evaluation / "evaluation.md").read_text()


def test_blender_is_asked_for_every_picture_that_the_report_needs(evaluation: Path):
    jobs = json.loads((evaluation / "blender-jobs.json").read_text())
    assert {job["engine"] for job in jobs} == {"eevee", "cycles"}
    kinds = {Path(job["out"]).parts[0] for job in jobs}
    assert kinds == {"pictures", "engines", "film"}


def test_expressions_change_the_picture(folder: Path):
    pictures = []
    for number, words in enumerate(([], ["--expression", "jawOpen=1"], ["--joint", "neck=0,30,0"])):
        out = folder / f"{number}.png"
        assert main(["render", str(folder / "avatar.glb"), str(out), "--size", "96", *words]) == 0
        pictures.append(cv2.imread(str(out), cv2.IMREAD_UNCHANGED).astype(int))
    assert pictures[0].shape == (96, 96, 4)
    assert np.abs(pictures[1] - pictures[0]).max() > 30
    assert np.abs(pictures[2] - pictures[0]).max() > 100


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["render", "{avatar}", "{out}.png", "--expression", "smirk=1"], "no expression 'smirk'"),
        (["render", "{avatar}", "{out}.png", "--expression", "jawOpen=wide"], "needs 1 number"),
        (["render", "{avatar}", "{out}.jpg"], "must end in .png"),
        (["train", "{capture}", "{out}/nowhere/avatar.glb"], "no folder"),
        (["train", "{capture}", "{out}.glb", "--set", "layer=4"], "no 'layer'"),
        (["train", "{capture}", "{out}.glb", "--preset", "best"], "no preset 'best'"),
        (["eval", "{avatar}", "{out}", "--out", "{out}-figures"], "{out}"),
        (["validate", "{capture}/capture.json"], "capture.json"),
        (["bake", "{capture}", "{out}.glb"], "no avatar yet"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(folder: Path, tmp_path: Path, capsys, words, sentence):
    places = {"avatar": folder / "avatar.glb", "capture": folder / "capture", "out": tmp_path / "out"}
    assert main([word.format(**places) for word in words]) == 1
    told = capsys.readouterr().err
    assert sentence.format(**places) in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
