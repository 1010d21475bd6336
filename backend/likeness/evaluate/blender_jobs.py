"""What Blender renders for a report: held-out frames, frames for comparing engines, and a short film.

A job is a JSON object: ``engine`` ("eevee" or "cycles"), ``out`` (a path relative to the jobs' file), ``pose``
(the fields of :class:`likeness.rig.Pose`) and ``camera`` (the fields of :class:`likeness.camera.Camera`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..asset.layered import LayeredAvatar
from ..camera import Camera
from ..capture.model import Capture
from ..rig import Pose
from .pictures import portrait_camera

Floats = npt.NDArray[np.float32]
ENGINES = ("eevee", "cycles")
SIDES = {"left": math.radians(30), "right": math.radians(-30)}
FILM_FRAMES = 96
FILM_RATE = 24
FILM_EXPRESSIONS = (
    ("mouthSmile_L", "mouthSmile_R", "cheekSquint_L", "cheekSquint_R"),
    ("jawOpen", "browInnerUp_L", "browInnerUp_R", "eyeWide_L", "eyeWide_R"),
    ("mouthPucker", "browDown_L", "browDown_R"),
    ("eyeBlink_L", "eyeBlink_R", "mouthFrown_L", "mouthFrown_R"),
)
"""What the film passes through, by ARKit's names; a head without them shows its first expressions instead."""


def blender_jobs(avatar: LayeredAvatar, capture: Capture, shown: tuple[int, ...], size: int) -> list[dict[str, Any]]:
    """All jobs of a report, in an order that groups engines so that shaders are compiled once."""
    stills = [
        (f"pictures/{index:05d}", capture.pose(index), capture.camera(index).resized(size, size)) for index in shown
    ]
    frames = engine_frames(avatar, exaggerated(capture), size)
    stills += [(f"engines/{name}", pose, camera) for name, pose, camera in frames]
    jobs = [
        render_job(engine, f"{name}_{engine}.png", pose, camera) for engine in ENGINES for name, pose, camera in stills
    ]
    film = [
        render_job("eevee", f"film/{number:04d}.png", pose, camera)
        for number, (pose, camera) in enumerate(film_frames(avatar, size))
    ]
    return [job for job in jobs if job["engine"] == "eevee"] + film + [job for job in jobs if job["engine"] != "eevee"]


def engine_frames(avatar: LayeredAvatar, expression: Floats, size: int) -> list[tuple[str, Pose, Camera]]:
    """Frames on which engines are compared: neutral, an extreme expression, a turned head with an open jaw; two sides.

    Parameters
    ----------
    avatar : LayeredAvatar
    expression : (E,) float32
        The extreme one, from :func:`exaggerated` or :func:`strongest`.
    size : int
        Side of the pictures, pixels.
    """
    neutral = Pose(np.zeros(len(avatar.expression_names), np.float32))
    extreme = replace(neutral, expression=expression)
    joints = np.zeros((4, 3), np.float32)
    joints[0, 1], joints[1, 0] = math.radians(25), math.radians(15)
    turned = replace(neutral, joint_rotations=joints)
    return [
        (f"{name}_{side}", pose, portrait_camera(avatar, size, yaw))
        for name, pose in (("neutral", neutral), ("extreme", extreme), ("turned", turned))
        for side, yaw in SIDES.items()
    ]


def exaggerated(capture: Capture) -> Floats:
    """The strongest expression (E,) that training saw, half as strong again."""
    training = list(capture.training)
    chosen = training[int(np.abs(capture.expression[training]).sum(1).argmax())]
    return capture.expression[chosen] * np.float32(1.5)


def strongest(avatar: LayeredAvatar, count: int = 4) -> Floats:
    """The expressions that move an avatar's vertices most, together, each as far as its slider goes (E,)."""
    moved = sum(np.linalg.norm(layer.expression_targets, axis=2).sum(1) for layer in avatar.layers)
    chosen = np.argsort(moved)[-count:]
    expression = np.zeros(len(avatar.expression_names), np.float32)
    expression[chosen] = avatar.expression_range[chosen, 1]
    return expression


def film_frames(avatar: LayeredAvatar, size: int) -> list[tuple[Pose, Camera]]:
    """A short loop: the avatar goes through expressions while the camera swings round it."""
    names = list(avatar.expression_names)
    shapes = [[names.index(name) for name in group if name in names] for group in FILM_EXPRESSIONS]
    if not all(shapes):
        shapes = [[index] for index in range(min(len(FILM_EXPRESSIONS), len(names)))]
    frames = []
    for number in range(FILM_FRAMES):
        phase = number / FILM_FRAMES
        expression = np.zeros(len(names), np.float32)
        if shapes:
            part = phase * len(shapes)
            expression[shapes[int(part)]] = 0.8 * math.sin(math.pi * (part % 1)) ** 2
        yaw = math.radians(22) * math.sin(2 * math.pi * phase)
        pitch = math.radians(6) * math.sin(4 * math.pi * phase)
        frames.append((Pose(expression), portrait_camera(avatar, size, yaw, pitch)))
    return frames


def render_job(engine: str, out: str, pose: Pose, camera: Camera) -> dict[str, Any]:
    """One job as JSON values."""

    def plain(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}

    return {"engine": engine, "out": out, "pose": plain(asdict(pose)), "camera": plain(asdict(camera))}
