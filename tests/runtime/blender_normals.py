"""Under Blender: smooth vertex normals of a mesh, as its own evaluation gives them.

Usage: python blender_normals.py IN.npz OUT.npz, with positions (V, 3) and faces (F, 3).
"""

from __future__ import annotations

import sys

import bpy
import numpy as np

source, target = sys.argv[-2:]
arrays = np.load(source)
mesh = bpy.data.meshes.new("mesh")
mesh.from_pydata(arrays["positions"].tolist(), [], arrays["faces"].tolist())
mesh.shade_smooth()
normals = np.empty(3 * len(mesh.vertices), np.float32)
mesh.vertex_normals.foreach_get("vector", normals)
np.savez(target, normals=normals.reshape(-1, 3))
