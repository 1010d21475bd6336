"""Writing a layered avatar as one glTF binary that any viewer opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..files import write_atomically
from ..rig import AVATAR_JOINTS, JOINTS, PARENTS
from ..runtime.normals import vertex_normals
from . import schema
from .animation import Animation, animation_json, check_animation
from .glb import FLOAT, INDEX_BUFFER, VERTEX_BUFFER, GlbWriter
from .invariants import MOST_INFLUENCES, check_avatar, target_names
from .layered import Layer, LayeredAvatar

MESH_NODE, RIG_NODE, FIRST_JOINT_NODE = 0, 1, 2
CLAMP_TO_EDGE, LINEAR = 33071, 9729


def write_layered_avatar(avatar: LayeredAvatar, path: Path, animation: Animation | None = None) -> None:
    """Write an avatar's file, whole or not at all; the same avatar gives the same bytes.

    Parameters
    ----------
    avatar : LayeredAvatar
    path : Path
        Ends in ``.glb``; an older file there is replaced.
    animation : Animation, optional
        What viewers shall play; :func:`likeness.asset.read_layered_avatar` passes over it.

    Raises
    ------
    LikenessError
        If the avatar breaks a rule of :mod:`likeness.asset.invariants`, or the file cannot be written.
    """
    path = Path(path)
    try:
        check_avatar(avatar)
        if animation is not None:
            check_animation(animation, avatar)
        content = encode(avatar, animation)
    except LikenessError as problem:
        raise LikenessError(f"Cannot write {path}: {problem}.") from None
    write_atomically(path, content)


def encode(avatar: LayeredAvatar, animation: Animation | None = None) -> bytes:
    """The bytes of an avatar's file; avatar and animation must have passed their checks.

    Raises
    ------
    LikenessError
        If its report is not JSON, or the file would be too large for its format.
    """
    writer = GlbWriter(_document())
    writer.document["nodes"] = _nodes(avatar)
    writer.document["skins"] = [_skin(writer, avatar)]
    names = target_names(avatar)
    mesh: dict[str, Any] = {"name": "Likeness", "primitives": []}
    if names:
        mesh |= {"weights": [0] * len(names), "extras": {"targetNames": list(names)}}
    writer.document["meshes"] = [mesh]
    images = []
    for index, layer in enumerate(avatar.layers):
        mesh["primitives"].append(_primitive(writer, layer, index))
        images.append(
            schema.LayerImages(
                float(layer.level),
                writer.add_image(layer.features, f"features {index}"),
                writer.add_image(layer.bases, f"bases {index}"),
            )
        )
    description = _description(writer, avatar, tuple(images))
    writer.document["extensions"] = {schema.NAME: schema.to_json(description)}
    if animation is not None:
        writer.document["animations"] = [animation_json(writer, animation, avatar, MESH_NODE, FIRST_JOINT_NODE)]
    return writer.to_bytes()


def _document() -> dict[str, Any]:
    return {
        "asset": {"version": "2.0", "generator": "Likeness"},
        "extensionsUsed": ["KHR_materials_unlit", schema.NAME],
        "scene": 0,
        "scenes": [{"name": "Likeness", "nodes": [MESH_NODE, RIG_NODE]}],
        "samplers": [{"magFilter": LINEAR, "minFilter": LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}],
        "textures": [],
        "materials": [],
    }


def _nodes(avatar: LayeredAvatar) -> list[dict[str, Any]]:
    """The mesh; the rig, which gives all joints a common root; and the joints, without rotation at rest."""
    rest = np.asarray(avatar.joints, np.float64)
    nodes: list[dict[str, Any]] = [{"name": "Likeness", "mesh": 0, "skin": 0}, {"name": "Likeness rig", "children": []}]
    for index, name in enumerate(JOINTS):
        parent = PARENTS[index]
        offset = rest[index] - (rest[parent] if parent >= 0 else 0)
        nodes.append({"name": name, "translation": offset.tolist()})
        owner = nodes[FIRST_JOINT_NODE + parent] if parent >= 0 else nodes[RIG_NODE]
        owner.setdefault("children", []).append(FIRST_JOINT_NODE + index)
    nodes.append({"name": AVATAR_JOINTS[-1], "translation": rest[0].tolist()})
    nodes[RIG_NODE]["children"].append(len(nodes) - 1)
    return nodes


def _skin(writer: GlbWriter, avatar: LayeredAvatar) -> dict[str, Any]:
    inverse_bind = np.tile(np.eye(4, dtype=FLOAT), (len(AVATAR_JOINTS), 1, 1))
    inverse_bind[:, :3, 3] = -np.concatenate([avatar.joints, avatar.joints[:1]])
    # glTF stores matrices column by column.
    stored = np.ascontiguousarray(inverse_bind.transpose(0, 2, 1))
    return {
        "name": "Likeness",
        "inverseBindMatrices": writer.add_array(stored, "MAT4"),
        "skeleton": RIG_NODE,
        "joints": list(range(FIRST_JOINT_NODE, FIRST_JOINT_NODE + len(AVATAR_JOINTS))),
    }


def _primitive(writer: GlbWriter, layer: Layer, index: int) -> dict[str, Any]:
    normals = vertex_normals(layer.positions, layer.faces, layer.weld)
    joints, weights = _influences(layer.skin_weights)
    # 65535 itself would restart the primitive.
    index_type = np.dtype("<u2") if len(layer.positions) < 1 << 16 else np.dtype("<u4")

    def vertex_array(values: npt.NDArray[Any], element: str, bounds: bool = False) -> int:
        return writer.add_array(values, element, target=VERTEX_BUFFER, bounds=bounds)

    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": vertex_array(np.asarray(layer.positions, FLOAT), "VEC3", True),
            "NORMAL": vertex_array(normals.astype(FLOAT), "VEC3"),
            "TEXCOORD_0": vertex_array(np.asarray(layer.uv, FLOAT), "VEC2"),
            "JOINTS_0": vertex_array(joints, "VEC4"),
            "WEIGHTS_0": vertex_array(weights, "VEC4"),
            "_WELD": vertex_array(np.asarray(layer.weld, FLOAT), "SCALAR"),
        },
        "indices": writer.add_array(layer.faces.astype(index_type).ravel(), "SCALAR", target=INDEX_BUFFER),
        "material": _material(writer, layer, index),
    }
    targets = [*layer.expression_targets, *layer.corrective_targets]
    if targets:
        primitive["targets"] = [{"POSITION": writer.add_displacements(target)} for target in targets]
    return primitive


def _influences(
    skin_weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Joint indices and weights (V, 4), heaviest first; unused places name joint 0, as glTF asks."""
    order = np.argsort(-skin_weights, axis=1, kind="stable")[:, :MOST_INFLUENCES]
    weights = np.take_along_axis(skin_weights, order, 1).astype(np.float64)
    sums = weights.sum(1, keepdims=True)
    # Rows that float32 cannot bring nearer to one stay as they are, so that reading and writing again changes nothing.
    weights = np.where(np.abs(sums - 1) > np.finfo(np.float32).eps, weights / sums, weights)
    return np.where(weights > 0, order, 0).astype(np.uint8), weights.astype(FLOAT)


def _material(writer: GlbWriter, layer: Layer, index: int) -> int:
    """An unlit material that shows the layer's preview."""
    name = f"layer {index}"
    image = writer.add_image(layer.preview, f"preview {index}")
    textures, materials = writer.document["textures"], writer.document["materials"]
    textures.append({"name": name, "sampler": 0, "source": image})
    materials.append(
        {
            "name": name,
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": len(textures) - 1},
                "metallicFactor": 0,
                "roughnessFactor": 1,
            },
            "alphaMode": "BLEND",
            "extensions": {"KHR_materials_unlit": {}},
        }
    )
    return len(materials) - 1


def _description(
    writer: GlbWriter, avatar: LayeredAvatar, layers: tuple[schema.LayerImages, ...]
) -> schema.Description:
    def tensors(arrays: tuple[npt.NDArray[np.float32], ...]) -> tuple[schema.Tensor, ...]:
        return tuple(
            schema.Tensor(writer.add_array(np.asarray(array, FLOAT).ravel(), "SCALAR"), np.shape(array))
            for array in arrays
        )

    decoder = avatar.decoder
    return schema.Description(
        head_name=avatar.head_name,
        mesh=0,
        skin=0,
        expression_names=avatar.expression_names,
        expression_range=tuple((float(low), float(high)) for low, high in avatar.expression_range),
        corrective_entries=tuple(int(entry) for entry in avatar.corrective_entries),
        tile_size=int(avatar.tile_size),
        gutter=int(avatar.gutter),
        atlas_columns=int(avatar.atlas_columns),
        layers=layers,
        basis_count=int(avatar.basis_count),
        feature_size=int(avatar.feature_size),
        hidden_size=int(decoder.hidden_size),
        weights=tensors(decoder.weights),
        biases=tensors(decoder.biases),
        slopes=tensors(decoder.slopes),
        report=avatar.report,
    )
