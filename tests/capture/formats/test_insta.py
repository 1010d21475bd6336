"""Poses come back from meshes whatever moves in them, masks are labels, and faults are told by file and field."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_sets import semantics_of, truth, write_insta_set, write_seg_masks
from flame import flame_arrays
from likeness.capture.formats.exchange import export_capture, import_capture
from likeness.capture.formats.flame_refit import FlameVertices, chosen_vertices, fit_identity, fit_poses
from likeness.capture.formats.insta import read_insta
from likeness.capture.semantics import has_semantics, load_semantics
from likeness.capture.storage import load_capture
from likeness.errors import LikenessError
from likeness.head.flame import load_flame
from likeness.head.flame_files import VERTICES
from PIL import Image

HEAD = truth(3, camera=0.1)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory) -> Path:
    return write_insta_set(tmp_path_factory.mktemp("insta") / "data", HEAD)


def test_every_joint_is_found_at_once_far_from_rest(flame_head):
    moving = truth(8, root=0.5, neck=0.4)
    flame = FlameVertices(flame_head, chosen_vertices(flame_head))
    points, joints = flame.unposed(moving.identity, moving.expression)
    shift = np.random.default_rng(0).normal(0, 0.1, (8, 3))
    meshes = flame.posed(points, joints, moving.pose) + shift[:, None]
    found = fit_poses(flame, moving.identity, moving.expression, meshes)
    assert np.abs(found.pose - moving.pose).max() < 1e-8 and np.abs(found.translation - shift).max() < 1e-8
    assert found.distance.max() < 1e-9


def test_vertices_that_eyelids_may_move_have_no_say_and_known_eyelids_are_found(flame_file, flame_head, tmp_path):
    shutil.copy(flame_file, tmp_path / "generic_model.pkl")
    random = np.random.default_rng(1)
    for side, name in ((1, "l_eyelid.npy"), (-1, "r_eyelid.npy")):
        lid = np.zeros((VERTICES, 3))
        near = np.linalg.norm(flame_head.template - [side * 0.031, 0.03, 0.0825], axis=1) < 0.02
        near &= flame_arrays()["weights"][:, 3:].sum(1) == 0
        lid[near] = random.normal(0, 2e-3, (near.sum(), 3))
        np.save(tmp_path / name, lid)
    with_lids = load_flame(tmp_path)
    flame = FlameVertices(with_lids, np.arange(VERTICES))
    assert flame.eyelids is not None
    points, joints = flame.unposed(HEAD.identity, HEAD.expression)
    weights = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.2]])
    meshes = flame.posed(points + np.tensordot(weights, flame.eyelids, 1), joints, HEAD.pose)
    for head, lids_found in ((with_lids, weights), (flame_head, np.zeros((3, 2)))):
        chosen = chosen_vertices(head)
        found = fit_poses(FlameVertices(head, chosen), HEAD.identity, HEAD.expression, meshes[:, chosen])
        np.testing.assert_allclose(found.eyelids, lids_found, atol=1e-6)
        assert np.abs(found.pose - HEAD.pose).max() < 1e-6


def test_identity_comes_back_from_one_mesh_of_known_pose(flame_head):
    flame = FlameVertices(flame_head, np.arange(VERTICES))
    identity = np.random.default_rng(2).normal(size=300)
    pose = np.zeros((5, 3))
    pose[2, 0] = 0.2
    points, joints = flame.unposed(identity, np.zeros((1, 0)))
    found, off = fit_identity(flame_head, flame.posed(points, joints, pose[None])[0], pose)
    # The ridge keeps coefficients that hardly move anything a little smaller.
    assert off < 1e-6 and np.abs(found[:100] - identity[:100]).max() < 1e-2


def changed(data_set: Path, out: Path, name: str, change) -> Path:
    shutil.copytree(data_set, out)
    path = out / name
    if path.suffix == ".json":
        description = json.loads(path.read_text())
        change(description)
        path.write_text(json.dumps(description))
    else:
        path.write_text(change(path.read_text()))
    return out


@pytest.mark.parametrize(
    ("name", "change", "clause"),
    [
        ("transforms_train.json", lambda d: d.pop("fl_x"), "'fl_x'"),
        ("transforms_train.json", lambda d: d.update(w=256.0), "512x512"),
        ("transforms_train.json", lambda d: d.update(fl_y=-1.0), "focal length"),
        ("transforms_train.json", lambda d: d["frames"][0].pop("mesh_path"), "'mesh_path'"),
        ("transforms_train.json", lambda d: d["frames"][0].update(mesh_path="../../x.obj"), "leads out"),
        ("transforms_train.json", lambda d: d["frames"][0].update(file_path="images/9.png"), "9.png"),
        ("transforms_test.json", lambda d: d["frames"][0].update(transform_matrix=[[1] * 4] * 4), "rigid"),
        ("transforms_test.json", lambda d: d["frames"][0].update(transform_matrix=np.eye(4).tolist()), "behind"),
        ("transforms_test.json", lambda d: d.update(frames={}), "'frames'"),
        ("canonical.obj", lambda text: text.replace("v ", "v nan ", 1), "not finite"),
        ("canonical.obj", lambda text: text.replace("v ", "w ", 1), "5022 vertices"),
        ("meshes/00000.obj", lambda text: text.replace("v ", "v a", 1), "three numbers"),
        ("flame/exp/00000.txt", lambda text: text + "1.0", "101 numbers"),
        ("flame/exp/00000.txt", lambda text: "smile", "else than numbers"),
        ("flame/exp/00000.txt", lambda text: "1e300\n" * 100, "which no face has"),
        ("meshes/00001.obj", lambda text: "v 0 0 0\n" * VERTICES, "00001.obj is"),
        ("transforms_test.json", lambda d: d.update(fl_x=300.0), "another camera"),
        ("transforms_train.json", lambda d: d.update(cx=9e5), "check its units"),
        ("transforms_test.json", lambda d: d["frames"][0]["transform_matrix"][3].__setitem__(3, 5), "last row"),
    ],
)
def test_each_fault_is_told_in_one_sentence(data_set, flame_head, tmp_path, name, change, clause):
    with pytest.raises(LikenessError) as told:
        read_insta(changed(data_set, tmp_path / "data", name, change), flame_head)
    assert clause in str(told.value) and "\n" not in str(told.value)


def test_a_pipe_is_no_mesh(data_set, flame_head, tmp_path):
    folder = changed(data_set, tmp_path / "data", "transforms_val.json", lambda d: None)
    (folder / "meshes/00000.obj").unlink()
    os.mkfifo(folder / "meshes/00000.obj")
    with pytest.raises(LikenessError, match=r"00000\.obj cannot be read: it is no ordinary file"):
        read_insta(folder, flame_head)


def test_meshes_of_another_head_are_refused(data_set, flame_head, tmp_path):
    folder = changed(data_set, tmp_path / "data", "transforms_val.json", lambda d: None)
    rows = np.random.default_rng(0).normal(0, 0.05, (VERTICES, 3))
    (folder / "canonical.obj").write_text("\n".join(f"v {x} {y} {z}" for x, y, z in rows))
    with pytest.raises(LikenessError, match=r"canonical\.obj.* mm off"):
        read_insta(folder, flame_head)


def test_one_description_for_all_frames_is_enough(data_set, flame_head, tmp_path):
    folder = changed(data_set, tmp_path / "data", "transforms_val.json", lambda d: None)
    train, test = (json.loads((folder / f"transforms_{name}.json").read_text()) for name in ("train", "test"))
    for path in folder.glob("transforms_*.json"):
        path.unlink()
    (folder / "transforms.json").write_text(json.dumps({**train, "frames": train["frames"] + test["frames"]}))
    frames = read_insta(folder, flame_head, held_out_part=0.34)
    assert len(frames.pictures) == 3 and frames.held_out == (2,)


@pytest.fixture
def masked(data_set, tmp_path) -> Path:
    folder = changed(data_set, tmp_path / "masked", "transforms_val.json", lambda d: None)
    write_seg_masks(folder, 3)
    return folder


def imported(folder: Path, head, out: Path):
    import_capture(folder, head, out, landmarks=False, overwrite=True)
    return load_capture(out)


def test_masks_survive_import_export_and_import(masked, flame_head, tmp_path):
    capture = imported(masked, flame_head, tmp_path / "capture")
    export_capture(capture, tmp_path / "out", "insta")
    again = imported(tmp_path / "out", flame_head, tmp_path / "again")
    for labelled in (capture, again):
        assert "parser" in labelled.provenance["labels"]
        for frame in range(3):
            np.testing.assert_array_equal(load_semantics(labelled, frame), semantics_of(frame))


def test_masks_that_export_drew_are_not_taken_for_a_parsers(data_set, flame_head, tmp_path):
    capture = imported(data_set, flame_head, tmp_path / "capture")
    assert not has_semantics(capture) and "labels" not in capture.provenance
    for out in ("first", "second"):
        export_capture(capture, tmp_path / out, "insta")
        capture = imported(tmp_path / out, flame_head, tmp_path / "capture")
        assert has_semantics(capture) and "drawn" in capture.provenance["labels"]


@pytest.mark.parametrize(
    ("damage", "clause"),
    [
        (Path.unlink, "has no labels"),
        (lambda place: place.write_bytes(b"mask"), "is not a PNG"),
        (lambda place: Image.new("RGB", (512, 512), (77, 0, 0)).save(place), "a red of 77"),
        (lambda place: Image.new("RGB", (256, 256)).save(place), "256x256"),
    ],
)
def test_each_fault_of_masks_is_told_in_one_sentence_and_leaves_nothing(masked, flame_head, tmp_path, damage, clause):
    damage(masked / "seg_mask/00001.png")
    with pytest.raises(LikenessError) as told:
        import_capture(masked, flame_head, tmp_path / "out", landmarks=False)
    assert clause in str(told.value) and "00001.png" in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()
