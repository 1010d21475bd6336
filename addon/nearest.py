"""Showing Cycles which surface of each layer is the nearest to the camera.

Eevee and the run-time draw of each layer only the nearest surface. Cycles shows all surfaces along a ray, such as the
hair on the far side through the loose hair on the near one. A material cannot ask what a ray has met, so a modifier
does: it looks from the camera at every vertex and notes whether the vertex's own layer is in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import bpy
import numpy as np
from rna_prop_ui import rna_idprop_ui_create

from .graph import Graph, Value

NEAREST_ONLY = "nearest_surface_only"
"""Custom property of the mesh object that turns this on."""

COVERED = "covered_by_own_layer"
"""Attribute of vertices: 1 where their own layer lies between them and the camera."""

SUBDIVISIONS = 2
"""How often triangles are halved that are covered in part: their outline must not lie a whole triangle off."""

_NORMAL = "normal_of_whole"

CLEARANCE = 5e-4
"""A ray ends so far before the vertex that it is sent to, so as not to meet the vertex's own triangles, metres."""


def add_nearest_only(mesh: bpy.types.Object, levels: Sequence[float]) -> None:
    """Give an avatar's mesh the switch that makes Cycles draw of each layer only the surface nearest to the camera.

    The modifier that the switch turns on costs time in every frame, so it is off at first.

    Parameters
    ----------
    mesh : bpy.types.Object
        Its modifiers so far move it; its material slots are the layers.
    levels : sequence of float
        Level of each layer. The head mesh, level zero, is left out: its skin is all but opaque, and its teeth are seen
        through an opening between the lips that is narrower than their triangles.
    """
    rna_idprop_ui_create(
        mesh,
        NEAREST_ONLY,
        default=False,
        description="In Cycles, draw only the nearest surface of each layer, as Eevee does. "
        "For scenes with nothing transparent in front of the avatar",
        overridable=True,
    )
    modifier = mesh.modifiers.new("Nearest Surface", "NODES")
    modifier.node_group = _covered_group(f"{mesh.name} Nearest Surface", np.flatnonzero(levels))
    for shown in ("show_viewport", "show_render"):
        driver = modifier.driver_add(shown).driver
        driver.type = "SUM"
        asked = driver.variables.new()
        asked.targets[0].id = mesh
        asked.targets[0].data_path = f'["{NEAREST_ONLY}"]'


def hidden_by_own_layer(graph: Graph, outer_layers: int) -> bpy.types.NodeSocket:
    """Whether what a material shades is not its layer's nearest surface, 0 or 1, in a material's node tree.

    A ray that has met nothing but the outer layers, once each, meets this layer for the first time; so the attribute,
    which is only known at vertices, need not be exact at outlines.
    """
    path = graph.node("ShaderNodeLightPath", {})
    again = graph.math("GREATER_THAN", path.outputs["Transparent Depth"], outer_layers + 0.5)
    attribute = graph.node("ShaderNodeAttribute", {}, attribute_type="GEOMETRY", attribute_name=COVERED)
    covered = graph.math("GREATER_THAN", attribute.outputs["Fac"], 0.5)
    return graph.math("MULTIPLY", graph.math("MULTIPLY", again, covered), path.outputs["Is Camera Ray"])


def _covered_group(name: str, slots: Iterable[int]) -> bpy.types.NodeTree:
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    graph = Graph(tree)
    geometry = graph.inputs()["Geometry"]
    covered = _covered(graph, geometry, slots)
    noted = _stored(graph, geometry, COVERED, "FLOAT", covered)
    noted = _stored(graph, noted, _NORMAL, "FLOAT_VECTOR", graph.node("GeometryNodeInputNormal", {}).outputs[0])
    share = _stored_value(graph, COVERED, "FLOAT")
    mixed = graph.math("GREATER_THAN", graph.math("MULTIPLY", share, graph.math("SUBTRACT", 1.0, share)), 1e-4)
    parts = graph.node("GeometryNodeSeparateGeometry", {"Geometry": noted, "Selection": mixed}, domain="FACE")
    fine = graph.node("GeometryNodeSubdivideMesh", {"Mesh": parts.outputs["Selection"], "Level": SUBDIVISIONS})
    fine = _stored(graph, fine.outputs[0], COVERED, "FLOAT", covered)
    joined = graph.node("GeometryNodeJoinGeometry", {"Geometry": parts.outputs["Inverted"]})
    graph.tree.links.new(fine, joined.inputs["Geometry"])
    # What was cut apart keeps the normals of the whole.
    normal = _stored_value(graph, _NORMAL, "FLOAT_VECTOR")
    whole = graph.node("GeometryNodeSetMeshNormal", {"Mesh": joined.outputs[0]}, mode="FREE", domain="POINT")
    graph.tree.links.new(normal, whole.inputs["Custom Normal"])
    graph.outputs(Geometry=whole.outputs[0])
    return tree


def _covered(graph: Graph, geometry: bpy.types.NodeSocket, slots: Iterable[int]) -> Value:
    """For whichever point it is evaluated at: 1 where the point's own layer lies between it and the camera."""
    camera = graph.node("GeometryNodeInputActiveCamera", {}).outputs[0]
    eye = graph.node("GeometryNodeObjectInfo", {"Object": camera}, transform_space="RELATIVE").outputs["Location"]
    towards = graph.vector("SUBTRACT", graph.node("GeometryNodeInputPosition", {}).outputs[0], eye)
    length = graph.math("SUBTRACT", graph.vector("LENGTH", towards), CLEARANCE)
    slot = graph.node("GeometryNodeInputMaterialIndex", {}).outputs[0]
    covered: Value = 0.0
    for layer in slots:
        own = graph.math("COMPARE", slot, float(layer), 0.5)
        part = graph.node("GeometryNodeSeparateGeometry", {"Geometry": geometry, "Selection": own}, domain="FACE")
        target = {"Target Geometry": part.outputs["Selection"]}
        ray = {"Source Position": eye, "Ray Direction": towards, "Ray Length": length}
        met = graph.node("GeometryNodeRaycast", {**target, **ray}).outputs["Is Hit"]
        covered = graph.math("ADD", covered, graph.math("MULTIPLY", own, met))
    return covered


def _stored(graph: Graph, geometry: bpy.types.NodeSocket, name: str, kind: str, value: Value) -> bpy.types.NodeSocket:
    inputs: dict[str | int, Value] = {"Geometry": geometry, "Name": name, "Value": value}
    return graph.node("GeometryNodeStoreNamedAttribute", inputs, data_type=kind, domain="POINT").outputs[0]


def _stored_value(graph: Graph, name: str, kind: str) -> bpy.types.NodeSocket:
    return graph.node("GeometryNodeInputNamedAttribute", {"Name": name}, data_type=kind).outputs["Attribute"]
