"""The appearance decoder as native nodes: exact in Eevee, in Cycles and where the add-on is not installed.

Per avatar: two groups evaluate a neuron from the small image that holds the frame's weights, one per input width; the
*hidden* group packs the decoder's inputs and evaluates the hidden neurons. Per layer: one group samples the layer's
textures and blends its bases by the softmax of the mixing neurons.

Two things look odd and must be so.

* **Texels are interpolated by hand**, from four lookups without interpolation. Eevee's own interpolation takes a
  coarser copy of the picture where it is seen small, in which tiles run into one another, and Cycles' interpolates
  sRGB values before it decodes them. By hand, both do what the run-time says: decode, then interpolate.
* **Everything hangs on one chain.** Cycles evaluates a node as early as its inputs allow and keeps the result until
  its last use, so lookups at constant places would all be done first and exhaust its stack. Each lookup's place
  therefore takes its third coordinate, which flat projection ignores, from the result that ought to come before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from ..backend.likeness.asset.layered import Decoder, LayeredAvatar
from ..backend.likeness.runtime.decode import spatial_network
from .graph import Graph

CONSTANT_ONE = 1.0


@dataclass(frozen=True)
class DecoderShape:
    """Sizes that decide what the node trees look like; names as in :class:`likeness.asset.layered.LayeredAvatar`."""

    feature_size: int
    hidden_size: int
    basis_count: int
    tile_size: int
    gutter: int
    atlas_columns: int

    @classmethod
    def of(cls, avatar: LayeredAvatar) -> DecoderShape:
        """The shape of an avatar's decoder."""
        return cls(
            avatar.feature_size,
            avatar.decoder.hidden_size,
            avatar.basis_count,
            avatar.tile_size,
            avatar.gutter,
            avatar.atlas_columns,
        )

    @property
    def tile_stride(self) -> int:
        """Texels from one tile to the next."""
        return self.tile_size + 2 * self.gutter

    @property
    def input_vectors(self) -> int:
        """Vectors that hold a hidden neuron's inputs: features, normal, direction and a one for the bias."""
        return -(-(self.feature_size + 7) // 3)

    @property
    def hidden_vectors(self) -> int:
        """Vectors that hold a mixing neuron's inputs: the hidden neurons and a one for the bias."""
        return -(-(self.hidden_size + 1) // 3)

    @property
    def weights_size(self) -> tuple[int, int]:
        """Width and height of the weights image: three weights per texel, one row per neuron, hidden ones first."""
        return max(self.input_vectors, self.hidden_vectors), self.hidden_size + self.basis_count

    def rows(self, decoder: Decoder, conditions: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """What belongs into the weights image in a frame.

        Parameters
        ----------
        decoder : Decoder
        conditions : (9 + E,)
            :attr:`likeness.rig.Pose.decoder_input`.

        Returns
        -------
        (H + B, 3 * width) float32
            A neuron's weights and bias per row, padded with zeros.
        """
        network = spatial_network(decoder, np.asarray(conditions, np.float32), self.basis_count, self.feature_size)
        width, height = self.weights_size
        rows = np.zeros((height, 3 * width), np.float32)
        hidden, mixing = rows[: self.hidden_size], rows[self.hidden_size :]
        for part, weights, biases in (
            (hidden, network.hidden_weights, network.hidden_biases),
            (mixing, network.output_weights, network.output_biases),
        ):
            part[:, : weights.shape[1]], part[:, weights.shape[1]] = weights, biases
        return rows


@dataclass(frozen=True)
class DecoderGroups:
    """The node groups that all layers of an avatar share."""

    shape: DecoderShape
    bilinear: bpy.types.NodeTree
    hidden_neuron: bpy.types.NodeTree
    mixing_neuron: bpy.types.NodeTree
    hidden: bpy.types.NodeTree


def build_decoder(name: str, shape: DecoderShape, weights: bpy.types.Image) -> DecoderGroups:
    """Build the groups that an avatar's layers share.

    Parameters
    ----------
    name : str
        The avatar's, for the groups' names.
    shape : DecoderShape
    weights : bpy.types.Image
        Holds the spatial network's weights as :attr:`DecoderShape.weights_size` says.
    """
    hidden_neuron = _build_neuron(f"{name} Hidden Neuron", shape, weights, shape.input_vectors)
    mixing_neuron = _build_neuron(f"{name} Mixing Neuron", shape, weights, shape.hidden_vectors)
    bilinear = _build_bilinear(f"{name} Bilinear", shape)
    return DecoderGroups(shape, bilinear, hidden_neuron, mixing_neuron, _build_hidden(name, shape, hidden_neuron))


def build_layer(
    name: str, groups: DecoderGroups, features: bpy.types.Image, bases: bpy.types.Image
) -> bpy.types.NodeTree:
    """Build the group that gives a layer's ``Color`` and ``Alpha``.

    Parameters
    ----------
    name : str
        Name of the group.
    groups : DecoderGroups
    features : bpy.types.Image
        Position-feature tiles side by side, linear.
    bases : bpy.types.Image
        Basis atlas.
    """
    shape = groups.shape
    feature_texel = _build_texel(f"{name} Feature", shape, features)
    basis_texel = _build_texel(f"{name} Basis", shape, bases)
    graph = Graph.group(name, {}, {"Color": "Color", "Alpha": "Float"})
    uv = graph.node("ShaderNodeUVMap", {}).outputs["UV"]
    place = graph.call(groups.bilinear, {"UV": uv})

    feature_sockets = {}
    order: Any = 0.0
    for tile in range(shape.feature_size // 4):
        offset = graph.combine(*_tile_offset(shape, features, tile, 0), order)
        texel = graph.call(feature_texel, {**place, "Offset": offset})
        feature_sockets[f"Feature {tile + 1}"] = texel["Color"]
        feature_sockets[f"Feature Alpha {tile + 1}"] = order = texel["Alpha"]
    hidden = graph.call(groups.hidden, feature_sockets)
    order = hidden.pop("After")

    # Softmax in one pass: e^(z - greatest so far), and what is summed already shrinks when a greater z comes along.
    greatest: Any = None
    color: Any = None
    alpha: Any = None
    total: Any = None
    for basis in range(shape.basis_count):
        row = (shape.hidden_size + basis + 0.5) / shape.weights_size[1]
        logit = graph.call(groups.mixing_neuron, {**hidden, "Row": row, "After": order})["Sum"]
        tile_offset = _tile_offset(shape, bases, basis % shape.atlas_columns, basis // shape.atlas_columns)
        texel = graph.call(basis_texel, {**place, "Offset": graph.combine(*tile_offset, logit)})
        if total is None:
            greatest, color, alpha, total = logit, texel["Color"], texel["Alpha"], CONSTANT_ONE
        else:
            previous, greatest = greatest, graph.math("MAXIMUM", greatest, logit)
            shrink = graph.math("EXPONENT", graph.math("SUBTRACT", previous, greatest))
            weight = graph.math("EXPONENT", graph.math("SUBTRACT", logit, greatest))
            total = graph.math("MULTIPLY_ADD", total, shrink, weight)
            alpha = graph.math("MULTIPLY_ADD", alpha, shrink, graph.math("MULTIPLY", texel["Alpha"], weight))
            weighted = graph.vector("MULTIPLY", texel["Color"], weight)
            color = graph.vector("MULTIPLY_ADD", color, shrink, weighted)
        # Alpha is ready long before colour; the next basis waits for both.
        order = graph.vector("DOT_PRODUCT", color, (1.0, 0.0, 0.0))
    graph.outputs(
        Color=graph.vector("DIVIDE", color, graph.combine(total, total, total)),
        Alpha=graph.math("DIVIDE", alpha, total),
    )
    return graph.tree


def _tile_offset(shape: DecoderShape, image: bpy.types.Image, column: int, row: int) -> tuple[float, float]:
    """Where a tile's inside begins, from the picture's bottom left, 0..1; rows count from the top."""
    width, height = image.size
    return (
        (column * shape.tile_stride + shape.gutter) / width,
        (height - (row + 1) * shape.tile_stride + shape.gutter) / height,
    )


def _build_neuron(name: str, shape: DecoderShape, weights: bpy.types.Image, vectors: int) -> bpy.types.NodeTree:
    """Dot product of packed inputs with one row of the weights image."""
    inputs = {f"Input {index + 1}": "Vector" for index in range(vectors)}
    graph = Graph.group(name, {**inputs, "Row": "Float", "After": "Float"}, {"Sum": "Float"})
    given = graph.inputs()
    total: Any = None
    for column in range(vectors):
        place = graph.combine((column + 0.5) / shape.weights_size[0], given["Row"], given["After"])
        product = graph.vector("DOT_PRODUCT", given[f"Input {column + 1}"], graph.texel(weights, place)[0])
        total = product if total is None else graph.math("ADD", total, product)
    graph.outputs(Sum=total)
    return graph.tree


def _build_hidden(name: str, shape: DecoderShape, neuron: bpy.types.NodeTree) -> bpy.types.NodeTree:
    """Pack features, normal and direction, evaluate the hidden neurons, pack them with a one for the bias."""
    tiles = range(shape.feature_size // 4)
    inputs = {}
    for tile in tiles:
        inputs |= {f"Feature {tile + 1}": "Vector", f"Feature Alpha {tile + 1}": "Float"}
    outputs = {f"Input {index + 1}": "Vector" for index in range(shape.hidden_vectors)}
    graph = Graph.group(f"{name} Hidden", inputs, {**outputs, "After": "Float"})
    given = graph.inputs()
    numbers: list[Any] = []
    for tile in tiles:
        numbers += [*graph.separate(given[f"Feature {tile + 1}"]), given[f"Feature Alpha {tile + 1}"]]
    geometry = graph.node("ShaderNodeNewGeometry", {}).outputs
    numbers += graph.separate(_in_camera_space(graph, geometry["Normal"], 1.0))
    # Incoming points from the surface to the viewer; the decoder wants the way that light is looked along.
    numbers += graph.separate(_in_camera_space(graph, geometry["Incoming"], -1.0))
    packed = _pack(graph, [*numbers, CONSTANT_ONE])
    order: Any = 0.0
    hidden: list[Any] = []
    for index in range(shape.hidden_size):
        row = (index + 0.5) / shape.weights_size[1]
        inputs = {f"Input {number + 1}": vector for number, vector in enumerate(packed)}
        order = graph.call(neuron, {**inputs, "Row": row, "After": order})["Sum"]
        hidden.append(graph.math("MAXIMUM", order, 0.0))
    vectors = _pack(graph, [*hidden, CONSTANT_ONE])
    graph.outputs(After=order, **{f"Input_{number + 1}": vector for number, vector in enumerate(vectors)})
    return graph.tree


def _in_camera_space(graph: Graph, vector: Any, sign: float) -> Any:
    """A world-space direction in OpenGL's camera space, unit length; shaders' own has Z pointing away."""
    turned = graph.node(
        "ShaderNodeVectorTransform", {"Vector": vector}, vector_type="VECTOR", convert_from="WORLD", convert_to="CAMERA"
    )
    return graph.vector("NORMALIZE", graph.vector("MULTIPLY", turned.outputs[0], (sign, sign, -sign)))


def _pack(graph: Graph, numbers: list[Any]) -> list[Any]:
    return [graph.combine(*numbers[start : start + 3]) for start in range(0, len(numbers), 3)]


def _build_bilinear(name: str, shape: DecoderShape) -> bpy.types.NodeTree:
    """The four texels around a place in a tile: index of the lower left one, and what each of them counts."""
    weights = {f"Weight {index + 1}": "Float" for index in range(4)}
    graph = Graph.group(name, {"UV": "Vector"}, {"Texel": "Vector", **weights})
    size = float(shape.tile_size)
    x, y, _ = graph.separate(graph.inputs()["UV"])
    x, y = (graph.math("MULTIPLY_ADD", number, size, -0.5) for number in (x, y))
    # Beyond a tile, its outermost texels repeat.
    least, most = float(-shape.gutter), float(shape.tile_size + shape.gutter - 1)
    x, y = (graph.math("MINIMUM", graph.math("MAXIMUM", number, least), most) for number in (x, y))
    right, up = (graph.math("SUBTRACT", number, graph.math("FLOOR", number)) for number in (x, y))
    left, down = (graph.math("SUBTRACT", 1.0, number) for number in (right, up))
    corner = graph.combine(*(graph.math("ADD", graph.math("FLOOR", number), 0.5) for number in (x, y)))
    graph.outputs(
        Texel=corner,
        Weight_1=graph.math("MULTIPLY", left, down),
        Weight_2=graph.math("MULTIPLY", right, down),
        Weight_3=graph.math("MULTIPLY", left, up),
        Weight_4=graph.math("MULTIPLY", right, up),
    )
    return graph.tree


def _build_texel(name: str, shape: DecoderShape, image: bpy.types.Image) -> bpy.types.NodeTree:
    """Interpolated colour and alpha of one tile of a picture."""
    width, height = image.size
    weights = {f"Weight {index + 1}": "Float" for index in range(4)}
    graph = Graph.group(name, {"Texel": "Vector", **weights, "Offset": "Vector"}, {"Color": "Vector", "Alpha": "Float"})
    given = graph.inputs()
    corner = graph.vector("MULTIPLY_ADD", given["Texel"], (1 / width, 1 / height, 0.0), given["Offset"])
    color: Any = None
    alpha: Any = None
    for index, step in enumerate(((0.0, 0.0), (1 / width, 0.0), (0.0, 1 / height), (1 / width, 1 / height))):
        place = graph.vector("ADD", corner, (*step, 0.0)) if index else corner
        texel_color, texel_alpha = graph.texel(image, place)
        weight = given[f"Weight {index + 1}"]
        if color is None:
            color = graph.vector("MULTIPLY", texel_color, weight)
            alpha = graph.math("MULTIPLY", texel_alpha, weight)
        else:
            color = graph.vector("MULTIPLY_ADD", texel_color, weight, color)
            alpha = graph.math("MULTIPLY_ADD", texel_alpha, weight, alpha)
    graph.outputs(Color=color, Alpha=alpha)
    return graph.tree
