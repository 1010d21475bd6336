"""The paper's networks: their sizes, what they are before training, and that they stand where grids do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import GEOMETRY, PRESET, ball_capture, ball_field
from likeness.errors import LikenessError
from likeness.layered.bake import bake
from likeness.layered.deformation import TorchPose
from likeness.layered.extraction import extract_level
from likeness.layered.field_networks import field_networks, fit_to_known
from likeness.layered.geometry_preset import NetworkFieldPreset, StageOnePreset
from likeness.layered.grid import Grid
from likeness.layered.hull_field import HullField
from likeness.layered.mlp_deformer import MlpDeformer, NetworkDeformer
from likeness.layered.mlp_field import SPHERE_RADIUS, UNIT, FrequencyEncoding, MlpManifold, MlpRadiance
from likeness.layered.point_deformation import FrameDeformation
from likeness.layered.proxies import TextureLayout
from likeness.layered.stage_one import load_stage_one, save_stage_one, train_stage_one
from likeness.rig import Pose

GRID = Grid.over([-0.16, -0.13, -0.16], [0.16, 0.19, 0.16], 0.008)
MIDDLE = torch.tensor([0.0, 0.03, 0.0])
SMALL = NetworkFieldPreset(
    manifold_width=48, manifold_depth=3, radiance_width=32, radiance_depth=2, deformer_width=48, fit_steps=150
)


@pytest.fixture(scope="module")
def known() -> HullField:
    return ball_field(GRID)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_are_the_papers(known):
    torch.manual_seed(0)
    # Weight normalisation adds a length for each output: 5 x 256 + 1 of the manifold.
    assert count(MlpManifold(known)) == 33 * 256 + 4 * 256**2 + 256 + 5 * 256 + 1 + 5 * 256 + 1
    radiance = MlpRadiance(GRID, TextureLayout(16, 1, 8))
    assert count(radiance) == pytest.approx(5.94e6, rel=0.005)
    deformer = MlpDeformer(GRID, 50)
    assert count(deformer) == pytest.approx(0.07e6, rel=0.05)


def test_encoding_is_raw_then_sines_and_cosines_per_frequency():
    encoding = FrequencyEncoding(2, GRID)
    point = torch.tensor([[0.05, 0.03, -0.1]])
    raw = (point - MIDDLE) / UNIT
    expected = torch.cat([raw, raw.sin(), raw.cos(), (2 * raw).sin(), (2 * raw).cos()], 1)
    torch.testing.assert_close(encoding(point), expected, atol=1e-6, rtol=0)
    assert FrequencyEncoding(5, GRID).width == 33 and FrequencyEncoding(12, GRID).width == 75


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_manifold_is_about_a_sphere(known, seed):
    """Exactly so for layers of infinite width (Atzmon, Lipman: SAL); at 256 slopes differ by tens of per cent."""
    torch.manual_seed(seed)
    manifold = MlpManifold(known)
    directions = torch.nn.functional.normalize(torch.randn(300, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    radius = SPHERE_RADIUS * UNIT
    _, gradients = manifold(MIDDLE + radius * directions)
    slopes = (gradients * directions).sum(1)
    assert slopes.min() > 0.3 and slopes.max() < 1.7
    outside, inside = (manifold(MIDDLE + scale * radius * directions)[0] for scale in (2.0, 0.4))
    assert (outside > 0).all() and (inside < 0).all()


def test_gradients_are_slopes_and_learn_nothing(known):
    torch.manual_seed(0)
    manifold = MlpManifold(known, width=32, depth=3).double()
    points = 0.1 * torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values, gradients = manifold(points)
    assert values.requires_grad and not gradients.requires_grad
    slopes = [
        (manifold(points + 1e-6 * axis)[0] - manifold(points - 1e-6 * axis)[0]) / 2e-6
        for axis in torch.eye(3, dtype=torch.float64)
    ]
    torch.testing.assert_close(gradients, torch.stack(slopes, 1).detach(), atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        assert not manifold(points)[0].requires_grad


def test_fitting_teaches_what_is_known(known):
    torch.manual_seed(0)
    networks = field_networks(known, TextureLayout(2, 1, 4), StageOnePreset(field="mlp", network=SMALL))
    fit_to_known(networks.field, networks.manifold, networks.deformer, 300, seed=0)
    mesh = extract_level(networks.manifold.volume(GRID), GRID, 0.0)
    # Pictures teach the rest; a network as narrow as this gets within a few millimetres.
    assert np.abs(np.linalg.norm(mesh.positions, axis=1) - 0.1).max() < 0.003
    error = networks.manifold.correction(torch.as_tensor(known.head.points))
    assert error.abs().mean() < 0.001
    points = 1.05 * known.head.points
    learned, carried = (deformer.attributes(points) for deformer in (networks.field.deformer, known.deformer))
    before = np.abs(carried.expression_basis).max()
    assert np.abs(learned.expression_basis - carried.expression_basis).mean() < 0.1 * before
    assert np.abs(learned.skin_weights - carried.skin_weights).mean() < 0.02


def test_an_untrained_deformer_moves_nothing_and_prefers_no_joint():
    torch.manual_seed(0)
    basis, weights = MlpDeformer(GRID, 5)(0.1 * torch.randn(20, 3))
    assert basis.shape == (20, 3, 5 + 36) and not basis.any()
    torch.testing.assert_close(weights, torch.full((20, 6), 1 / 6))


def test_a_deformers_points_move_as_its_vertices_do(known):
    """Contracting the last layer by the frame's change first is the same as blending all its outputs."""
    torch.manual_seed(0)
    network = MlpDeformer(GRID, 2, width=32)
    for last in (network.displacement, network.weight):
        torch.nn.init.normal_(last.weight, std=0.02)
        torch.nn.init.normal_(last.bias, std=0.02)
    deformer = NetworkDeformer(known.deformer, network)
    points = known.head.points[::7]
    pose = TorchPose.of(Pose(np.array([0.4, 0.8], np.float32), joint_rotations=0.2 * np.ones((4, 3), np.float32)))
    attributes, bare = deformer.looked_up(points)
    np.testing.assert_array_equal(bare, known.deformer.bareness(points))
    change = torch.linspace(-0.5, 0.5, 38)
    displacements, weights = deformer.motion()(torch.as_tensor(points), change)
    basis = np.concatenate([attributes.expression_basis, attributes.corrective_basis], 2)
    np.testing.assert_allclose(displacements.detach().numpy(), basis @ change.numpy(), atol=1e-6)
    np.testing.assert_allclose(weights.detach().numpy(), attributes.skin_weights, atol=1e-6)
    camera = ball_capture(2, 16)[1].cameras[0]
    posed, jacobian = FrameDeformation(deformer.motion(), known.head, pose, camera).with_jacobian(
        torch.as_tensor(points)
    )
    assert posed.requires_grad and not jacobian.requires_grad
    posed.sum().backward()
    assert network.displacement.weight.grad is not None and network.weight.bias.grad is not None


def test_radiance_is_what_a_texel_holds():
    torch.manual_seed(0)
    layout = TextureLayout(3, 1, 4)
    values = MlpRadiance(GRID, layout, width=32, depth=2)(0.1 * torch.randn(50, 3), torch.full((50,), 0.9))
    assert values.shape == (50, layout.channels)
    assert ((values >= 0) & (values <= 1)).all()
    # Untrained, the network says about nothing: opacity is what was expected.
    assert (values[:, layout.alpha] - 0.9).abs().max() < 0.1
    # Colours of two bases come from two heads.
    assert (values[:, 0:3] - values[:, 3:6]).abs().max() > 1e-3


def test_an_unknown_field_is_told(known):
    with pytest.raises(LikenessError, match=r"geometry\.stage_one\.field is 'foam'; choose one of grid, mlp"):
        field_networks(known, TextureLayout(2, 1, 4), StageOnePreset(field="foam"))


def test_stage_one_learns_saves_and_bakes_with_networks(tmp_path):
    capture, frames = ball_capture(turns=5, size=48)
    stage_one = StageOnePreset(
        steps=25, cell=0.014, pixels=200, extraction_steps=(0.5,), keep_look=True, field="mlp", network=SMALL,
        refinement_steps=2, network_rate=3e-3, geometry_start=0.0,
    )  # fmt: skip
    geometry = replace(
        GEOMETRY, shell_levels=(0.004, 0.01), cell=0.008, extraction_cell=0.01, core_faces=500, head_faces=300,
        shell_faces=500, hull_frames=4, outline_steps=0, stage_one=stage_one,
    )  # fmt: skip
    preset = replace(PRESET, geometry=geometry, picture_size=48, threads=0)
    learned = train_stage_one(frames, capture, preset, seconds=600)
    assert learned.learns_motion and len(learned.losses) == 25
    assert np.mean(learned.losses[-6:]) < np.mean(learned.losses[:6])
    save_stage_one(learned, tmp_path / "stage-one")
    again = load_stage_one(tmp_path / "stage-one", frames, capture, preset)
    for module in ("manifold", "deformer", "radiance"):
        pairs = zip(getattr(learned, module).parameters(), getattr(again, module).parameters(), strict=True)
        for before, after in pairs:
            torch.testing.assert_close(before, after)
    points = learned.field.head.points
    np.testing.assert_array_equal(
        learned.field.deformer.attributes(points).skin_weights, again.field.deformer.attributes(points).skin_weights
    )
    baked = bake(again, frames, capture, preset)
    assert torch.isfinite(baked.textures).all() and baked.layer_count == len(geometry.levels)
