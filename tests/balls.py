"""A head that is a ball, and a capture of it: everything about it is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
import trimesh
from likeness.camera import Camera
from likeness.capture.model import Capture
from likeness.capture.storage import picture_names, write_capture
from likeness.head.model import HeadModel
from likeness.layered.canonical import canonical_head
from likeness.layered.deformer import Deformer
from likeness.layered.frames import FilmedFrame, TrainingFrames
from likeness.layered.geometry_preset import GeometryPreset, StageOnePreset
from likeness.layered.grid import Grid
from likeness.layered.hull_field import HullField
from likeness.layered.presets import PREVIEW

RADIUS = 0.1
HAIR_RADIUS = 0.12
EXPRESSIONS = ("jawOpen", "puff")

GEOMETRY = GeometryPreset(
    core_level=-0.004,
    shell_levels=(0.002, 0.008),
    initial_alpha=(0.98, 0.95, 0.1, 0.05),
    cell=0.006,
    extraction_cell=0.006,
    core_faces=800,
    head_faces=400,
    shell_faces=1200,
    hull_frames=6,
    stage_one=StageOnePreset(cell=0.012, pixels=400, extraction_steps=(0.5,), geometry_start=0.06),
)
"""Layers that suit a ball, coarse enough for a test."""

SIZE = 64
PRESET = replace(
    PREVIEW,
    stage_one_share=0.3,
    geometry=GEOMETRY,
    picture_size=SIZE,
    basis_count=2,
    feature_size=4,
    tile_size=64,
    threads=1,
)


def ball_head() -> HeadModel:
    """A ball of :data:`RADIUS` about the origin; its front is the face, its lower half the jaw."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    points, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    count = len(points)
    lower = np.clip(-points[:, 1] / RADIUS, 0, 1)
    expressions = np.zeros((2, count, 3), np.float32)
    expressions[0, :, 1] = -0.02 * lower
    expressions[1] = 0.01 * points / RADIUS
    correctives = np.zeros((36, count, 3), np.float32)
    correctives[9] = 0.01 * lower[:, None] * [0, 0, 1]
    weights = np.zeros((count, 5), np.float32)
    weights[:, 2] = 0.5 * lower
    weights[:, 1] = 1 - weights[:, 2]
    centres = points[faces].mean(1)
    face = centres[:, 2] > 0.3 * RADIUS
    none = np.zeros(len(faces), bool)
    front = centres[:, 2] > 0
    # Azimuthal equidistant maps of the two halves, which triangles across the equator do not fold.
    across = points[:, :2] / np.maximum(np.linalg.norm(points[:, :2], axis=1, keepdims=True), 1e-9)
    angle = np.arccos(np.clip(points[:, 2:] / RADIUS, -1, 1)) / np.pi
    uv = np.concatenate([[0.25, 0.5] + 0.4 * angle * across, [0.75, 0.5] + 0.4 * (1 - angle) * across * [-1, 1]])
    places = np.linspace(0, np.flatnonzero(face).size - 1, 468).astype(int)
    return HeadModel(
        name="standin",
        template=points,
        identity_basis=np.zeros((0, count, 3), np.float32),
        expression_names=EXPRESSIONS,
        expression_basis=expressions,
        expression_range=np.array([[0, 1], [0, 1]], np.float32),
        pose_correctives=correctives,
        joint_regressor=np.full((5, count), 1 / count, np.float32),
        skin_weights=weights,
        faces=faces,
        uv=uv.astype(np.float32),
        faces_uv=(faces + np.where(front, 0, count)[:, None]).astype(np.int32),
        regions={
            "skin": ~none, "face": face, "mouth": none, "teeth": none, "eyes": none, "neck": none
        },
        landmark_triangles=faces[np.flatnonzero(face)[places]],
        landmark_barycentrics=np.full((468, 3), 1 / 3, np.float32),
        iris_distance=0.01,
    )  # fmt: skip


def ball_field(grid: Grid) -> HullField:
    """What is known of the ball before anything is learnt: its distance on a grid, and how the head moves it."""
    head = canonical_head(ball_head(), ())
    distance = np.linalg.norm(grid.points(), axis=1) - RADIUS
    return HullField(head, Deformer(head, grid.low, grid.high), grid, distance.reshape(grid.shape).astype(np.float32))


def halves(points: np.ndarray) -> np.ndarray:
    """Colours (..., 3), 0..255, of points (..., 3): grey above and red below."""
    return np.where(points[..., 1:2] > 0, [120, 120, 120], [200, 40, 30])


def ball_capture(
    turns: int, size: int, look: Callable[[np.ndarray], np.ndarray] = halves
) -> tuple[Capture, TrainingFrames]:
    """Pictures of a ball of :data:`HAIR_RADIUS` that looks as ``look`` says, from ``turns`` sides around its front.

    Returns
    -------
    capture : Capture
        Without files.
    frames : TrainingFrames
        The last one is held out.
    """
    head, focal = ball_head(), 2.0 * size
    cameras, shots = [], []
    for angle in np.linspace(-0.8, 0.8, turns):
        turned = np.eye(4, dtype=np.float32)
        turned[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        turned[:3, 3] = turned[:3, 2] * 0.6
        camera = Camera(size, size, focal, focal, size / 2, size / 2, turned)
        rays = camera.ray_directions() @ turned[:3, :3].T
        rays /= np.linalg.norm(rays, axis=2, keepdims=True)
        along = -rays @ turned[:3, 3]
        missed = (turned[:3, 3] @ turned[:3, 3]) - along**2
        inside = missed < HAIR_RADIUS**2
        depth = along - np.sqrt(np.maximum(HAIR_RADIUS**2 - missed, 0))
        points = turned[:3, 3] + rays * depth[..., None]
        picture = look(points) * inside[..., None]
        cameras.append(camera)
        layers = (picture.astype(np.uint8), (255 * inside).astype(np.uint8), np.zeros((size, size), bool))
        shots.append(FilmedFrame(*(torch.tensor(values) for values in layers)))
    zeros = np.zeros((turns, 3), np.float32)
    capture = Capture(
        folder=Path("nowhere"),
        head=head,
        identity=np.zeros(0, np.float32),
        width=size,
        height=size,
        intrinsics=np.array([focal, focal, size / 2, size / 2], np.float32),
        camera_to_world=np.stack([camera.camera_to_world for camera in cameras]),
        expression=np.zeros((turns, 2), np.float32),
        root_rotation=zeros,
        root_translation=zeros,
        joint_rotations=np.zeros((turns, 4, 3), np.float32),
        landmarks=np.full((turns, 478, 2), np.nan, np.float32),
        frames=tuple(f"{index}.png" for index in range(turns)),
        mattes=tuple(f"{index}.png" for index in range(turns)),
        held_out=(turns - 1,),
        frame_rate=25.0,
        provenance={},
    )
    frames = TrainingFrames(
        film=shots.__getitem__,
        device=torch.device("cpu"),
        cameras=tuple(cameras),
        expression=torch.tensor(capture.expression),
        root_rotation=torch.tensor(zeros),
        root_translation=torch.tensor(zeros),
        joint_rotations=torch.tensor(capture.joint_rotations),
        training=capture.training,
        held_out=capture.held_out,
    )
    return capture, frames


def filmed_ball(folder: Path, turns: int, size: int) -> Capture:
    """The capture of :func:`ball_capture` with its pictures in a folder."""
    plain, frames = ball_capture(turns, size)
    for index in range(len(plain)):
        picture = cv2.cvtColor(frames.film(index).picture.numpy(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
        cv2.imwrite(str(folder / f"matte{index}.png"), frames.film(index).matte.numpy())
    mattes = tuple(f"matte{index}.png" for index in range(len(plain)))
    return replace(plain, folder=folder, mattes=mattes)


def ball_on_disk(folder: Path, size: int) -> Path:
    """A capture folder of the ball from seven sides, the one in the middle held out."""
    plain, frames = ball_capture(turns=7, size=size)
    described = replace(
        plain,
        # The stand-in's own file is not written with a capture.
        head=replace(plain.head, name="ball"),
        frames=picture_names("frames", len(plain), ".png"),
        mattes=picture_names("mattes", len(plain), ".png"),
        held_out=(3,),
    )
    shots = [frames.film(index) for index in range(len(plain))]
    pictures, mattes = (np.stack([shot[place].numpy() for shot in shots]) for place in (0, 1))
    write_capture(described, folder, pictures, mattes)
    return folder
