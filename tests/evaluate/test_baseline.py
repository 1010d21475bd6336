"""The baseline on captures that it can explain: the built-in head with a known texture."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from likeness.camera import Camera
from likeness.capture.model import Capture
from likeness.capture.storage import load_frame, load_matte, picture_names, write_capture
from likeness.errors import LikenessError
from likeness.evaluate.baseline import fit_baseline, render_baseline
from likeness.evaluate.metrics import psnr
from likeness.evaluate.pictures import over, to_bytes, truth
from likeness.head.standin import standin
from likeness.raster.render_mesh import Surface, render_mesh
from likeness.raster.warp_rasteriser import WarpRasteriser

SIZE, FRAMES, HELD_OUT = 96, 14, (3, 8)
GREEN = (0.0, 1.0, 0.0)


def texture() -> np.ndarray:
    """Soft blobs of all colours: no two places alike, nothing finer than the pictures show."""
    noise = np.random.default_rng(6).uniform(0, 1, (24, 24, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC), 0, 1)


def views() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root rotations, expressions and a camera for all frames: the head looks round and moves its face."""
    generator = np.random.default_rng(7)
    rotations = generator.uniform(-0.35, 0.35, (FRAMES, 3)).astype(np.float32)
    expressions = generator.uniform(0, 0.3, (FRAMES, standin().expression_count)).astype(np.float32)
    camera_to_world = np.eye(4, dtype=np.float32)
    camera_to_world[:3, 3] = standin().template.mean(0)
    camera_to_world[2, 3] += 1.2
    return rotations, expressions, np.tile(camera_to_world, (FRAMES, 1, 1))


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Frames before a green wall."""
    head = standin()
    rotations, expressions, cameras = views()
    unwritten = Capture(
        folder=Path(),
        head=head,
        identity=np.zeros(len(head.identity_basis), np.float32),
        width=SIZE,
        height=SIZE,
        intrinsics=np.array([300, 300, SIZE / 2, SIZE / 2], np.float32),
        camera_to_world=cameras,
        expression=expressions,
        root_rotation=rotations,
        root_translation=np.zeros((FRAMES, 3), np.float32),
        joint_rotations=np.zeros((FRAMES, 4, 3), np.float32),
        landmarks=np.full((FRAMES, 478, 2), np.nan, np.float32),
        frames=picture_names("frames", FRAMES, ".png"),
        mattes=picture_names("mattes", FRAMES, ".png"),
        held_out=HELD_OUT,
        frame_rate=25.0,
        provenance={"source": "a test", "licence": "CC0-1.0"},
    )
    # Head models' v runs upwards, textures' rows downwards.
    uv = torch.tensor(np.stack([head.uv[:, 0], 1 - head.uv[:, 1]], 1))
    surface = Surface(torch.tensor(head.faces), uv, torch.tensor(head.faces_uv.astype(np.int64)))
    shots = [
        render_mesh(
            WarpRasteriser(),
            surface,
            head.posed(unwritten.pose(index)),
            torch.tensor(texture()),
            unwritten.camera(index),
            supersampling=4,
        )
        for index in range(FRAMES)
    ]
    frames = [to_bytes(over(shot, GREEN)) for shot in shots]
    mattes = [to_bytes(shot[..., 3]) for shot in shots]
    return write_capture(unwritten, tmp_path_factory.mktemp("capture") / "known", frames, mattes)


def test_held_out_frames_of_a_known_texture_come_back(capture: Capture):
    baseline = fit_baseline(capture, SIZE)
    for index in HELD_OUT:
        target = truth(capture, index, SIZE)
        picture = over(render_baseline(baseline, capture, index, SIZE))
        assert target.foreground.mean() > 0.15
        # Shifted by one pixel, the same pictures are at 17 dB; with the texture the wrong way up, at 10 dB.
        assert psnr(picture, target.picture, target.foreground) > 30


def test_the_mesh_is_drawn_where_the_matte_is(capture: Capture):
    baseline = fit_baseline(capture, SIZE, iterations=0)
    picture = render_baseline(baseline, capture, HELD_OUT[0], SIZE)
    assert picture.shape == (SIZE, SIZE, 4)
    # Four samples a pixel against sixteen: up to a quarter off along edges, nothing elsewhere.
    difference = np.abs(picture[..., 3] - truth(capture, HELD_OUT[0], SIZE).matte)
    assert difference.max() < 0.25 + 1 / 255 and difference.mean() < 0.005
    assert (picture[..., :3] <= picture[..., 3:] + 1e-5).all(), "colour is premultiplied"


def test_texels_that_no_frame_showed_are_filled(capture: Capture):
    baseline = fit_baseline(capture, SIZE, iterations=0)
    unseen = baseline.texture[~baseline.seen]
    assert len(unseen) > 1000
    assert torch.isfinite(unseen).all() and (unseen.max(1).values > 0.1).all()


def test_what_the_matte_leaves_out_is_not_learnt(capture: Capture, tmp_path: Path):
    """Something stands before the head's right half, of another colour each time: the same texture."""
    textures = []
    for colour in (0, 255):
        frames, mattes = (
            [np.array(load(capture, index)) for index in range(FRAMES)] for load in (load_frame, load_matte)
        )
        for frame, matte in zip(frames, mattes, strict=True):
            frame[:, : SIZE // 2], matte[:, : SIZE // 2] = colour, 0
        hidden = write_capture(capture, tmp_path / str(colour), frames, mattes)
        textures.append(fit_baseline(hidden, SIZE, iterations=3).texture)
    assert torch.equal(*textures)


def test_equal_seeds_give_equal_textures(capture: Capture):
    first, second = (fit_baseline(capture, SIZE, iterations=3, seed=4) for _ in range(2))
    assert torch.equal(first.texture, second.texture)


def test_a_head_out_of_the_picture_is_told(capture: Capture):
    away = replace(capture, root_translation=np.full((FRAMES, 3), 5, np.float32))
    with pytest.raises(LikenessError, match="track it again"):
        fit_baseline(away, SIZE)


def test_a_camera_at_another_size_sees_the_same():
    camera = Camera(SIZE, SIZE, 300.0, 300.0, 48.0, 48.0, views()[2][0])
    head = standin()
    uv = torch.tensor(head.uv)
    surface = Surface(torch.tensor(head.faces), uv, torch.tensor(head.faces_uv.astype(np.int64)))
    white = torch.ones(8, 8, 3)
    coarse = render_mesh(WarpRasteriser(), surface, head.template, white, camera, supersampling=4)
    fine = render_mesh(WarpRasteriser(), surface, head.template, white, camera.resized(384, 384), supersampling=1)
    np.testing.assert_allclose(coarse, fine.reshape(SIZE, 4, SIZE, 4, 4).mean((1, 3)), atol=1e-6)
