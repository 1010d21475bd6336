"""One material per layer: emission and transparency by the decoded colour and alpha."""

from __future__ import annotations

import bpy
from rna_prop_ui import rna_idprop_ui_create

from .graph import Graph

NEAREST_ONLY = "nearest_surface_only"
"""Custom property of the mesh object; see :func:`add_nearest_only`."""


def add_nearest_only(mesh: bpy.types.Object) -> None:
    """Give an avatar's mesh the switch that makes Cycles draw of each layer only the surface nearest to the camera.

    So Eevee and the run-time do. Cycles shows all surfaces along a ray, such as the cheek's outer layer behind the
    nose's. A material cannot ask what a ray has met, only how many transparent surfaces; that tells enough as long as
    they are all the avatar's.
    """
    rna_idprop_ui_create(
        mesh,
        NEAREST_ONLY,
        default=False,
        description="In Cycles, draw only the nearest surface of each layer, as Eevee does. "
        "For scenes with nothing transparent in front of the avatar",
        overridable=True,
    )


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
    # The look holds its own light; sampling every triangle as a lamp would only add noise to other objects.
    material.cycles.emission_sampling = "NONE"
    graph = Graph(material.node_tree)
    look = graph.call(decoded, {})
    emission = graph.node("ShaderNodeEmission", {"Color": look["Color"], "Strength": 1.0}).outputs[0]
    transparent = graph.node("ShaderNodeBsdfTransparent", {}).outputs[0]
    front = graph.node("ShaderNodeMixShader", {0: look["Alpha"], 1: transparent, 2: emission}).outputs[0]
    # Cycles knows no culling: it meets back faces, too.
    backfacing = graph.node("ShaderNodeNewGeometry", {}).outputs["Backfacing"]
    # A ray that has come through n layers of a nose crossed 2n surfaces, and meets this layer, behind as many more.
    crossed = graph.node("ShaderNodeLightPath", {}).outputs["Transparent Depth"]
    again = graph.math("GREATER_THAN", crossed, 3 * outer_layers + 1.5)
    asked = graph.node("ShaderNodeAttribute", {}, attribute_type="OBJECT", attribute_name=NEAREST_ONLY).outputs["Fac"]
    hidden = graph.math("MAXIMUM", backfacing, graph.math("MULTIPLY", again, asked))
    visible = graph.node("ShaderNodeMixShader", {0: hidden, 1: front, 2: transparent}).outputs[0]
    graph.node("ShaderNodeOutputMaterial", {"Surface": visible})
    return material
