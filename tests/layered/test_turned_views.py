"""Heads turned farther than they were filmed: in one piece, and nothing else is learnt from them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from likeness.layered.deformation import PoseCorrections, TorchPose
from likeness.layered.finetune import finetune
from likeness.layered.finetune_state import Scene
from likeness.layered.presets import FineTuningPreset
from likeness.layered.rendering import ray_directions
from likeness.layered.turned_views import BLUR, drawn_turn, filmed_turns, turned_loss, turned_pose, whole
from likeness.raster.warp_rasteriser import WarpRasteriser
from likeness.rig import rotation_matrices
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter
from tiny_training import PRESET, blank_proxies, rendered, training_frames

SIDE = 48


@pytest.fixture(scope="module")
def frames():
    plain = training_frames()
    # A head that is turned already, before a camera that is, too.
    aside = replace(plain.cameras[0], camera_to_world=plain.cameras[0].camera_to_world.copy())
    aside.camera_to_world[:3, :3] = rotation_matrices([0.1, -0.2, 0.05]) @ aside.camera_to_world[:3, :3]
    root = plain.root_rotation.clone()
    root[2] = torch.tensor([0.05, 0.3, -0.1])
    return replace(plain, cameras=(*plain.cameras[:2], aside, *plain.cameras[3:]), root_rotation=root)


def test_a_head_is_turned_as_the_camera_sees_it(frames):
    for index in (0, 2):
        pose = turned_pose(frames, index, (20.0, 0.0))
        joints = frames.joint_rotations.clone()
        joints[index] = pose.joint_rotations
        before, after = filmed_turns(frames)[index], filmed_turns(replace(frames, joint_rotations=joints))[index]
        # About the camera's vertical: the face's direction keeps its height.
        assert after - before == pytest.approx([20, 0], abs=1e-2)


def test_nothing_but_the_neck_turns(frames):
    own, pose = TorchPose.of_frame(frames, 2), turned_pose(frames, 2, (20.0, -10.0))
    assert torch.equal(pose.joint_rotations[1:], own.joint_rotations[1:])
    assert torch.equal(pose.expression, own.expression)
    assert torch.equal(pose.root_rotation, own.root_rotation)
    torch.testing.assert_close(turned_pose(frames, 2, (0.0, 0.0)).joint_rotations, own.joint_rotations)


def test_turns_reach_beyond_those_of_training_frames_and_no_farther():
    numbers, random = FineTuningPreset(turned_yaw=30.0, turned_pitch=10.0), np.random.default_rng(0)
    turns = np.array([[-10, 0], [20, 5], [80, 80]], np.float32)
    drawn = np.array([drawn_turn(turns, (0, 1), numbers, random) for _ in range(500)])
    assert drawn.min(0) == pytest.approx([-40, -10], abs=1) and (drawn.min(0) >= [-40, -10]).all()
    assert drawn.max(0) == pytest.approx([50, 15], abs=1) and (drawn.max(0) <= [50, 15]).all()


@pytest.fixture
def disc() -> np.ndarray:
    """A person that goes on below the picture."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return ((np.hypot(rows - 20, columns - 24) < 14) | ((rows > 20) & (abs(columns - 24) < 10))).astype(np.float32)


def test_a_person_in_one_piece_stays_as_it_is(disc):
    np.testing.assert_allclose(whole(disc), disc, atol=1e-6)


def test_an_outline_stays_as_soft_and_as_large_as_it_is(disc):
    # Softer without than within, as hair is: asked to be sharp it would grow.
    soft = np.maximum(gaussian_filter(disc, 0.7), 0.45 * binary_dilation(disc, iterations=2))
    wanted = whole(soft.astype(np.float32))
    outline = (soft > 0.02) & (soft < 0.98)
    assert outline.sum() > 200
    assert abs(wanted - soft)[outline].mean() < 0.01
    assert wanted.sum() == pytest.approx(soft.sum(), rel=0.002)


def test_gaps_are_closed_and_wisps_are_taken_away(disc):
    torn = disc.copy()
    torn[10:, 24:26] *= 0.2
    torn[16:22, 16:22] = 0.0
    torn[14, 30:47] = 0.9
    torn[30:44, 44:46] = 0.8
    difference = np.abs(whole(torn) - disc)
    # Where wisp and gap meet the outline, a few pixels of each stay.
    inside, outside = (np.asarray(distance_transform_edt(side)) > 5 for side in (disc > 0.5, disc < 0.5))
    assert np.abs(torn - disc)[inside].sum() > 30 and np.abs(torn - disc)[outside].sum() > 10
    assert difference[inside].max() < 0.05
    assert difference[outside].max() < 0.05


def test_what_is_wider_than_gaps_and_wisps_stays(disc):
    apart = disc.copy()
    apart[:, : round(3 * BLUR)] = 1.0
    np.testing.assert_allclose(whole(apart), apart, atol=1e-6)


@pytest.fixture
def scene(frames) -> Scene:
    """The tiny avatar, whose shells have opacities like noise."""
    torch.manual_seed(4)
    numbers = replace(PRESET, fine_tuning=replace(PRESET.fine_tuning, steps=1))
    proxies = blank_proxies()
    textures = proxies.textures.clone()
    textures[..., proxies.layout.alpha] = torch.rand_like(textures[..., proxies.layout.alpha])
    tuned = finetune(replace(proxies, textures=textures), frames, numbers, WarpRasteriser(), seconds=0.0)
    corrections = PoseCorrections(len(frames), frames.expression.shape[1])
    directions = ray_directions(frames.cameras[0])
    return Scene(
        proxies, frames, WarpRasteriser(), tuned.table, tuned.decoder, corrections, corrections, directions, {}
    )


def test_opacities_learn_from_turned_views_and_nothing_else_does(scene, frames):
    layout, numbers = scene.proxies.layout, PRESET.fine_tuning
    before = scene.table.values.clone()
    loss = turned_loss(scene, filmed_turns(frames), 2, numbers, np.random.default_rng(1))
    assert loss > 0
    loss.backward()
    assert all(parameter.grad is None for parameter in scene.decoder.parameters())
    scene.table.step(0.01)
    changed = (scene.table.values - before).abs().amax(0)
    assert changed[layout.alpha].min() > 0
    assert changed[layout.colour].max() == 0
    assert changed[layout.features].max() == 0


def test_a_head_that_is_in_one_piece_teaches_nothing(scene, frames):
    textures = scene.table.textures.clone()
    textures[..., scene.proxies.layout.alpha] = 0.0
    scene.table.replace(textures)
    loss = turned_loss(scene, filmed_turns(frames), 0, PRESET.fine_tuning, np.random.default_rng(1))
    assert loss == 0
    loss.backward()


@torch.no_grad()
def raggedness(tuned, frames) -> float:
    """Share of turned heads' pictures that are far from being in one piece."""
    found, proxies, turns = [], blank_proxies(), filmed_turns(frames)
    for yaw in (-40.0, -25.0, 25.0, 40.0):
        pose = turned_pose(frames, 0, np.array([yaw, 0.0]) - turns[0])
        picture = rendered(proxies, pose, frames.cameras[0], tuned.table, tuned.decoder)
        opacity = picture[:, 3].view(frames.size[1], frames.size[0]).numpy()
        found.append((np.abs(opacity - whole(opacity)) > 0.25).mean())
    return float(np.mean(found))


def test_heads_hold_together_at_turns_that_were_not_filmed():
    frames, proxies = training_frames(), blank_proxies()

    def learnt(weight: float) -> float:
        numbers = replace(PRESET.fine_tuning, turned_weight=weight, turned_interval=1, turned_start=0.2)
        preset = replace(PRESET, fine_tuning=numbers)
        return raggedness(finetune(proxies, frames, preset, WarpRasteriser(), seconds=math.inf), frames)

    assert learnt(1.0) < 0.5 * learnt(0.0)
