"""Likeness inside Blender: imports avatars, keeps their look in step with their pose, renders and keys them."""

from __future__ import annotations

from . import live, operators, panels

MODULES = (operators, panels, live)
"""What has something to register, in order."""


def register() -> None:
    """Add everything to Blender."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Take everything out again."""
    for module in reversed(MODULES):
        module.unregister()
