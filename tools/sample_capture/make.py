"""Make the sample capture: stage the stand-in's performance, film it with Cycles, write it as a capture.

    .venv/backend/bin/python tools/sample_capture/make.py backend/likeness/capture/sample/data

runs in the backend's environment and starts Blender's Python module (``--blender``) for the rendering alone, because
the two do not share a process. What is rendered stays in ``--work``: a second run goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from anatomy import vertex_mask
from colours import from_srgb, vertex_colours, vertex_roughness
from garment import covered, tailor
from hair import brow_strands, lash_strands, neck_transforms, scalp_strands
from likeness.camera import Camera
from likeness.capture.model import Capture
from likeness.capture.pictures import write_picture
from likeness.capture.storage import picture_names, write_capture
from likeness.head.model import HeadModel
from likeness.head.storage import load_head
from likeness.rig import skinning_transforms
from performance import FRAME_RATE, FRAMES, HELD_OUT, Performance, perform
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float32]

SIZE = 256
FOCAL = 2.2 * SIZE
IRIS_RIM = 24.0
"""Degrees between the optical axis and the iris' rim, as the eyes' material paints it."""
BACKGROUND = from_srgb(126, 138, 150)
SEED = 7

_ROOT = Path(__file__).resolve().parents[2]
_TARGET = np.array([0.0, 0.004, 0.03])
_DISTANCE = 0.72
_EYE_JOINTS = (3, 4)
_NOSTRIL = 250
"""Landmark on the rim of the left nostril."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the capture's folder; one that is there is replaced")
    parser.add_argument("--head", type=Path, help="another head model than the stand-in")
    parser.add_argument("--work", type=Path, default=_ROOT / ".likeness/sample_capture", help="where renders are kept")
    parser.add_argument("--blender", type=Path, default=_ROOT / ".venv/blender-5.0/bin/python")
    parser.add_argument("--frames", type=int, default=FRAMES, help="fewer frames, evenly chosen, for a preview")
    parser.add_argument("--samples", type=int, default=28)
    parser.add_argument("--parts", type=int, default=2, help="processes that render at the same time")
    parser.add_argument("--stage-only", action="store_true", help="stop before rendering; tells the stage's folder")
    parser.add_argument("--quality", type=int, default=95, help="of the frames' JPEG")
    options = parser.parse_args()
    if options.head:
        head = load_head(options.head)
    else:
        from likeness.head.standin import standin

        head = standin()
    numbers = np.unique(np.linspace(0, FRAMES - 1, options.frames).round().astype(int))
    performance = perform(head)
    staged = stage(head, performance, numbers)
    # What was rendered of another stage, or in another quality, is of no use.
    digest = hashlib.sha256(str(options.samples).encode())
    for name in sorted(staged):
        digest.update(np.ascontiguousarray(staged[name]).tobytes())
    renders = options.work / digest.hexdigest()[:12]
    renders.mkdir(parents=True, exist_ok=True)
    np.savez(renders / "stage.npz", **staged)  # pyright: ignore[reportArgumentType]
    if options.stage_only:
        print(renders)
        return
    script = Path(__file__).with_name("render.py")
    command = [options.blender, script, renders / "stage.npz", renders, "--samples", str(options.samples)]
    processes = [subprocess.Popen([*command, "--part", f"{part}/{options.parts}"]) for part in range(options.parts)]
    statuses = [process.wait() for process in processes]
    if any(statuses):
        sys.exit("Rendering failed; see above, then run this again: finished frames are kept.")
    develop(head, performance, numbers, renders, options)


def portrait_camera() -> Camera:
    """The fixed camera: a little above and to the side, head and upper shoulders in the picture."""
    turn = Rotation.from_euler("YX", [3.0, -2.0], degrees=True).as_matrix()
    camera_to_world = np.eye(4)
    camera_to_world[:3, :3] = turn
    camera_to_world[:3, 3] = _TARGET + turn @ [0, 0, _DISTANCE]
    return Camera(SIZE, SIZE, FOCAL, FOCAL, SIZE / 2, SIZE / 2, camera_to_world.astype(np.float32))


def stage(head: HeadModel, performance: Performance, numbers: npt.NDArray[np.signedinteger]) -> dict[str, np.ndarray]:
    """Arrays that the renderer plays: what stays, and where everything is in each of the given frames."""
    random = np.random.default_rng(SEED)
    vertices = np.stack([head.posed(performance.pose(frame)) for frame in numbers])
    shirt = tailor(head)
    scalp = scalp_strands(head, random)
    transforms = neck_transforms(head, vertices)
    brows = brow_strands(head, random)
    joints = head.joints()
    lashes = []
    for frame, points, transform in zip(numbers, vertices, transforms, strict=True):
        moves = skinning_transforms(performance.pose(frame), joints)
        eyes = np.stack([moves[joint, :, :3] @ joints[joint] + moves[joint, :, 3] for joint in _EYE_JOINTS])
        lashes.append(lash_strands(head, points, eyes, transform[:, 1], SEED))
    eye_vertices = vertex_mask(head, "eyes")
    centres = np.where(head.template[:, :1] > 0, joints[3], joints[4])
    bare = ~covered(head)
    camera = portrait_camera()
    return {
        "frame_numbers": numbers,
        "iris_rim": np.array(IRIS_RIM),
        "nostril": head.landmarks(head.template)[_NOSTRIL] + [0.0008, 0.0, 0.0],
        "size": np.array([camera.width, camera.height]),
        "intrinsics": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        "camera_to_world": camera.camera_to_world,
        "head_rest": head.template,
        "head_faces": head.faces[bare],
        "head_materials": head.regions["eyes"][bare],
        "head_colours": np.concatenate([vertex_colours(head), np.ones((len(head.template), 1))], 1).astype(np.float32),
        "head_roughness": vertex_roughness(head).astype(np.float32),
        "eye_direction": (eye_vertices[:, None] * (head.template - centres)).astype(np.float32),
        "head_vertices": vertices,
        "shirt_rest": shirt.follow(head.template).astype(np.float32),
        "shirt_faces": shirt.faces,
        "shirt_collar": shirt.collar.astype(np.float32),
        "shirt_vertices": np.stack([shirt.follow(frame) for frame in vertices]).astype(np.float32),
        "scalp_strands": scalp.astype(np.float32),
        "neck_transforms": transforms.astype(np.float32),
        "brow_strands": np.stack([brows.follow(frame) for frame in vertices])
        .reshape(len(vertices), -1, lashes[0].shape[1], 3)
        .astype(np.float32),
        "lash_strands": np.stack(lashes).astype(np.float32),
    }


def true_landmarks(head: HeadModel, performance: Performance, camera: Camera, frame: int) -> Array:
    """MediaPipe's 478 points (478, 2) in pixels, from the posed head."""
    pose = performance.pose(frame)
    face = camera.project(head.landmarks(head.posed(pose)))
    joints = head.joints()
    moves = skinning_transforms(pose, joints)
    radius = head.iris_distance * np.tan(np.radians(IRIS_RIM))
    # Centre, then the rim in MediaPipe's order.
    rim = radius * np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    irises = []
    for joint in reversed(_EYE_JOINTS):
        points = joints[joint] + np.column_stack([rim, np.full(5, head.iris_distance)])
        irises.append(camera.project(points @ moves[joint, :, :3].T + moves[joint, :, 3]))
    return np.concatenate([face, *irises]).astype(np.float32)


def composite(picture: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Frame (H, W, 3) and matte (H, W) of a rendered picture (H, W, 4), linear and premultiplied."""
    linear = picture[..., :3].astype(np.float64)
    alpha = picture[..., 3:].astype(np.float64).clip(0, 1)
    seen = (linear + (1 - alpha) * BACKGROUND).clip(0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return (255 * encoded + 0.5).astype(np.uint8), (255 * alpha[..., 0] + 0.5).astype(np.uint8)


def develop(
    head: HeadModel,
    performance: Performance,
    numbers: npt.NDArray[np.signedinteger],
    renders: Path,
    options: argparse.Namespace,
) -> None:
    """Turn the rendered pictures into the capture."""
    camera = portrait_camera()
    held_out = tuple(int(i) for i in np.flatnonzero(np.isin(numbers, HELD_OUT)))
    capture = Capture(
        folder=options.out,
        head=head,
        identity=np.zeros(0, np.float32),
        width=camera.width,
        height=camera.height,
        intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
        camera_to_world=np.tile(camera.camera_to_world, (len(numbers), 1, 1)),
        expression=performance.expression[numbers],
        root_rotation=performance.root_rotation[numbers],
        root_translation=performance.root_translation[numbers],
        joint_rotations=performance.joint_rotations[numbers],
        landmarks=np.stack([true_landmarks(head, performance, camera, frame) for frame in numbers]),
        frames=picture_names("frames", len(numbers), ".jpg"),
        mattes=picture_names("mattes", len(numbers), ".png"),
        held_out=held_out,
        frame_rate=FRAME_RATE * len(numbers) / FRAMES,
        provenance={
            "source": "rendered with Cycles by tools/sample_capture",
            "person": "nobody: the built-in stand-in head",
            "licence": "CC0-1.0",
            "parameters": "ground truth",
        },
    )
    developed = renders / "developed"
    developed.mkdir(exist_ok=True)
    frames, mattes = [], []
    for number in numbers:
        frame, matte = composite(np.load(renders / f"{number:05d}.npy", allow_pickle=False))
        frames.append(developed / f"{number:05d}.jpg")
        mattes.append(developed / f"{number:05d}.png")
        write_picture(frame, frames[-1], options.quality)
        write_picture(matte, mattes[-1])
    write_capture(capture, options.out, frames, mattes, overwrite=True)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {len(numbers)} frames, {size / 1e6:.2f} MB.")


if __name__ == "__main__":
    main()
