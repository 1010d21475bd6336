"""Rendering many pictures of an avatar without anybody watching, and keeping it as a .blend file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..backend.likeness.errors import LikenessError
from .cameras import key_camera, set_camera
from .importing import ImportedAvatar
from .jobs import FORMATS, Job
from .nearest import NEAREST_ONLY
from .posing import key_pose, set_pose
from .scene import ENGINES, sample_pixel_centres


def render_jobs(
    context: bpy.types.Context,
    made: ImportedAvatar,
    jobs: Sequence[Job],
    progress: Callable[[int, int, str], None] = lambda done, count, engine: None,
) -> None:
    """Render jobs one after another.

    Parameters
    ----------
    context : bpy.types.Context
    made : ImportedAvatar
    jobs : sequence of Job
        Best grouped by engine, for each has its own start-up time.
    progress : callable
        Told after each picture: how many are done, how many there are, and the engine.

    Raises
    ------
    LikenessError
        If a picture cannot be written.
    """
    with _without_shadows(context.scene):
        for number, job in enumerate(jobs, 1):
            render_job(context, made, job)
            progress(number, len(jobs), job.engine)


@contextmanager
def _without_shadows(scene: bpy.types.Scene) -> Iterator[None]:
    """An avatar alone needs no shadows, and half of a small picture's time goes into clearing Eevee's store of them."""
    eevee = scene.eevee
    before = eevee.use_shadows, eevee.shadow_pool_size
    eevee.use_shadows, eevee.shadow_pool_size = False, "16"
    try:
        yield
    finally:
        eevee.use_shadows, eevee.shadow_pool_size = before


def render_job(context: bpy.types.Context, made: ImportedAvatar, job: Job) -> None:
    """Render one picture, exactly as posed and seen.

    Raises
    ------
    LikenessError
        If the picture cannot be written.
    """
    scene = context.scene
    sample_pixel_centres(scene, job.samples)
    scene.render.engine = ENGINES[job.engine]
    made.mesh[NEAREST_ONLY] = True
    set_pose(made.armature, job.pose)
    set_camera(scene, job.camera)
    picture = scene.render.image_settings
    picture.file_format = FORMATS[job.out.suffix.lower()]
    picture.color_mode = "RGBA"
    picture.color_depth = "8" if picture.file_format == "PNG" else "32"
    scene.render.use_file_extension = False
    scene.render.filepath = str(job.out)
    try:
        job.out.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.render.render(write_still=True)
    except (OSError, RuntimeError) as error:
        raise LikenessError(f"Cannot render {job.out}: {error}.") from error


def key_jobs(scene: bpy.types.Scene, made: ImportedAvatar, jobs: Sequence[Job]) -> None:
    """Turn jobs into an animation, a frame for each, and show its beginning.

    Parameters
    ----------
    scene : bpy.types.Scene
    made : ImportedAvatar
    jobs : sequence of Job
        At least one.
    """
    for frame, job in enumerate(jobs, 1):
        key_pose(made.armature, job.pose, frame)
        key_camera(set_camera(scene, job.camera), frame)
    scene.frame_start, scene.frame_end = 1, len(jobs)
    scene.frame_set(1)


def save(path: Path) -> None:
    """Save the file.

    Raises
    ------
    LikenessError
        If it cannot be written.
    """
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    except RuntimeError as error:
        raise LikenessError(f"Cannot save {path}: {error}.") from error
