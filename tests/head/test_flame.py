"""FLAME's files, as published and as others save them, become one head model that moves as FLAME moves."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from flame import as_published, flame_arrays, flame_vertices, pickled, pickled_by_python_2
from likeness.cli.main import main
from likeness.errors import LikenessError
from likeness.head.flame import EYELIDS, flame_parts, load_flame
from likeness.head.flame_files import (
    EXPRESSIONS,
    IDENTITIES,
    INNER_LANDMARKS,
    TRIANGLES,
    VERTICES,
    read_flame,
    read_landmark_embedding,
    read_masks,
    read_mediapipe_embedding,
    read_uv,
)
from likeness.head.flame_joints import drift_translation, joint_drift
from likeness.head.model import HeadModel
from likeness.head.select import head_from
from likeness.head.standin import standin
from likeness.head.storage import check_head, load_head, save_head
from likeness.rig import JOINTS, Pose, rotation_matrices
from scipy import sparse

SINGLE = 2.0**-23
"""Relative error of a number rounded to float32."""


def refusal(path: Path) -> str:
    with pytest.raises(LikenessError) as told:
        read_flame(path)
    assert "\n" not in str(told.value) and path.name in str(told.value)
    return str(told.value)


def write(folder: Path, content: bytes, name: str = "generic_model.pkl") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.fixture(scope="module")
def complete_folder(flame_file, tmp_path_factory) -> Path:
    """A model with everything beside it that its makers give; its layout and landmarks are invented."""
    folder = tmp_path_factory.mktemp("FLAME2020")
    os.link(flame_file, folder / "generic_model.pkl")
    arrays, random = flame_arrays(), np.random.default_rng(3)
    template, faces = arrays["v_template"], arrays["f"].astype(np.int64)
    shell = np.arange(VERTICES) < VERTICES - 2 * 546
    masks = {
        "face": np.flatnonzero(shell & (template[:, 2] > 0.05) & (template[:, 1] > -0.07)),
        "neck": np.flatnonzero(shell & (template[:, 1] < -0.07)),
        "scalp": np.flatnonzero(shell & (template[:, 1] > 0.08)),
        "left_eyeball": np.flatnonzero(~shell)[:546],
    }
    (folder / "FLAME_masks.pkl").write_bytes(pickled(masks))

    # Texture coordinates of the front seen from the front; the mesh's triangles in another order and turned.
    uv = 0.5 + 2 * template[:, :2]
    order = random.permutation(TRIANGLES)
    turned = np.array([np.roll(face, random.integers(3)) for face in faces[order]])
    lines = [f"v {x} {y} {z}" for x, y, z in template]
    lines += [f"vt {u} {v}" for u, v in uv]
    lines += ["f " + " ".join(f"{v + 1}/{v + 1}/1" for v in face) for face in turned]
    (folder / "head_template.obj").write_text("\n".join(lines))

    static = {
        "static_lmk_faces_idx": random.integers(0, 7000, 51).astype(np.uint32),
        "static_lmk_bary_coords": random.dirichlet([1, 1, 1], 51),
        "dynamic_lmk_faces_idx": [np.arange(17)] * 79,
        # The published file has tensors beside its arrays.
        "dynamic_lmk_bary_coords": torch.zeros(79, 17, 3),
    }
    np.save(folder / "landmark_embedding.npy", np.array(static, object), allow_pickle=True)
    np.savez(
        folder / "mediapipe_landmark_embedding.npz",
        landmark_indices=np.array([4, 33, 133, 362, 263]),
        lmk_face_idx=random.integers(0, 7000, 5),
        lmk_b_coords=random.dirichlet([1, 1, 1], 5),
    )
    for name in ("l_eyelid.npy", "r_eyelid.npy"):
        np.save(folder / name, random.normal(0, 1e-3, (VERTICES, 3)).astype(np.float32))
    return folder


@pytest.mark.parametrize("how", ["published", "protocol 4", "protocol 5", "plain", "python 2", "npz", "saved objects"])
def test_every_way_of_saving_gives_the_same_arrays(how, tmp_path):
    arrays = flame_arrays()
    path = tmp_path / ("model.npz" if how in ("npz", "saved objects") else "model.pkl")
    match how:
        case "published" | "protocol 4" | "protocol 5":
            path.write_bytes(pickled(as_published(arrays), {"protocol 4": 4, "protocol 5": 5}.get(how, 2)))
        case "plain":
            path.write_bytes(pickle.dumps(arrays))
        case "python 2":
            path.write_bytes(pickled_by_python_2(arrays))
        case "npz":
            np.savez(path, **arrays)
        case "saved objects":
            np.savez(path, **{**arrays, "J_regressor": np.array(sparse.csc_matrix(arrays["J_regressor"]), object)})
    read = read_flame(path)
    for field, name in {
        "template": "v_template",
        "faces": "f",
        "shape_directions": "shapedirs",
        "pose_directions": "posedirs",
        "joint_regressor": "J_regressor",
        "skin_weights": "weights",
    }.items():
        np.testing.assert_array_equal(getattr(read, field), arrays[name], err_msg=name)


def test_the_head_has_all_of_flame(flame_head):
    check_head(flame_head, "FLAME")
    assert flame_head.template.shape == (VERTICES, 3) and flame_head.faces.shape == (TRIANGLES, 3)
    assert len(flame_head.identity_basis) == IDENTITIES and flame_head.expression_count == EXPRESSIONS
    assert np.isinf(flame_head.expression_range).all()
    assert {"skin", "face", "mouth", "teeth", "eyes", "neck"} <= set(flame_head.regions)
    assert flame_head.regions["eyes"].sum() == 2 * 1088 and not flame_head.regions["teeth"].any()
    front = flame_head.template[flame_head.faces[flame_head.regions["face"]]].mean(1)
    assert front[:, 2].min() > 0 and front[:, 1].min() > -0.12 and front[:, 1].max() < 0.13
    # A human iris lies 10 to 12 mm before the centre of the eye.
    assert 0.010 < flame_head.iris_distance < 0.012


@pytest.mark.parametrize("joint", range(5))
def test_without_expression_it_poses_exactly_as_flame(flame_head, joint):
    random = np.random.default_rng(joint)
    identity, pose = random.normal(size=IDENTITIES), np.zeros((5, 3))
    pose[joint] = random.normal(0, 0.3, 3)
    ours = flame_head.posed(
        Pose(
            np.zeros(EXPRESSIONS, np.float32), pose[0].astype(np.float32), joint_rotations=pose[1:].astype(np.float32)
        ),
        identity,
    )
    expected = flame_vertices(identity, np.zeros(0), pose)
    # Sums of 300 directions and of five blended transforms, each rounded to single precision, of a head 0.3 m large.
    assert np.abs(ours - expected).max() < 300**0.5 * SINGLE * 1.0


def test_with_expression_what_follows_the_neck_is_where_flame_has_it(flame_head):
    random = np.random.default_rng(5)
    identity, expression = random.normal(size=IDENTITIES), random.normal(0, 2, EXPRESSIONS)
    pose = random.normal(0, 0.3, (5, 3))
    shift = drift_translation(flame_head, expression[None], pose[None, 0], pose[None, 1])[0]
    ours = flame_head.posed(
        Pose(
            expression.astype(np.float32),
            pose[0].astype(np.float32),
            shift.astype(np.float32),
            pose[1:].astype(np.float32),
        ),
        identity,
    )
    away = np.linalg.norm(ours - flame_vertices(identity, expression, pose), axis=1)
    weights = flame_arrays()["weights"]
    assert away[weights[:, 1] == 1].max() < 300**0.5 * SINGLE * 1.0
    # What follows the jaw lies (I - R) d beside it, d being the drift of the jaw's joint.
    drift = joint_drift(flame_head, expression[None])[0, JOINTS.index("jaw")]
    beside = (np.eye(3) - rotation_matrices(pose[2])) @ drift
    assert away[weights[:, 2] > 0.99].max() < 1.01 * np.linalg.norm(beside) + 1e-6


def test_identity_coefficients_become_the_template(flame_file):
    coefficients = [1.0, -2.0]
    head = load_flame(flame_file, coefficients)
    expected = flame_arrays()["v_template"] + flame_arrays()["shapedirs"][:, :, :2] @ coefficients
    assert np.abs(head.template - expected).max() < SINGLE


def test_derived_landmarks_lie_on_the_same_features_of_another_face(tmp_path):
    # The built-in head's own shape, made broader, longer and bent: where its landmarks go is then known.
    def deformed(points: np.ndarray) -> np.ndarray:
        return points * [1.08, 0.95, 1.04] + 0.15 * points[:, [1]] ** 2 * [0, 0, 1] + [0, 0.01, -0.02]

    arrays = dict(flame_arrays())
    arrays["v_template"] = deformed(arrays["v_template"])
    path = write(tmp_path, pickled(as_published(arrays)))
    head = load_flame(path)
    guide = standin()
    expected = deformed(guide.landmarks(guide.template).astype(float))
    alone = np.linalg.norm(head.landmarks(head.template) - expected, axis=1)
    # Joints and surface alone: several millimetres, as the head's information says.
    assert alone.mean() < 0.005 and alone.max() < 0.02

    # The makers' landmarks, here on vertices next to where they belong, are kept and pull the others along.
    numbers = np.array(INNER_LANDMARKS)
    corners = arrays["f"].astype(int)
    middles = arrays["v_template"][corners].mean(1)
    faces = np.linalg.norm(middles[:, None] - expected[numbers], axis=2).argmin(0)
    np.savez(
        path.parent / "mediapipe_landmark_embedding.npz",
        landmark_indices=numbers,
        lmk_face_idx=faces,
        lmk_b_coords=np.full((len(numbers), 3), 1 / 3),
    )
    head, parts = load_flame(path), flame_parts(path)
    guided = np.linalg.norm(head.landmarks(head.template) - expected, axis=1)
    assert f"{len(set(numbers.tolist()))} of 468" in parts.landmarks
    # Triangles are 2 to 4 mm large here, and their middles lie off by half of that.
    assert guided.mean() < alone.mean() and guided.mean() < 0.002
    np.testing.assert_array_equal(head.landmark_triangles[numbers], corners[faces])


def test_the_makers_files_beside_the_model_are_used(complete_folder):
    head, parts = load_flame(complete_folder), flame_parts(complete_folder)
    arrays = flame_arrays()
    for told, name in (
        (parts.regions, "FLAME_masks.pkl"),
        (parts.uv, "head_template.obj"),
        (parts.landmarks, "mediapipe_landmark_embedding.npz"),
        (parts.eyelids, "l_eyelid.npy"),
    ):
        assert str(complete_folder / name) in told
    assert head.expression_names[-2:] == EYELIDS and head.expression_range[-1].tolist() == [0, 1]
    masks = read_masks(complete_folder / "FLAME_masks.pkl")
    assert set(np.unique(head.faces[head.regions["neck"]])) <= set(masks["neck"].tolist())
    assert head.regions["scalp"].any()
    # Every corner of every triangle has the coordinate that was given to its vertex.
    expected = 0.5 + 2 * arrays["v_template"][:, :2]
    assert np.abs(head.uv[head.faces_uv] - expected[arrays["f"].astype(int)]).max() < SINGLE
    placed = read_mediapipe_embedding(complete_folder / "mediapipe_landmark_embedding.npz")
    np.testing.assert_array_equal(head.landmark_triangles[placed.numbers], head.faces[placed.faces])
    inner = read_landmark_embedding(complete_folder / "landmark_embedding.npy")
    assert inner.numbers.tolist() == list(INNER_LANDMARKS)


def test_a_texture_file_gives_the_layout_too(tmp_path):
    faces = flame_arrays()["f"].astype(np.int64)
    corners = np.arange(3 * TRIANGLES).reshape(TRIANGLES, 3)
    np.savez(tmp_path / "FLAME_texture.npz", vt=np.random.default_rng(0).random((3 * TRIANGLES, 2)), ft=corners)
    uv, found = read_uv(tmp_path / "FLAME_texture.npz", faces)
    assert uv.shape == (3 * TRIANGLES, 2) and (found == corners).all()
    np.savez(tmp_path / "FLAME_texture.npz", vt=uv, ft=corners + 1)
    with pytest.raises(LikenessError, match="outside"):
        read_uv(tmp_path / "FLAME_texture.npz", faces)


def test_a_template_of_another_mesh_is_refused(complete_folder):
    other = flame_arrays()["f"].astype(np.int64)[:, ::-1]
    with pytest.raises(LikenessError, match="other triangles"):
        read_uv(complete_folder / "head_template.obj", other)


def test_it_survives_being_saved(flame_head, tmp_path):
    save_head(flame_head, tmp_path / "head.safetensors")
    read = load_head(tmp_path / "head.safetensors")
    assert read.expression_names == flame_head.expression_names and read.name == "flame"
    np.testing.assert_array_equal(read.pose_correctives, flame_head.pose_correctives)
    np.testing.assert_array_equal(read.expression_range, flame_head.expression_range)


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        (
            "mediapipe_landmark_embedding.npz",
            {"landmark_indices": [468], "lmk_face_idx": [0], "lmk_b_coords": [[1, 0, 0]]},
        ),
        (
            "mediapipe_landmark_embedding.npz",
            {"landmark_indices": [1], "lmk_face_idx": [9976], "lmk_b_coords": [[1, 0, 0]]},
        ),
        (
            "mediapipe_landmark_embedding.npz",
            {"landmark_indices": [1], "lmk_face_idx": [0], "lmk_b_coords": [[1, 1, 0]]},
        ),
        ("mediapipe_landmark_embedding.npz", {"landmark_indices": [1], "lmk_face_idx": [0], "lmk_b_coords": 1.0}),
        ("mediapipe_landmark_embedding.npz", {"landmark_indices": [], "lmk_face_idx": [], "lmk_b_coords": []}),
        (
            "mediapipe_landmark_embedding.npz",
            {"landmark_indices": ["a"], "lmk_face_idx": [0], "lmk_b_coords": [[1, 0, 0]]},
        ),
        ("landmark_embedding.npz", {"dynamic_lmk_faces_idx": [1]}),
        ("FLAME_texture.npz", {"vt": np.zeros((0, 2)), "ft": np.zeros((TRIANGLES, 3))}),
        ("FLAME_texture.npz", {"vt": np.full((1, 2), 1.5), "ft": np.zeros((TRIANGLES, 3))}),
        ("FLAME_texture.npz", {"vt": np.zeros((1, 2)), "ft": np.zeros((10, 3))}),
    ],
)
def test_a_file_beside_the_model_that_does_not_fit_is_told(flame_file, tmp_path, name, arrays):
    os.link(flame_file, tmp_path / "generic_model.pkl")
    np.savez(tmp_path / name, **{key: np.array(value) for key, value in arrays.items()})
    with pytest.raises(LikenessError) as told:
        load_flame(tmp_path)
    assert name in str(told.value) and "\n" not in str(told.value)


def changed(**values: object) -> bytes:
    return pickled({**as_published(flame_arrays()), **values})


@pytest.mark.parametrize(
    ("content", "clause"),
    [
        (lambda: changed(v_template=np.zeros((6890, 3))), "v_template"),
        (lambda: changed(shapedirs=np.zeros((VERTICES, 3, 10))), "shapedirs"),
        (lambda: changed(shapedirs=np.full((VERTICES, 3, 400), np.nan)), "not finite"),
        (lambda: changed(v_template=100 * flame_arrays()["v_template"]), "metres"),
        (lambda: changed(v_template=np.full((VERTICES, 3), "a")), "no numbers"),
        (lambda: changed(f=flame_arrays()["f"] + 1), "outside"),
        (lambda: changed(weights=np.ones((VERTICES, 5))), "sum to one"),
        (lambda: changed(kintree_table=np.zeros((2, 5))), "parents"),
        (lambda: changed(v_template=flame_arrays()["v_template"] * [-1, 1, 1]), "left eye"),
        (lambda: changed(J_regressor="regressor"), "J_regressor"),
        (lambda: pickled({"v_template": flame_arrays()["v_template"]}), "holds no 'f'"),
        (lambda: pickled([1, 2, 3]), "no table"),  # type: ignore[arg-type]
        (lambda: pickled(as_published(flame_arrays()))[:1_000_000], "cut off"),
        (lambda: b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (lambda: b"not a pickle at all", "not opened"),
    ],
)
def test_what_is_not_flame_is_refused_in_one_sentence(content, clause, tmp_path):
    assert clause in refusal(write(tmp_path, content()))


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "model.npz", shapedirs=np.zeros(3))
    assert "v_template" in refusal(tmp_path / "model.npz")
    (tmp_path / "text.npz").write_text("no archive")
    assert "not opened" in refusal(tmp_path / "text.npz")


def test_it_is_chosen_by_its_path_or_its_folder(flame_file, complete_folder):
    assert head_from(str(flame_file)).name == "flame"
    assert head_from(str(complete_folder)).expression_names[-2:] == EYELIDS


def test_the_command_line_imports_tells_and_draws_it(flame_file, tmp_path, capsys, monkeypatch):
    out = tmp_path / "head.safetensors"
    assert main(["head", "import", str(flame_file), str(out)]) == 0
    assert main(["head", "info", str(flame_file), "--json", str(tmp_path / "info.json")]) == 0
    told = json.loads((tmp_path / "info.json").read_text())
    assert told["vertices"] == VERTICES and "stand-in" in told["parts"]["landmarks"]
    assert "landmarks" in capsys.readouterr().out
    # Small and with one principal component of a hundred: a whole picture takes half a minute.
    for name, value in (("SHOWN_COMPONENTS", 1), ("LARGE", 96), ("TILE", 48)):
        monkeypatch.setattr(f"likeness.head.preview.{name}", value)
    assert main(["head", "preview", str(out), str(tmp_path / "head.png")]) == 0
    assert isinstance(load_head(out), HeadModel) and (tmp_path / "head.png").stat().st_size > 10_000
