"""Likeness inside Blender: imports avatars, keeps their look in step with their pose, renders and keys them."""

from __future__ import annotations


def register() -> None:
    """Add everything to Blender."""


def unregister() -> None:
    """Take everything out again."""
