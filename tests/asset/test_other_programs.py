"""Programs that know nothing of Likeness read the same avatar: Khronos' validator, trimesh, Blender's own importer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh
from avatars import tiny_avatar, tiny_poses
from likeness.asset import Animation, write_layered_avatar
from likeness.asset.invariants import target_names
from likeness.rig import AVATAR_JOINTS
from trimesh.visual import TextureVisuals

HERE = Path(__file__).parent
AVATAR = tiny_avatar()

# Node translations are differences of float32 positions, added up again by the reader.
JOINT_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("asset") / "avatar.glb"
    poses = tuple(tiny_poses().values())
    write_layered_avatar(AVATAR, path, Animation(np.arange(len(poses), dtype=np.float32), poses))
    return path


def test_khronos_validator_finds_no_error_and_no_warning(path, repository):
    folder = Path(os.environ.get("LIKENESS_GLTF_VALIDATOR") or repository / ".venv" / "gltf-validator")
    node = shutil.which("node")
    if node is None or not (folder / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("needs Node.js and the npm package gltf-validator")
    output = subprocess.run(
        [node, str(HERE / "khronos.js"), str(folder.resolve()), str(path)], capture_output=True, text=True, check=True
    ).stdout
    issues = json.loads(output)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_trimesh_reads_the_same_meshes(path):
    scene = trimesh.load(path, process=False)
    assert isinstance(scene, trimesh.Scene)
    meshes = [mesh for mesh in scene.geometry.values() if isinstance(mesh, trimesh.Trimesh)]
    assert len(meshes) == len(AVATAR.layers)
    for layer, mesh in zip(AVATAR.layers, meshes, strict=True):
        np.testing.assert_array_equal(mesh.vertices, layer.positions)
        np.testing.assert_array_equal(mesh.faces, layer.faces)
        assert isinstance(mesh.visual, TextureVisuals) and mesh.visual.uv is not None
        # trimesh counts v from below.
        np.testing.assert_allclose(mesh.visual.uv, layer.uv * [1, -1] + [0, 1], atol=1e-7)


@pytest.fixture(scope="module")
def imported(path, repository, tmp_path_factory) -> dict[str, np.ndarray]:
    """What Blender's importer makes of the file."""
    blender = repository / ".venv" / "blender-5.0" / "bin" / "python"
    if not blender.exists():
        pytest.skip("needs the environment blender-5.0")
    target = tmp_path_factory.mktemp("blender") / "arrays.npz"
    subprocess.run(
        [str(blender), str(HERE / "blender_import.py"), str(path), str(target)], check=True, capture_output=True
    )
    return dict(np.load(target))


def test_blender_reads_the_same_shapes(imported):
    assert imported["keys"].tolist() == ["Basis", *target_names(AVATAR)]
    rest = np.concatenate([layer.positions for layer in AVATAR.layers])
    targets = np.concatenate(
        [np.concatenate([layer.expression_targets, layer.corrective_targets]) for layer in AVATAR.layers], axis=1
    )
    # One rounding of a sum, of numbers below 0.25 m.
    np.testing.assert_allclose(imported["key Basis"], rest, atol=2**-26)
    for name, target in zip(target_names(AVATAR), targets, strict=True):
        np.testing.assert_allclose(imported[f"key {name}"], rest + target, atol=2**-26)


def test_blender_reads_the_same_triangles_and_welds(imported):
    assert imported["triangles"] == sum(len(layer.faces) for layer in AVATAR.layers)
    np.testing.assert_array_equal(imported["weld"], np.concatenate([layer.weld for layer in AVATAR.layers]))


def test_blender_reads_the_same_rig(imported):
    assert sorted(imported["bones"]) == sorted(AVATAR_JOINTS)
    rest: dict[str, np.ndarray] = dict(zip(AVATAR_JOINTS, [*AVATAR.joints, AVATAR.joints[0]], strict=True))
    for name, head in zip(imported["bones"], imported["heads"], strict=True):
        np.testing.assert_allclose(head, rest[str(name)], atol=JOINT_TOLERANCE)


def test_blender_reads_the_same_weights(imported):
    order = [imported["groups"].tolist().index(name) for name in AVATAR_JOINTS]
    stored = np.concatenate([layer.skin_weights for layer in AVATAR.layers])
    np.testing.assert_allclose(imported["weights"][:, order], stored, atol=2**-22)
