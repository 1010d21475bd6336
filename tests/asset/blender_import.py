"""Under Blender: open a glTF file with Blender's own importer and save what arrived as arrays.

Usage: python blender_import.py FILE.glb OUT.npz
"""

from __future__ import annotations

import sys

import bpy
import numpy as np

source, target = sys.argv[-2:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=source)
(mesh,) = [mesh for mesh in bpy.data.meshes if mesh.shape_keys]
(armature,) = bpy.data.armatures
arrays = {}
for key in mesh.shape_keys.key_blocks:
    values = np.empty(3 * len(mesh.vertices), np.float32)
    key.data.foreach_get("co", values)
    # Blender's importer turns +Y up into +Z up; turn it back.
    arrays[f"key {key.name}"] = values.reshape(-1, 3)[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
arrays["keys"] = np.array([key.name for key in mesh.shape_keys.key_blocks])
arrays["bones"] = np.array([bone.name for bone in armature.bones])
(rig,) = [item for item in bpy.data.objects if item.type == "ARMATURE"]
heads = np.array([rig.matrix_world @ bone.head_local for bone in armature.bones], np.float32)
arrays["heads"] = heads[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
weld = np.empty(len(mesh.vertices), np.float32)
mesh.attributes["_WELD"].data.foreach_get("value", weld)
arrays["weld"] = weld
arrays["triangles"] = np.array(len(mesh.polygons))
(owner,) = [item for item in bpy.data.objects if item.data is mesh]
weights = np.zeros((len(mesh.vertices), len(owner.vertex_groups)), np.float32)
for vertex in mesh.vertices:
    for group in vertex.groups:
        weights[vertex.index, group.group] = group.weight
arrays["groups"] = np.array([group.name for group in owner.vertex_groups])
arrays["weights"] = weights
np.savez(target, **arrays)
