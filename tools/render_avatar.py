"""Render pictures of an avatar with Blender, and keep it as a .blend file.

    python tools/render_avatar.py avatar.glb jobs.json --save avatar.blend --key film

Runs where ``import bpy`` does: in an environment with the bpy wheel, or by ``blender --background --python``. What
jobs.json holds is told in addon/jobs.py. ``--key FOLDER`` turns the jobs whose pictures go to that folder into the
saved file's animation.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "likeness_extension"


def load_extension() -> None:
    """Import the extension from the repository and register it, under :data:`PACKAGE`."""
    spec = importlib.util.spec_from_file_location(PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
    module.register()


def parse_options() -> argparse.Namespace:
    """What the command line asks for; inside Blender, what follows the two dashes."""
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    parser = argparse.ArgumentParser(description="Render pictures of an avatar with Blender.")
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")
    parser.add_argument("jobs", type=Path, help="JSON file of pictures to render")
    parser.add_argument("--save", type=Path, help="save the avatar as this .blend file")
    parser.add_argument("--key", metavar="FOLDER", help="key the jobs of this folder in the saved file")
    parser.add_argument("--threads", type=int, default=0, help="render with so many threads (default: all)")
    return parser.parse_args(given)


@contextmanager
def blender_muted() -> Iterator[TextIO]:
    """Give standard output as a stream, while what Blender itself writes to it and to standard error goes nowhere.

    Blender reports each saved picture, and drivers complain about screens that a server does not have. Exceptions are
    still seen, for Python writes them after the block.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        with os.fdopen(os.dup(kept[0]), "w", encoding="utf-8") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


class Progress:
    """Tells after about every tenth of the pictures how far the work is and how long the rest will take."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._began, self._told = stream, time.monotonic(), 0

    def __call__(self, done: int, count: int, engine: str) -> None:
        """Note a finished picture."""
        tenth = 10 * done // count
        if tenth == self._told:
            return
        self._told = tenth
        left = (time.monotonic() - self._began) / done * (count - done)
        print(f"Blender: {done} of {count} pictures ({engine}), {left:.0f} s left", file=self._stream, flush=True)


def run(options: argparse.Namespace, stream: TextIO) -> None:
    """Import, render, save."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    load_extension()
    # The names exist only now that the extension is loaded.
    from likeness_extension.addon.batch import key_jobs, render_jobs, save  # type: ignore[import-not-found]
    from likeness_extension.addon.importing import import_file  # type: ignore[import-not-found]
    from likeness_extension.addon.jobs import read_jobs  # type: ignore[import-not-found]
    from likeness_extension.addon.posing import expression_names  # type: ignore[import-not-found]

    made = import_file(bpy.context, options.avatar)
    jobs = read_jobs(options.jobs, len(expression_names(made.armature)))
    scene = bpy.context.scene
    if options.threads:
        scene.render.threads_mode, scene.render.threads = "FIXED", options.threads
    render_jobs(bpy.context, made, jobs, Progress(stream))
    if options.save:
        keyed = [job for job in jobs if options.key and job.out.parent.name == options.key]
        if keyed:
            key_jobs(scene, made, keyed)
        save(options.save.resolve())


def main() -> int:
    """Run; a user's mistake becomes one line and status 1."""
    options = parse_options()
    try:
        with blender_muted() as stream:
            run(options, stream)
    except Exception as error:
        if type(error).__name__ != "LikenessError":
            raise
        print(f"likeness: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Some versions of the bpy wheel hang when the interpreter takes itself down in order.
    os._exit(status)
