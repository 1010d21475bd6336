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
from pathlib import Path

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


def run(options: argparse.Namespace) -> None:
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
    render_jobs(bpy.context, made, jobs, lambda line: print(line, flush=True))
    if options.save:
        keyed = [job for job in jobs if options.key and job.out.parent.name == options.key]
        if keyed:
            key_jobs(scene, made, keyed)
        save(options.save.resolve())


def main() -> int:
    """Run; a user's mistake becomes one line and status 1."""
    options = parse_options()
    try:
        run(options)
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
