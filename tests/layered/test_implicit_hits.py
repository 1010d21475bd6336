"""Gradients that hits carry are those of the hits themselves: checked by moving things and finding hits anew."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from balls import ball_field
from likeness.camera import Camera
from likeness.layered.deformation import TorchPose
from likeness.layered.field import Manifold, project_to_level
from likeness.layered.grid import Grid
from likeness.layered.hit_refinement import refined_hits
from likeness.layered.hull_field import HullField
from likeness.layered.implicit_hits import implicit_hits, perpendicular
from likeness.layered.mlp_field import MlpManifold
from likeness.layered.point_deformation import FrameDeformation
from likeness.rig import Pose
from torch.nn.functional import normalize

GRID = Grid.over([-0.16, -0.16, -0.16], [0.16, 0.16, 0.16], 0.004)
CAMERA = Camera(
    64, 64, 120, 120, 32, 32, np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.6], [0, 0, 0, 1]], np.float32)
)
LEVEL = 0.004


@pytest.fixture(scope="module")
def known() -> HullField:
    """A ball of 10 cm whose head moves its lower half with the jaw."""
    return ball_field(GRID)


@pytest.fixture(scope="module")
def manifold(known) -> Manifold:
    field = Manifold(known.values, GRID)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in field.residuals:
            part.add_(0.001 * torch.randn(part.shape, generator=generator))
    return field


def lines(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Points about the level set, and unit directions that pass it, not grazing."""
    outwards = normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1)
    aside = normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1)
    return 0.104 * outwards, normalize(-outwards + 0.6 * aside, dim=1)


def kinds(known: HullField, manifold: Manifold) -> dict[str, Manifold]:
    torch.manual_seed(1)
    network = MlpManifold(known, width=24, depth=3)
    return {"grid": deepcopy(manifold).double(), "mlp": network.double()}


@pytest.mark.parametrize("kind", ["grid", "mlp"])
def test_the_newton_step_carries_the_roots_gradient_into_the_manifold(known, manifold, kind):
    """Double precision: a weighted sum of roots along lines, against central differences of roots found anew."""
    field = kinds(known, manifold)[kind]
    generator = torch.Generator().manual_seed(2)
    starts, directions = lines(40, generator)
    level = LEVEL if kind == "grid" else float(field(starts)[0].detach().mean())
    levels = torch.full((len(starts),), level, dtype=torch.float64)
    weights = torch.randn(len(starts), 3, generator=generator, dtype=torch.float64)

    def roots() -> torch.Tensor:
        return project_to_level(field, starts, levels, directions, steps=40, longest=0.02).detach()

    found = roots()
    settled = (field(found)[0] - levels).detach().abs() < 1e-12
    assert settled.float().mean() > 0.8
    found, lines_of, weights = found[settled], directions[settled], weights[settled]
    (project_to_level(field, found, levels[settled], lines_of) * weights).sum().backward()
    largest = []
    for parameter in field.parameters():
        if parameter.grad is None:
            continue
        entry = int(parameter.grad.abs().argmax())
        expected = float(parameter.grad.view(-1)[entry])
        step = 1e-6
        sums = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[entry] += sign * step
                sums.append(float((roots()[settled] * weights).sum()))
                parameter.view(-1)[entry] -= sign * step
        # Differences of second order in the step, and roots that are found to 1e-12.
        assert (sums[0] - sums[1]) / (2 * step) == pytest.approx(expected, rel=1e-6)
        largest.append(abs(expected))
    assert max(largest) > 0.01


def frame(known: HullField, turn: float = 0.0, rise: float = 0.0, jaw: float = 0.0, shift: float = 0.0):
    """A frame that is turned, raised and so on by a little more than it is, differentiably."""
    pose = Pose(
        np.array([0.3, 0.2], np.float32), joint_rotations=np.array([[0.1, 0.2, 0], [0.3, 0, 0]] + [[0, 0, 0]] * 2)
    )
    known_pose = TorchPose.of(pose)
    leaves = torch.tensor([turn, rise, jaw, shift], requires_grad=True)
    rotations = known_pose.joint_rotations + torch.stack(
        [torch.stack([leaves[0] * 0, leaves[0], leaves[0] * 0]), torch.stack([leaves[2], leaves[2] * 0, leaves[2] * 0])]
        + [torch.zeros(3)] * 2
    )
    moved = replace(
        known_pose,
        joint_rotations=rotations,
        root_translation=torch.stack([leaves[1] * 0, leaves[1], leaves[1] * 0]),
    )
    offset = torch.stack([leaves[3], leaves[3] * 0, leaves[3] * 0])
    return FrameDeformation(known.deformer.motion(), known.head, moved, CAMERA, offset), leaves


def rays_through(known: HullField, manifold: Manifold, count: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays from the camera to the front of the level set, with canonical points about where they meet it."""
    generator = torch.Generator().manual_seed(3)
    outwards = normalize(torch.randn(count, 3, generator=generator) + torch.tensor([0.0, 0.0, 2.0]), dim=1)
    points = 0.104 * outwards
    with torch.no_grad():
        deformation, _ = frame(known)
        rays = normalize(deformation(points), dim=1)
        _, normals = implicit_hits(deformation, manifold, points, rays, torch.full((count,), LEVEL))
        seen = (normals * rays).sum(1) < -0.4
        return rays[seen], points[seen]


def test_hits_carry_pose_camera_and_jaw(known, manifold):
    """Central differences of hits found anew; single precision, so over steps of a ten-thousandth."""
    rays, points = rays_through(known, manifold)
    levels = torch.full((len(rays),), LEVEL)
    weights = torch.randn(len(rays), 3, generator=torch.Generator().manual_seed(4))

    def hits(*changes: float) -> torch.Tensor:
        deformation, _ = frame(known, *changes)
        return refined_hits(deformation, manifold, points, rays, levels, steps=12)

    found = hits()
    deformation, leaves = frame(known)
    final, normals = implicit_hits(deformation, manifold, found, rays, levels)
    # Where a hit lies next to a wall between cells, differences see another slope beyond it.
    assert (final - found).norm(dim=1).median() < 1e-6
    posed = deformation(found).detach()
    assert (posed - (posed * rays).sum(1, keepdim=True) * rays).norm(dim=1).median() < 1e-6
    assert (manifold(found)[0] - LEVEL).abs().median() < 1e-6
    assert ((normals * rays).sum(1) < 0).float().mean() > 0.99
    steady = (final - found).norm(dim=1) < 1e-5
    assert steady.float().mean() > 0.9
    (final * weights)[steady].sum().backward()
    step = 1e-4
    assert leaves.grad is not None
    for place, expected in enumerate(leaves.grad.tolist()):
        change = [0.0] * 4
        change[place] = step
        ahead, behind = hits(*change), hits(*(-value for value in change))
        difference = float(((ahead - behind) * weights)[steady].sum()) / (2 * step)
        scale = float(((ahead - behind) * weights)[steady].norm()) / (2 * step)
        # Kinks of the grid and of nearest neighbours within the step, and roundings, err in all directions: compare
        # with the norm.
        assert difference == pytest.approx(expected, abs=0.02 * scale)


def test_a_rising_field_pushes_hits_towards_the_camera_by_what_geometry_says(known):
    """On a sphere, dx = -d dM / (n . d) along the ray: the same by all three unknowns as by one."""
    plain = Manifold(known.values, GRID)
    rays, points = rays_through(known, plain)
    levels = torch.full((len(rays),), LEVEL)
    deformation = FrameDeformation(known.deformer.motion(), known.head, TorchPose.of(known.head.pose), CAMERA)
    rays = normalize(deformation(points), dim=1)
    facing = (rays * points).sum(1) < -0.03
    rays, points, levels = rays[facing], points[facing], levels[facing]
    hits, normals = implicit_hits(deformation, plain, points, rays, levels)
    (slope,) = torch.autograd.grad((hits * rays).sum(), plain.residuals[0])
    # In the canonical pose space is not bent, and all weights of the grid's nodes sum to one.
    assert float(slope.sum()) == pytest.approx(float((-1 / (normals * rays).sum(1)).sum()), rel=1e-3)


def test_two_directions_beside_a_ray_are_perpendicular():
    rays = normalize(torch.randn(100, 3, generator=torch.Generator().manual_seed(5)), dim=1)
    first, second = perpendicular(torch.cat([rays, torch.eye(3)]))
    rays = torch.cat([rays, torch.eye(3)])
    for one, other in ((first, second), (first, rays), (second, rays)):
        assert (one * other).sum(1).abs().max() < 1e-6
    torch.testing.assert_close(first.norm(dim=1), torch.ones(103))


def test_refinement_brings_mesh_hits_to_the_root(known, manifold):
    """From a few tenths of a millimetre beside the ray and off the level, in three evaluations."""
    rays, points = rays_through(known, manifold)
    generator = torch.Generator().manual_seed(6)
    deformation, _ = frame(known)
    levels = torch.full((len(rays),), LEVEL)
    exact = refined_hits(deformation, manifold, points, rays, levels, steps=12)
    start = exact + 3e-4 * torch.randn(exact.shape, generator=generator)
    distances = [
        (refined_hits(deformation, manifold, start, rays, levels, steps=n) - exact).norm(dim=1) for n in (0, 1, 3)
    ]
    medians = [float(distance.median()) for distance in distances]
    assert medians[1] < 0.2 * medians[0] and medians[2] < 0.01 * medians[0]
    assert (distances[2] < 2.4e-4).float().mean() > 0.98
