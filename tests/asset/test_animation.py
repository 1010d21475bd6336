"""The animation in the file moves the mesh as the run-time does, played by glTF's own rules."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from avatars import tiny_avatar, tiny_poses
from likeness.asset import Animation, read_layered_avatar, write_layered_avatar
from likeness.asset.animation import quaternions
from likeness.errors import LikenessError
from likeness.rig import Pose
from likeness.runtime.deform import deform

AVATAR = tiny_avatar()
POSES = tuple(tiny_poses().values())
TIMES = np.arange(len(POSES), dtype=np.float32) / 25


class Player:
    """Plays a glTF binary at its key frames: nodes, skin, morph targets, as section 3 of the specification has them."""

    def __init__(self, content: bytes) -> None:
        (length,) = struct.unpack_from("<I", content, 12)
        self.root = json.loads(content[20 : 20 + length])
        self.binary = content[28 + length :]

    def array(self, index: int) -> np.ndarray:
        accessor = self.root["accessors"][index]
        kind = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        values = np.zeros((accessor["count"], width), kind)

        def stored(view: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
            offset = self.root["bufferViews"][view]["byteOffset"]
            return np.frombuffer(self.binary, dtype, int(np.prod(shape)), offset).reshape(shape)

        if "bufferView" in accessor:
            values = stored(accessor["bufferView"], kind, values.shape)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            number, index_kind = sparse["count"], {5123: "<u2", 5125: "<u4"}[sparse["indices"]["componentType"]]
            values = values.copy()
            values[stored(sparse["indices"]["bufferView"], index_kind, (number,))] = stored(
                sparse["values"]["bufferView"], kind, (number, width)
            )
        return values

    def play(self, frame: int) -> list[np.ndarray]:
        """Positions of each primitive at a key frame."""
        moved: dict[tuple[int, str], np.ndarray] = {}
        (animation,) = self.root["animations"]
        for channel in animation["channels"]:
            values = self.array(animation["samplers"][channel["sampler"]]["output"])
            keys = values.reshape(len(TIMES), -1)
            moved[channel["target"]["node"], channel["target"]["path"]] = keys[frame].astype(np.float64)
        skin = self.root["skins"][0]
        world: dict[int, np.ndarray] = {}

        def visit(node: int, parent: np.ndarray) -> None:
            entry = self.root["nodes"][node]
            matrix = np.eye(4)
            matrix[:3, 3] = moved.get((node, "translation"), entry.get("translation", [0, 0, 0]))
            x, y, z, w = moved.get((node, "rotation"), np.array([0, 0, 0, 1]))
            matrix[:3, :3] = [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
            world[node] = parent @ matrix
            for child in entry.get("children", []):
                visit(child, world[node])

        for node in self.root["scenes"][0]["nodes"]:
            visit(node, np.eye(4))
        # Matrices are stored column by column.
        back = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = np.stack([world[node] @ inverse for node, inverse in zip(skin["joints"], back, strict=True)])
        weights = moved[0, "weights"]
        meshes = []
        for primitive in self.root["meshes"][0]["primitives"]:
            attributes = primitive["attributes"]
            points = self.array(attributes["POSITION"]).astype(np.float64)
            for weight, target in zip(weights, primitive["targets"], strict=True):
                points = points + weight * self.array(target["POSITION"])
            blended = np.einsum(
                "vk,vkab->vab", self.array(attributes["WEIGHTS_0"]), joints[self.array(attributes["JOINTS_0"])]
            )
            meshes.append(np.einsum("vab,vb->va", blended[:, :3, :3], points) + blended[:, :3, 3])
        return meshes


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "avatar.glb"
    write_layered_avatar(AVATAR, path, Animation(TIMES, POSES))
    return path


@pytest.mark.parametrize("frame", range(len(POSES)), ids=list(tiny_poses()))
def test_a_gltf_player_moves_the_mesh_as_the_run_time_does(frame, path):
    for played, deformed in zip(Player(path.read_bytes()).play(frame), deform(AVATAR, POSES[frame]), strict=True):
        # Quaternions, weights and matrices each rounded to float32 once, on positions below 0.25 m.
        np.testing.assert_allclose(played, deformed.positions, atol=8 * 2**-25)


def test_the_reader_passes_over_the_animation(path):
    np.testing.assert_array_equal(read_layered_avatar(path).layers[0].positions, AVATAR.layers[0].positions)


def test_quaternions_never_turn_the_long_way_round():
    angles = np.linspace(0, 4 * np.pi, 50)
    found = quaternions(np.outer(angles, [0, 1, 0]))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert ((found[1:] * found[:-1]).sum(1) > 0.9).all()
    # Axis-angle vectors of 2 pi jump back to zero in a tracker's output: the same rotations, still no leap.
    jumping = quaternions(np.outer(angles % (2 * np.pi), [0, 1, 0]))
    assert ((jumping[1:] * jumping[:-1]).sum(1) > 0.9).all()


REST = POSES[0]
BROKEN = {
    "no poses": (Animation(np.zeros(0, np.float32), ()), "animation has 0 poses at 0 times"),
    "fewer poses": (Animation(TIMES, POSES[:2]), "animation has 2 poses at 5 times"),
    "falling times": (Animation(np.array([1.0, 0.5], np.float32), (REST, REST)), r"animation\.times do not rise"),
    "before the start": (Animation(np.array([-1.0], np.float32), (REST,)), r"animation\.times do not rise"),
    "another head": (
        Animation(TIMES[:1], (Pose(np.zeros(5, np.float32)),)),
        r"poses\[0\] has 5 expressions, the avatar 3",
    ),
    "NaN": (Animation(TIMES[:1], (replace(REST, root_rotation=np.full(3, np.nan)),)), r"poses\[0\] holds a number"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_animation_is_refused(name, tmp_path):
    animation, message = BROKEN[name]
    with pytest.raises(LikenessError, match=message):
        write_layered_avatar(AVATAR, tmp_path / "avatar.glb", animation)
