"""Decoder weights that follow the timeline and the sliders."""

from __future__ import annotations

import bpy

from .decoder import PROPERTY, is_avatar, load_decoder
from .images import write_weights
from .posing import evaluated_pose


def refresh(depsgraph: bpy.types.Depsgraph) -> None:
    """Write the weights of every avatar in a dependency graph."""
    for rig in depsgraph.objects:
        if is_avatar(rig):
            rows = load_decoder(rig.original.data).rows(evaluated_pose(rig).decoder_input)
            write_weights(rig.original.data[PROPERTY]["weights_image"], rows)
