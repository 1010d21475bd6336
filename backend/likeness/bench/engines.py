"""How far Blender's pictures of an avatar are from the run-time's, for each Blender at hand."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..asset import read_layered_avatar
from ..errors import LikenessError
from ..evaluate.blender_jobs import ENGINES, engine_frames, render_job, strongest
from ..evaluate.engines import compare_engines
from ..evaluate.pictures import save_srgb
from ..files import write_atomically

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "render_avatar.py"
VERSION = "import bpy; print('version', '.'.join(map(str, bpy.app.version[:2])))"


def bench_engines(avatar: Path, blenders: Sequence[Path], out: Path, size: int) -> dict[str, Any]:
    """Render an avatar in Eevee and Cycles and compare the pictures with the NumPy run-time.

    Three poses (neutral, the strongest expressions at their slider's end, a turned head with an open jaw) are seen from
    two sides; see :func:`likeness.evaluate.engines.compare_engines` for what is measured.

    Parameters
    ----------
    avatar : Path
        The .glb file.
    blenders : sequence of Path
        Python interpreters that have bpy, such as ``.venv/blender-5.2/bin/python``.
    out : Path
        Folder for the pictures, one below it for each version of Blender.
    size : int
        Side of the pictures, pixels.

    Returns
    -------
    dict
        ``{"marks": ...}``. Names are those of ``compare_engines``, with Blender's version at the end where several
        are compared.

    Raises
    ------
    LikenessError
        If a Blender cannot be run, or does not render.
    """
    if not SCRIPT.is_file():
        raise LikenessError(f"There is no {SCRIPT}; run this benchmark in a clone of the repository.")
    read = read_layered_avatar(avatar)
    marks: dict[str, Any] = {}
    for blender in blenders:
        version = _version(blender)
        folder = out / f"blender-{version}"
        folder.mkdir(parents=True, exist_ok=True)
        frames = engine_frames(read, strongest(read), size)
        jobs = [
            render_job(engine, f"{name}_{engine}.png", pose, camera)
            for engine in ENGINES
            for name, pose, camera in frames
        ]
        write_atomically(folder / "jobs.json", json.dumps(jobs).encode())
        command = [blender, SCRIPT, avatar.resolve(), folder / "jobs.json"]
        status = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=False).returncode
        if status:
            raise LikenessError(f"{blender} did not render {avatar} (exit status {status}).")
        comparison = compare_engines(read, jobs, folder)
        save_srgb(comparison.sheet, folder / "engines.png")
        end = f"_{version}" if len(blenders) > 1 else ""
        marks.update({f"{name}{end}": mark for name, mark in comparison.marks.items()})
    return {"marks": marks}


def _version(blender: Path) -> str:
    """The Blender behind an interpreter, such as 5.2."""
    try:
        told = subprocess.run([str(blender), "-c", VERSION], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise LikenessError(f"Cannot run {blender}: {error.strerror}.") from error
    found = re.search(r"^version (\d+\.\d+)$", told, re.MULTILINE)
    if found is None:
        raise LikenessError(f"{blender} is no Python with Blender's module; give one that can `import bpy`.")
    return found[1]
