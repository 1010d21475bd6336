"""Tests that run where ``import bpy`` does: ``.venv/blender-5.0/bin/python -m pytest tests/blender``."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

pytest.importorskip("bpy", reason="needs Blender's Python module")

MODULE = "bl_ext.dev.likeness"
"""The extension's name where a user would have it from a repository called dev."""


def _enable() -> None:
    """Enable the checkout as Blender enables an installed extension, with nobody's preferences."""
    home = Path(tempfile.mkdtemp(prefix="likeness-blender-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["BLENDER_USER_RESOURCES"] = str(home)
    import addon_utils
    import bpy

    repository = home / "repository"
    repository.mkdir()
    (repository / "likeness").symlink_to(ROOT)
    bpy.context.preferences.extensions.repos.new(name="Dev", module="dev", custom_directory=str(repository))
    assert addon_utils.enable(MODULE, default_set=True) is not None


# Now, because the tests import from the extension by its full name.
_enable()


@pytest.fixture(scope="session")
def extension():
    """The enabled extension's root module."""
    return sys.modules[MODULE]


@pytest.fixture(autouse=True)
def empty_file():
    """Every test begins with an empty file in which the extension is enabled."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.context.scene.render.threads_mode = "FIXED"
    bpy.context.scene.render.threads = 1


@pytest.fixture(scope="session")
def avatar():
    """A small avatar; small enough for a hundred pictures."""
    from avatars import tiny_avatar

    return tiny_avatar()


@pytest.fixture(scope="session")
def avatar_file(avatar, tmp_path_factory):
    """The small avatar as a file."""
    from likeness.asset import write_layered_avatar

    path = tmp_path_factory.mktemp("avatar") / "Tiny.glb"
    write_layered_avatar(avatar, path)
    return path


@pytest.fixture(scope="session", autouse=True)
def reference_without_pillow():
    """The reference decodes pictures with Pillow, which Blender's Python has not."""
    from likeness.runtime import decode

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "decode_png", _decode_plain_png)
        yield


def _decode_plain_png(content: bytes) -> np.ndarray:
    """Texels of a PNG whose rows are stored as they are, as the fixture's encoder does."""
    from avatars import png_rows

    rows = png_rows(content)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(len(rows), -1, 4)


@pytest.fixture
def imported(avatar):
    """The small avatar in the file."""
    import bpy
    from bl_ext.dev.likeness.addon.importing import create_avatar

    return create_avatar(bpy.context, avatar, "Tiny")
