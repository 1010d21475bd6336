"""Data sets in other people's formats, written as their own scripts write them, from FLAME's own definition."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flame import flame_vertices
from PIL import Image
from scipy.spatial.transform import Rotation

SIDE = 512
FOCAL = 1500.0
CENTRE = (260.0, 250.0)


@dataclass(frozen=True)
class Truth:
    """A moving head: F frames.

    Attributes
    ----------
    identity : (100,)
    expression : (F, 50)
    pose : (F, 5, 3)
    turn, shift : (F, 3, 3) and (F, 3)
        From FLAME's space, metres, to OpenCV's camera.
    """

    identity: np.ndarray
    expression: np.ndarray
    pose: np.ndarray
    turn: np.ndarray
    shift: np.ndarray

    def vertices(self, frame: int) -> np.ndarray:
        return flame_vertices(self.identity, self.expression[frame], self.pose[frame])

    def pixels(self, frame: int) -> np.ndarray:
        """Where FLAME's vertices are seen, by OpenCV's formula."""
        x, y, z = (self.vertices(frame) @ self.turn[frame].T + self.shift[frame]).T
        return np.stack([CENTRE[0] + FOCAL * x / z, CENTRE[1] + FOCAL * y / z], -1)


def truth(frames: int, *, root: float = 0.0, neck: float = 0.0, camera: float = 0.0) -> Truth:
    """A random head; spreads of the turns of root, neck and camera in radians."""
    random = np.random.default_rng(frames)
    pose = random.normal(size=(frames, 5, 3)) * np.array([root, neck, 0.05, 0.2, 0.2])[:, None]
    pose[:, 2, 0] += 0.15
    facing = np.diag([1.0, -1.0, -1.0])
    turn = np.array([facing @ Rotation.from_rotvec(random.normal(0, camera, 3)).as_matrix() for _ in range(frames)])
    shift = np.array([0.0, 0.0, 1.4]) + random.normal(0, 0.01, (frames, 3))
    return Truth(random.normal(size=100), random.normal(size=(frames, 50)), pose, turn, shift)


def draw(folder: Path, name: str, frame: int, mode: str) -> None:
    """A small flat picture; every frame has its own colour, and its matte covers another part."""
    colour = np.zeros((SIDE, SIDE, 4), np.uint8)
    colour[..., :3] = (40 * frame, 100, 200 - 20 * frame)
    colour[40 : 420 + 10 * frame, 40:470, 3] = 255
    picture = {"RGBA": colour, "RGB": colour[..., :3], "L": colour[..., 3]}[mode]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / name, compress_level=1)


def write_imavatar_clip(folder: Path, head: Truth, old: bool = False, signs: tuple[int, int, int] = (-1, 1, 1)) -> Path:
    """A clip; the world is four times FLAME's.

    ``signs``: of fx, fy and of all of the camera's coordinates. (-1, 1, 1) is how the authors write it; the others show
    the same picture, as u = cx + fx x / z and v = cy + fy y / z.
    """
    entries = []
    for frame in range(len(head.expression)):
        # OpenGL's axes, then whatever the signs of the focal lengths and of the third axis demand.
        axes = np.diag([1.0, -1.0, -1.0])
        matrix = np.c_[axes @ head.turn[frame], 4 * (axes @ head.shift[frame])]
        matrix = matrix * signs[2] * np.array([-signs[0], signs[1], 1])[:, None]
        draw(folder, f"image/{frame + 1}.png", frame, "RGB")
        draw(folder, f"mask/{frame + 1}.png", frame, "L")
        entries.append(
            {
                "file_path": f"./image/{frame + 1}",
                "world_mat": matrix.tolist(),
                "expression": head.expression[frame].tolist(),
                "pose": head.pose[frame].ravel().tolist(),
                "bbox": [-0.5, -0.5, 0.5, 0.5],
                "flame_keypoints": np.zeros((70, 2)).tolist(),
            }
        )
    intrinsics = np.array([signs[0] * FOCAL, signs[1] * FOCAL, *CENTRE])
    description = {
        "frames": entries,
        "intrinsics": (intrinsics if old else intrinsics / SIDE).tolist(),
        "shape_params": head.identity.tolist(),
    }
    (folder / "flame_params.json").write_text(json.dumps(description))
    return folder


def semantics_of(frame: int) -> np.ndarray:
    """Every class of the face parser in a block of its own, moved from frame to frame, background around them."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(19):
        row, column = divmod(number, 5)
        labels[60 + 90 * row :, 30 + 10 * frame + 90 * column :][:90, :90] = number
    return labels


def write_semantics(folder: Path, frames: int) -> None:
    """A clip's labels, grey values as the authors' face parser writes them."""
    (folder / "semantic").mkdir()
    for frame in range(frames):
        Image.fromarray(semantics_of(frame)).save(folder / f"semantic/{frame + 1}.png")


def write_seg_masks(folder: Path, frames: int) -> None:
    """An INSTA set's masks: the class of each pixel by its red."""
    (folder / "seg_mask").mkdir()
    reds = np.array(
        [0, 250, 240, 230, 210, 200, 190, 180, 170, 160, 150, 140, 130, 120, 110, 100, 90, 80, 70], np.uint8
    )
    for frame in range(frames):
        red = reds[semantics_of(frame)]
        picture = Image.fromarray(np.dstack([red, np.zeros_like(red), np.zeros_like(red)]))
        picture.save(folder / f"seg_mask/{frame:05d}.png")


def write_obj(path: Path, vertices: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices]
    path.write_text("# https://github.com/mikedh/trimesh\n" + "\n".join([*lines, "f 1 2 3", ""]))


def write_insta_set(folder: Path, head: Truth) -> Path:
    """INSTA's layout, its frames out of order as its own script leaves them, the last two for testing."""
    entries = []
    for frame in range(len(head.expression)):
        name = f"{frame:05d}"
        camera_to_world = np.eye(4)
        camera_to_world[:3, :3] = head.turn[frame].T
        camera_to_world[:3, 3] = -head.turn[frame].T @ head.shift[frame]
        write_obj(folder / f"meshes/{name}.obj", head.vertices(frame))
        weights = np.concatenate([head.expression[frame], np.zeros(50)])
        (folder / "flame/exp").mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / f"flame/exp/{name}.txt", weights, fmt="%.8f")
        draw(folder, f"images/{name}.png", frame, "RGBA")
        entries.append(
            {
                "transform_matrix": camera_to_world.tolist(),
                "file_path": f"images/{name}.png",
                "mesh_path": f"meshes/{name}.obj",
                "exp_path": f"flame/exp/{name}.txt",
                "depth_path": f"depth/{name}.png",
                "seg_mask_path": f"seg_mask/{name}.png",
            }
        )
    jaw = np.zeros((5, 3))
    jaw[2, 0] = np.radians(12)
    write_obj(folder / "canonical.obj", flame_vertices(head.identity, np.zeros(0), jaw))
    shared = {"w": 512.0, "h": 512.0, "cx": CENTRE[0], "cy": CENTRE[1], "fl_x": FOCAL, "fl_y": FOCAL}
    for name, members in (("train", entries[:-2][::-1]), ("test", entries[-2:]), ("val", entries[-1:])):
        (folder / f"transforms_{name}.json").write_text(json.dumps({**shared, "frames": members}))
    return folder


def write_tracked(folder: Path, head: Truth, tensors: bool = False) -> Path:
    """metrical-tracker's output: one file of ``torch.save`` per frame."""
    for name in ("checkpoint", "input"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for frame in range(len(head.expression)):
        torch.save(tracked_frame(head, frame, tensors), folder / f"checkpoint/{frame:05d}.frame")
        draw(folder, f"images/{frame:05d}.png", frame, "RGBA")
    return folder


def tracked_frame(head: Truth, frame: int, tensors: bool = False) -> dict[str, Any]:
    def of(values: np.ndarray) -> Any:
        single = np.ascontiguousarray(values, np.float32)[None]
        return torch.from_numpy(single) if tensors else single

    def six(axis_angle: np.ndarray) -> np.ndarray:
        return Rotation.from_rotvec(axis_angle).as_matrix()[:2].ravel()

    k = np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    return {
        "flame": {
            "exp": of(np.concatenate([head.expression[frame], np.zeros(50)])),
            "shape": of(np.concatenate([head.identity, np.zeros(200)])),
            "tex": of(np.zeros(140)),
            "sh": of(np.zeros((9, 3))),
            "eyes": of(np.concatenate([six(head.pose[frame, 3]), six(head.pose[frame, 4])])),
            "eyelids": of(np.zeros(2)),
            "jaw": of(six(head.pose[frame, 2])),
        },
        "camera": {"R": of(np.zeros(6)), "t": of(np.zeros(3)), "fl": of(np.ones(1)), "pp": of(np.zeros(2))},
        "opencv": {"R": of(head.turn[frame]), "t": of(head.shift[frame]), "K": of(k)},
        "img_size": np.array([SIDE, SIDE]),
        "frame_id": f"{frame:05d}",
        "global_step": 1,
    }
