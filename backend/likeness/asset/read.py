"""Reading a layered avatar from a file that anyone may have made.

Nothing is returned before everything has been checked, and no memory is taken on the word of a number alone: vertex
counts must be covered by positions that the file stores, and everything else is measured against those.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import LikenessError
from ..rig import AVATAR_JOINTS, JOINTS, PARENTS
from . import invariants, schema
from .fields import Field
from .glb import FLOAT, UNSIGNED, Glb, open_glb
from .layered import Decoder, Layer, LayeredAvatar

TRIANGLES = 4
JOINT_TOLERANCE = 1e-5
"""Metres between a joint node and its inverse bind matrix: sums of float32 numbers written by other programs."""


def read_layered_avatar(path: Path) -> LayeredAvatar:
    """Read and check an avatar's file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    LayeredAvatar

    Raises
    ------
    LikenessError
        One sentence that names the file and the field: not a glTF binary, not an avatar, truncated, damaged, of
        another version, or anything that breaks a rule of :mod:`likeness.asset.invariants`.
    """
    try:
        return decode(open_glb(Path(path)))
    except LikenessError as problem:
        raise LikenessError(f"Cannot read {path}: {problem}.") from problem.__cause__


def decode(glb: Glb) -> LayeredAvatar:
    """The avatar that an opened glTF binary holds.

    Raises
    ------
    LikenessError
        As :func:`read_layered_avatar`, without the file's name.
    """
    extensions = glb.document.find("extensions")
    extension = extensions.find(schema.NAME) if extensions is not None else None
    if extension is None:
        raise LikenessError(
            f"it is a glTF file but not a Likeness avatar, for it lacks the extension {schema.NAME}; "
            "Blender's own importer can open it"
        )
    description = schema.from_json(extension)
    invariants.check_names(description.expression_names)
    mesh = glb.entry("meshes", extension.member("mesh"))
    _check_target_names(mesh, description)
    primitives = mesh.member("primitives").items(len(description.layers), len(description.layers))
    vertices = [glb.count(item.member("attributes").member("POSITION")) for item in primitives]
    for primitive, count in zip(primitives, vertices, strict=True):
        if count > invariants.MOST_VERTICES:
            raise LikenessError(f"{primitive.path} has {count} vertices, more than {invariants.MOST_VERTICES}")
    targets = len(description.expression_names) + len(description.corrective_entries)
    invariants.check_displacements(targets, vertices)
    places = extension.member("layers").items()
    avatar = LayeredAvatar(
        layers=_layers(glb, primitives, places, len(description.expression_names), targets),
        joints=_joints(glb, glb.entry("skins", extension.member("skin"))),
        expression_names=description.expression_names,
        expression_range=np.array(description.expression_range, np.float32).reshape(-1, 2),
        corrective_entries=np.array(description.corrective_entries, np.int32),
        decoder=_decoder(glb, extension.member("decoder"), description),
        basis_count=description.basis_count,
        feature_size=description.feature_size,
        tile_size=description.tile_size,
        gutter=description.gutter,
        atlas_columns=description.atlas_columns,
        head_name=description.head_name,
        report=description.report,
    )
    invariants.check_avatar(avatar)
    return avatar


def _layers(
    glb: Glb, primitives: list[Field], places: list[Field], expressions: int, targets: int
) -> tuple[Layer, ...]:
    """All layers; refused where they are made of the same bytes, for the file pays only once for what each keeps."""
    layers: list[Layer] = []
    taken = 0
    for primitive, place in zip(primitives, places, strict=True):
        layer = _layer(glb, primitive, place, expressions, targets)
        layers.append(layer)
        # An index takes at least a byte; what else a vertex has is bounded by its position.
        taken += len(layer.features) + len(layer.bases) + len(layer.preview) + layer.faces.size
        taken += FLOAT.itemsize * layer.positions.size
        if taken > len(glb.binary):
            raise LikenessError(
                f"{primitive.path} and the layers before it take {taken} bytes or more of its {len(glb.binary)}, "
                "but layers cannot share textures or meshes"
            )
    return tuple(layers)


def _check_target_names(mesh: Field, description: schema.Description) -> None:
    """The names that every glTF viewer shows must be those that the extension gives."""
    names = [
        *description.expression_names,
        *(invariants.corrective_name(entry) for entry in description.corrective_entries),
    ]
    if names:
        for item, name in zip(
            mesh.member("extras").member("targetNames").items(len(names), len(names)), names, strict=True
        ):
            item.must_be(name)


def _joints(glb: Glb, skin: Field) -> npt.NDArray[np.float32]:
    """Rest joints (5, 3): from the inverse bind matrices, which hold them exactly, checked against the nodes."""
    matrices = glb.array(skin.member("inverseBindMatrices"), "MAT4", count=len(AVATAR_JOINTS)).transpose(0, 2, 1)
    place = skin.member("inverseBindMatrices").path
    unmoved = matrices.copy()
    unmoved[:, :3, 3] = 0
    if (unmoved != np.eye(4)).any():
        raise LikenessError(f"{place} does more than move; avatars' joints have no rotation at rest")
    joints = (-matrices[:, :3, 3]).astype(np.float32) + np.float32(0)
    nodes = skin.member("joints").items(len(AVATAR_JOINTS), len(AVATAR_JOINTS))
    world = np.zeros((len(AVATAR_JOINTS), 3))
    for index, (item, name) in enumerate(zip(nodes, AVATAR_JOINTS, strict=True)):
        node = glb.entry("nodes", item)
        node.member("name").must_be(name)
        for turning in ("rotation", "scale", "matrix"):
            if node.find(turning) is not None:
                raise LikenessError(f"{node.path}.{turning} is there; avatars' joints have only a translation")
        world[index] = [component.number() for component in node.member("translation").items(3, 3)]
        parent = PARENTS[index] if index < len(JOINTS) else -1
        if parent >= 0:
            world[index] += world[parent]
        if np.abs(world[index] - joints[index]).max() > JOINT_TOLERANCE:
            raise LikenessError(f"{node.path} ({name}) does not rest where {place} says")
    if np.abs(joints[-1] - joints[0]).max() > JOINT_TOLERANCE:
        raise LikenessError(f"{place} has the joint {AVATAR_JOINTS[-1]} elsewhere than {AVATAR_JOINTS[0]}")
    return joints[: len(JOINTS)]


def _layer(glb: Glb, primitive: Field, place: Field, expressions: int, targets: int) -> Layer:
    mode = primitive.find("mode")
    if mode is not None:
        mode.must_be(TRIANGLES)
    attributes = primitive.member("attributes")
    # Without a demanded count the array has to be stored in full: this one pays for all that are measured by it.
    positions = glb.array(attributes.member("POSITION"), "VEC3")
    count = len(positions)
    indices = glb.array(primitive.member("indices"), "SCALAR", UNSIGNED)
    if len(indices) % 3:
        raise LikenessError(f"{primitive.path}.indices has {len(indices)} corners, not a multiple of 3")
    if indices.max() >= count:
        raise LikenessError(f"{primitive.path}.indices names vertex {int(indices.max())} of {count}")
    displacements = np.zeros((targets, count, 3), np.float32)
    if targets:
        for index, target in enumerate(primitive.member("targets").items(targets, targets)):
            displacements[index] = glb.array(target.member("POSITION"), "VEC3", count=count)
    return Layer(
        level=place.member("level").number(),
        positions=positions.astype(np.float32),
        faces=indices.astype(np.int32).reshape(-1, 3),
        uv=glb.array(attributes.member("TEXCOORD_0"), "VEC2", count=count).astype(np.float32),
        weld=_weld(glb, attributes.member("_WELD"), count),
        expression_targets=displacements[:expressions],
        corrective_targets=displacements[expressions:],
        skin_weights=_skin_weights(glb, attributes, count),
        features=bytes(glb.image(place.member("features"))),
        bases=bytes(glb.image(place.member("bases"))),
        preview=bytes(glb.image(_preview(glb, primitive))),
    )


def _weld(glb: Glb, index: Field, count: int) -> npt.NDArray[np.int32]:
    stored = glb.array(index, "SCALAR", (FLOAT, *UNSIGNED), count=count)
    if stored.min() < 0 or stored.max() >= count or (stored != np.floor(stored)).any():
        raise LikenessError(f"{index.path} holds something else than whole numbers from 0 to {count - 1}")
    return stored.astype(np.int32)


def _skin_weights(glb: Glb, attributes: Field, count: int) -> npt.NDArray[np.float32]:
    joints = glb.array(attributes.member("JOINTS_0"), "VEC4", UNSIGNED[:2], count=count).astype(np.int64)
    stored = glb.array(attributes.member("WEIGHTS_0"), "VEC4", count=count)
    if joints.max() >= len(AVATAR_JOINTS):
        raise LikenessError(f"{attributes.path}.JOINTS_0 names joint {int(joints.max())} of {len(AVATAR_JOINTS)}")
    if stored.min() < 0:
        raise LikenessError(f"{attributes.path}.WEIGHTS_0 holds a negative weight")
    weights = np.zeros((count, len(AVATAR_JOINTS)), np.float32)
    np.add.at(weights, (np.arange(count)[:, None], joints), stored)
    return weights


def _preview(glb: Glb, primitive: Field) -> Field:
    """The image that plain viewers show on a layer."""
    material = glb.entry("materials", primitive.member("material"))
    texture = material.member("pbrMetallicRoughness").member("baseColorTexture").member("index")
    return glb.entry("textures", texture).member("source")


def _decoder(glb: Glb, place: Field, description: schema.Description) -> Decoder:
    def arrays(member: str, tensors: tuple[schema.Tensor, ...]) -> list[npt.NDArray[np.float32]]:
        found = []
        for field, tensor in zip(place.member(member).items(), tensors, strict=True):
            size = int(np.prod(tensor.shape, dtype=np.int64))
            stored = glb.array(field.member("accessor"), "SCALAR")
            if len(stored) != size:
                raise LikenessError(f"{field.path}.shape asks for {size} numbers, but its accessor has {len(stored)}")
            found.append(stored.astype(np.float32).reshape(tensor.shape))
        return found

    first, second, third = arrays("weights", description.weights)
    biases = arrays("biases", description.biases)
    slopes = arrays("slopes", description.slopes)
    return Decoder(
        (first, second, third), (biases[0], biases[1], biases[2]), (slopes[0], slopes[1]), description.hidden_size
    )
