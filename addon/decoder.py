"""The decoder's global network inside a .blend file: kept with the armature, evaluated once per frame by NumPy.

The armature carries the network as custom properties, so that a saved file plays without the avatar's .glb file.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import bpy
import numpy as np
import numpy.typing as npt

from ..backend.likeness.asset.layered import Decoder, LayeredAvatar
from .armature import PROPERTY
from .decoder_graph import DecoderGroups, DecoderShape

Array = npt.NDArray[np.float32]

WEIGHTS_IMAGES = ("weights_image", "other_weights_image")
"""Where :data:`PROPERTY` points to the images that weights are written to, in turns."""

NEURON_GROUPS = ("hidden_neuron", "mixing_neuron")
"""Where :data:`PROPERTY` points to the node groups that read them."""

_LINEAR_STEPS = 3


def store_decoder(
    armature: bpy.types.Armature,
    avatar: LayeredAvatar,
    groups: DecoderGroups,
    images: tuple[bpy.types.Image, bpy.types.Image],
) -> None:
    """Keep an avatar's decoder with its armature.

    Parameters
    ----------
    armature : bpy.types.Armature
    avatar : LayeredAvatar
    groups : DecoderGroups
        Node groups that read the weights.
    images : two of bpy.types.Image
        Where weights are written to.
    """
    armature[PROPERTY] = {
        "version": 1,
        "head": avatar.head_name,
        "layers": len(avatar.layers),
        "expression_names": list(avatar.expression_names),
        "shape": asdict(groups.shape),
        "report": json.dumps(avatar.report),
    }
    stored = armature[PROPERTY]
    for name, image in zip(WEIGHTS_IMAGES, images, strict=True):
        stored[name] = image
    for name in NEURON_GROUPS:
        stored[name] = getattr(groups, name)
    decoder = avatar.decoder
    for kind, arrays in (("weights", decoder.weights), ("biases", decoder.biases), ("slopes", decoder.slopes)):
        for index, array in enumerate(arrays):
            stored[f"{kind}_{index}"] = np.ascontiguousarray(array, np.float32).ravel()


def load_decoder(armature: bpy.types.Armature) -> tuple[Decoder, DecoderShape]:
    """The decoder that an avatar's armature carries, and its shape."""
    stored = armature[PROPERTY]

    def array(name: str) -> Array:
        return np.asarray(memoryview(stored[name]))

    biases = tuple(array(f"biases_{index}") for index in range(_LINEAR_STEPS))
    weights = tuple(array(f"weights_{index}").reshape(len(bias), -1) for index, bias in enumerate(biases))
    slopes = tuple(array(f"slopes_{index}") for index in range(_LINEAR_STEPS - 1))
    shape = DecoderShape(**stored["shape"].to_dict())
    return Decoder(weights, biases, slopes, shape.hidden_size), shape  # type: ignore[arg-type]


def is_avatar(thing: bpy.types.Object | None) -> bool:
    """Whether an object is the armature of an imported avatar."""
    return thing is not None and thing.type == "ARMATURE" and PROPERTY in thing.data
