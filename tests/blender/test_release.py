"""The extension builds, validates, installs from its archive, and holds nothing that Blender does not need."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import addon_utils
import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("asset", "runtime")
MODULES = ("__init__", "camera", "errors", "files", "rig")
MEGABYTE = 1 << 20


def extension_command(*arguments):
    """Blender's own builder, which lies in the bpy wheel as a script."""
    script = next(Path(bpy.utils.resource_path("LOCAL")).glob("scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "likeness.zip"
    built = extension_command("build", "--source-dir", ROOT, "--output-filepath", path, "--valid-tags", "")
    assert built.returncode == 0, built.stdout + built.stderr
    return path


def test_archive_is_valid(archive):
    checked = extension_command("validate", archive, "--valid-tags", "")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_archive_holds_what_blender_needs_and_nothing_else(archive):
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
    backend = {name for name in names if name.startswith("backend/")} - {"backend/__init__.py"}
    allowed = {f"backend/likeness/{module}.py" for module in MODULES}
    assert allowed <= backend
    assert all(name.split("/")[2] in PARTS for name in backend - allowed)
    rest = {name for name in names - backend if not name.startswith(("addon/", "shaders/"))}
    assert rest == {"LICENSE", "__init__.py", "backend/__init__.py", "blender_manifest.toml"}
    assert not [name for name in names if "__pycache__" in name]
    assert archive.stat().st_size < MEGABYTE


def test_archive_installs_and_imports_an_avatar(archive, avatar_file):
    """What is missing from the archive shows here: its modules are imported under another name."""
    addon_utils.disable("bl_ext.dev.likeness")
    try:
        bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
        assert "bl_ext.user_default.likeness" in bpy.context.preferences.addons
        assert bpy.ops.import_scene.likeness(filepath=str(avatar_file)) == {"FINISHED"}
    finally:
        addon_utils.disable("bl_ext.user_default.likeness", default_set=True)
        addon_utils.enable("bl_ext.dev.likeness", default_set=True)
