"""One material per layer: emission and transparency by the decoded colour and alpha."""

from __future__ import annotations

import bpy

from .graph import Graph
from .nearest import NEAREST_ONLY, hidden_by_own_layer


def layer_material(
    name: str, decoded: bpy.types.NodeTree, outer_layers: int, solid_color: tuple[float, ...]
) -> bpy.types.Material:
    """A layer's material.

    Parameters
    ----------
    name : str
    decoded : bpy.types.NodeTree
        Group with outputs ``Color`` and ``Alpha``.
    outer_layers : int
        How many layers lie around this one.
    solid_color : tuple of four floats
        What Solid mode shows.
    """
    material = bpy.data.materials.new(name)
    material.diffuse_color = solid_color
    # Blended and without overlap, Eevee draws the nearest surface of each slot, slots in order: what the run-time says.
    material.surface_render_method = "BLENDED"
    material.use_transparency_overlap = False
    material.use_backface_culling = True
    # The head throws the solid shadow of its hull: decoding the look for every light would triple what Eevee compiles,
    # to show a shadow that hardly differs.
    material.use_transparent_shadow = False
    # Cycles' settings are there only while its add-on is enabled.
    if hasattr(material, "cycles"):
        # The look holds its own light; sampling every triangle as a lamp would only add noise to other objects.
        material.cycles.emission_sampling = "NONE"
    graph = Graph(material.node_tree)
    look = graph.call(decoded, {})
    emission = graph.node("ShaderNodeEmission", {"Color": look["Color"], "Strength": 1.0}).outputs[0]
    transparent = graph.node("ShaderNodeBsdfTransparent", {}).outputs[0]
    front = graph.node("ShaderNodeMixShader", {0: look["Alpha"], 1: transparent, 2: emission}).outputs[0]
    # Cycles knows no culling: it meets back faces, too.
    backfacing = graph.node("ShaderNodeNewGeometry", {}).outputs["Backfacing"]
    asked = graph.node("ShaderNodeAttribute", {}, attribute_type="OBJECT", attribute_name=NEAREST_ONLY).outputs["Fac"]
    covered = hidden_by_own_layer(graph, outer_layers)
    hidden = graph.math("MAXIMUM", backfacing, graph.math("MULTIPLY", covered, asked))
    visible = graph.node("ShaderNodeMixShader", {0: hidden, 1: front, 2: transparent}).outputs[0]
    graph.node("ShaderNodeOutputMaterial", {"Surface": visible})
    return material
