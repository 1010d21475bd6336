"""Likeness: neural head avatars for Blender.

The package is imported in two places: as ``likeness`` in the backend environment, and, for its NumPy-only parts
(:mod:`~likeness.asset`, :mod:`~likeness.runtime`, :mod:`~likeness.rig`, :mod:`~likeness.camera`), from inside the
Blender extension. All imports within it are therefore relative, and nothing heavy happens here.
"""

__version__ = "0.1.0"
