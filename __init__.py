"""Likeness as a Blender extension; the code is in ``addon``."""

from .addon import register, unregister

__all__ = ["register", "unregister"]
