"""The decoder's global network inside a .blend file: kept with the armature, evaluated once per frame by NumPy.

The armature carries the network as custom properties, so that a saved file plays without the avatar's .glb file and on
a machine where the add-on is installed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from .decoder_graph import DecoderShape

Array = npt.NDArray[np.float32]

PROPERTY = "likeness"
"""Custom property of an avatar's armature data: everything that the add-on has to remember."""

STORED_ARRAYS = 3


@dataclass(frozen=True)
class StoredDecoder:
    """The global network and the shape of what it gives.

    Attributes
    ----------
    weights : tuple of (out, in) float32
    biases : tuple of (out,) float32
    slopes : tuple of (out,) float32
        PReLU's, one array less than there are weights.
    shape : DecoderShape
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    slopes: tuple[Array, ...]
    shape: DecoderShape

    def rows(self, conditions: Array) -> Array:
        """Contents of the weights image.

        Parameters
        ----------
        conditions : (9 + E,) float32
            :attr:`likeness.rig.Pose.decoder_input`.

        Returns
        -------
        (H + B, 3 * width) float32
            A neuron's weights and bias per row, padded with zeros.
        """
        values = conditions
        for weight, bias, slope in zip(self.weights, self.biases, self.slopes, strict=False):
            values = weight @ values + bias
            values = np.where(values < 0, slope * values, values)
        values = self.weights[-1] @ values + self.biases[-1]
        hidden, bases, inputs = self.shape.hidden_size, self.shape.basis_count, self.shape.feature_size + 6
        first, first_bias, second, second_bias = np.split(values, np.cumsum([hidden * inputs, hidden, bases * hidden]))
        width, height = self.shape.weights_size
        rows = np.zeros((height, 3 * width), np.float32)
        rows[:hidden, :inputs], rows[:hidden, inputs] = first.reshape(hidden, inputs), first_bias
        rows[hidden:, :hidden], rows[hidden:, hidden] = second.reshape(bases, hidden), second_bias
        return rows


def store_decoder(armature: bpy.types.Armature, avatar: Any, weights: bpy.types.Image) -> None:
    """Keep an avatar's decoder with its armature.

    Parameters
    ----------
    armature : bpy.types.Armature
    avatar : LayeredAvatar
    weights : bpy.types.Image
        The image that :meth:`StoredDecoder.rows` go to.
    """
    shape = DecoderShape.of(avatar)
    armature[PROPERTY] = {
        "version": 1,
        "expression_names": list(avatar.expression_names),
        "shape": vars(shape),
        "head": avatar.head_name,
        "layers": len(avatar.layers),
    }
    group = armature[PROPERTY]
    group["weights_image"] = weights
    for index in range(STORED_ARRAYS):
        group[f"weight_{index}"] = avatar.decoder.weights[index].ravel().tolist()
        group[f"bias_{index}"] = avatar.decoder.biases[index].tolist()
    for index in range(STORED_ARRAYS - 1):
        group[f"slope_{index}"] = avatar.decoder.slopes[index].tolist()


def load_decoder(armature: bpy.types.Armature) -> StoredDecoder:
    """The decoder that an avatar's armature carries."""
    group = armature[PROPERTY]

    def array(name: str) -> Array:
        return np.array(group[name].to_list(), np.float32)

    biases = tuple(array(f"bias_{index}") for index in range(STORED_ARRAYS))
    weights = tuple(array(f"weight_{index}").reshape(len(bias), -1) for index, bias in enumerate(biases))
    slopes = tuple(array(f"slope_{index}") for index in range(STORED_ARRAYS - 1))
    return StoredDecoder(weights, biases, slopes, DecoderShape(**group["shape"].to_dict()))


def is_avatar(thing: bpy.types.Object | None) -> bool:
    """Whether an object is the armature of an imported avatar."""
    return thing is not None and thing.type == "ARMATURE" and PROPERTY in thing.data
