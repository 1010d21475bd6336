"""Materials, as Cycles node graphs: skin and mouth, eyes, hair, cloth. Runs under bpy."""

from __future__ import annotations

import math

import bpy

Socket = bpy.types.NodeSocket
Colour = tuple[float, float, float]

_PUPIL_RIM = 9.5
"""Degrees between the optical axis and the pupil's rim."""


def skin(nostril: tuple[float, ...]) -> bpy.types.Material:
    """Skin, mouth and teeth: colours from the vertices, with blotches and fine relief fixed to the skin.

    The left nostril's place at rest, metres, is where shade is painted, on both sides: heads without nasal cavities
    would look as if cast in plaster.
    """
    graph = _Graph("skin")
    colour = graph.attribute("base_colour")
    rest = graph.attribute("rest", "Vector")
    blotches = graph.noise(rest, 70.0, 4.0)
    pores = graph.noise(rest, 700.0, 2.0)
    shade = graph.ramp(blotches, [(0.3, (0.86, 0.84, 0.83)), (0.7, (1.08, 1.1, 1.1))])
    painted = graph.mix("MULTIPLY", colour, shade)
    axes = graph.node("ShaderNodeSeparateXYZ", Vector=rest)
    mirrored = graph.node(
        "ShaderNodeCombineXYZ", X=graph.math("ABSOLUTE", axes.outputs["X"]), Y=axes.outputs["Y"], Z=axes.outputs["Z"]
    )
    distance = graph.node("ShaderNodeVectorMath", operation="DISTANCE")
    graph.link(mirrored.outputs["Vector"], distance.inputs[0])
    distance.inputs[1].default_value = nostril
    away = graph.math("MULTIPLY", distance.outputs["Value"], 100.0)
    hollow = graph.ramp(away, [(0.17, (0.12, 0.045, 0.035)), (0.36, (1.0, 1.0, 1.0))])
    painted = graph.mix("MULTIPLY", painted, hollow)
    bump = graph.node("ShaderNodeBump", Strength=0.12, Distance=0.0006, Height=pores)
    graph.surface(
        Base_Color=painted,
        Roughness=graph.attribute("roughness", "Fac"),
        Subsurface_Weight=0.18,
        Subsurface_Radius=(1.0, 0.36, 0.2),
        Subsurface_Scale=0.006,
        Specular_IOR_Level=0.4,
        Normal=bump.outputs["Normal"],
    )
    return graph.material


def eyes(iris_rim: float) -> bpy.types.Material:
    """Wet eyeballs: pupil, iris and sclera painted by the angle from the optical axis; the iris' rim in degrees."""
    graph = _Graph("eyes")
    direction = graph.node("ShaderNodeVectorMath", operation="NORMALIZE")
    graph.link(graph.attribute("eye_direction", "Vector"), direction.inputs[0])
    axes = graph.node("ShaderNodeSeparateXYZ", Vector=direction.outputs["Vector"])
    angle = graph.math("MULTIPLY", graph.math("ARCCOSINE", axes.outputs["Z"]), 2.0 / math.pi)
    around = graph.math("ARCTAN2", axes.outputs["Y"], axes.outputs["X"])
    streaks = graph.noise(
        graph.combine(graph.math("MULTIPLY", around, 6.0), graph.math("MULTIPLY", angle, 6.0)), 1.0, 3.0
    )
    rim, pupil = iris_rim / 90, _PUPIL_RIM / 90
    painted = graph.ramp(
        angle,
        [
            (pupil - 0.008, (0.004, 0.004, 0.004)),
            (pupil + 0.008, (0.20, 0.095, 0.035)),
            (0.65 * rim, (0.115, 0.05, 0.02)),
            (rim - 0.03, (0.045, 0.022, 0.012)),
            (rim - 0.008, (0.02, 0.013, 0.01)),
            (rim + 0.016, (0.6, 0.55, 0.52)),
            (0.6, (0.6, 0.51, 0.47)),
            (0.85, (0.55, 0.3, 0.26)),
        ],
    )
    contrast = graph.ramp(streaks, [(0.3, (0.6, 0.6, 0.6)), (0.7, (1.35, 1.35, 1.35))])
    in_iris = graph.math("LESS_THAN", angle, rim)
    graph.surface(
        Base_Color=graph.mix("MULTIPLY", painted, contrast, in_iris),
        Roughness=0.35,
        Specular_IOR_Level=0.3,
        Coat_Weight=1.0,
        Coat_Roughness=0.03,
        Coat_IOR=1.376,
    )
    return graph.material


def hair(name: str, melanin: float, redness: float) -> bpy.types.Material:
    """Hair whose colour varies from strand to strand."""
    graph = _Graph(name)
    strand = graph.node("ShaderNodeBsdfHairPrincipled")
    strand.parametrization = "MELANIN"
    values = {
        "Melanin": melanin, "Melanin Redness": redness, "Roughness": 0.5, "Radial Roughness": 0.5,
        "Random Color": 0.15, "Random Roughness": 0.2,
        # Less than keratin's 1.55: lamps behind the head would turn the hair along the parting white.
        "IOR": 1.35,
    }  # fmt: skip
    for socket, value in values.items():
        strand.inputs[socket].default_value = value
    graph.link(strand.outputs["BSDF"], graph.output.inputs["Surface"])
    return graph.material


def cloth(colour: Colour) -> bpy.types.Material:
    """Knitted cotton; the collar is ribbed."""
    graph = _Graph("cloth")
    rest = graph.attribute("rest", "Vector")
    axes = graph.node("ShaderNodeSeparateXYZ", Vector=rest)
    around = graph.math("ARCTAN2", axes.outputs["X"], axes.outputs["Z"])
    ribs = graph.math("SINE", graph.math("MULTIPLY", around, 130.0))
    ribs = graph.math("MULTIPLY", ribs, graph.attribute("collar", "Fac"))
    weave = graph.noise(rest, 500.0, 2.0)
    height = graph.math("ADD", graph.math("MULTIPLY", ribs, 0.8), weave)
    bump = graph.node("ShaderNodeBump", Strength=0.35, Distance=0.0008, Height=height)
    shade = graph.ramp(graph.noise(rest, 45.0, 3.0), [(0.3, (0.85, 0.85, 0.85)), (0.7, (1.1, 1.1, 1.1))])
    base = graph.node("ShaderNodeRGB")
    base.outputs[0].default_value = (*colour, 1.0)
    graph.surface(
        Base_Color=graph.mix("MULTIPLY", base.outputs[0], shade),
        Roughness=0.85,
        Specular_IOR_Level=0.2,
        Sheen_Weight=0.25,
        Sheen_Roughness=0.5,
        Normal=bump.outputs["Normal"],
    )
    return graph.material


class _Graph:
    """A material's node tree, with short ways to say what is used here."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        self.output = self.tree.nodes.new("ShaderNodeOutputMaterial")

    def link(self, start: Socket, end: Socket) -> None:
        self.tree.links.new(start, end)

    def node(self, kind: str, operation: str | None = None, **inputs: object) -> bpy.types.Node:
        """A node; inputs are linked or set, underscores in their names stand for spaces."""
        node = self.tree.nodes.new(kind)
        if operation:
            node.operation = operation
        for name, value in inputs.items():
            socket = node.inputs[name.replace("_", " ")]
            if isinstance(value, bpy.types.NodeSocket):
                self.link(value, socket)
            else:
                socket.default_value = value
        return node

    def attribute(self, name: str, output: str = "Color") -> Socket:
        node = self.tree.nodes.new("ShaderNodeAttribute")
        node.attribute_name = name
        return node.outputs[output]

    def math(self, operation: str, first: Socket, second: Socket | float = 0.0) -> Socket:
        node = self.node("ShaderNodeMath", operation)
        for value, socket in zip((first, second), node.inputs, strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                self.link(value, socket)
            else:
                socket.default_value = value
        return node.outputs[0]

    def combine(self, x: Socket, y: Socket) -> Socket:
        return self.node("ShaderNodeCombineXYZ", X=x, Y=y).outputs["Vector"]

    def noise(self, place: Socket, scale: float, detail: float) -> Socket:
        return self.node("ShaderNodeTexNoise", Vector=place, Scale=scale, Detail=detail).outputs[0]

    def ramp(self, value: Socket, stops: list[tuple[float, Colour]]) -> Socket:
        node = self.node("ShaderNodeValToRGB", Fac=value)
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(1.0)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1.0)
        return node.outputs["Color"]

    def mix(self, blend: str, first: Socket, second: Socket, share: Socket | float = 1.0) -> Socket:
        node = self.tree.nodes.new("ShaderNodeMix")
        node.data_type, node.blend_type = "RGBA", blend
        if isinstance(share, bpy.types.NodeSocket):
            self.link(share, node.inputs[0])
        else:
            node.inputs[0].default_value = share
        self.link(first, node.inputs[6])
        self.link(second, node.inputs[7])
        return node.outputs[2]

    def surface(self, **inputs: object) -> None:
        node = self.node("ShaderNodeBsdfPrincipled", **inputs)
        self.link(node.outputs["BSDF"], self.output.inputs["Surface"])
