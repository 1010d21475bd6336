"""The reference search finds what can be known without it: spheres that move rigidly, and one that is bent."""

import numpy as np
import pytest
import torch
import trimesh
from balls import ball_head
from likeness.camera import Camera
from likeness.layered.canonical import CanonicalHead, canonical_head
from likeness.layered.deformation import TorchPose
from likeness.layered.point_deformation import FrameDeformation
from likeness.layered.reference_search import (
    NOTHING,
    Search,
    SearchSettings,
    canonical_points,
    first_crossings,
    lowest_values,
)
from likeness.layered.search_starts import all_starts, bone_starts, skin_starts
from likeness.raster.mesh_query import intersect_rays
from likeness.rig import AVATAR_JOINTS, Pose
from torch.nn.functional import normalize

CAMERA = Camera(
    64, 64, 120, 120, 32, 32, np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.6], [0, 0, 0, 1]], np.float32)
)
RADIUS = 0.1
LEVELS = torch.tensor([-0.01, 0.0, 0.02])
ALL_AROUND = (torch.tensor([0.0, 0.0, -0.6]), 0.25)
PLAIN = SearchSettings()
THOROUGH = SearchSettings(samples=160, secant_steps=12)


@pytest.fixture(scope="module")
def head() -> CanonicalHead:
    return canonical_head(ball_head(), ())


def sphere(points: torch.Tensor) -> torch.Tensor:
    return points.norm(dim=1) - RADIUS


def rays() -> torch.Tensor:
    return normalize(torch.as_tensor(CAMERA.ray_directions()).view(-1, 3)[::3], dim=1)


def follows(joint: str):
    """Everything follows one joint, and nothing else moves."""

    def motion(points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights = torch.zeros(len(points), len(AVATAR_JOINTS))
        weights[:, AVATAR_JOINTS.index(joint)] = 1
        return torch.zeros_like(points), weights

    return motion


def bends(points: torch.Tensor, change: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """From the neck's motion below to the jaw's above within a few centimetres, and the first expression pulls."""
    share = torch.sigmoid(points[:, 1] / 0.02)
    weights = torch.zeros(len(points), len(AVATAR_JOINTS))
    weights = weights.index_copy(1, torch.tensor([1, 2]), torch.stack([1 - share, share], 1))
    pull = 0.02 * torch.exp(-((points - torch.tensor([0.05, 0, 0.08])) ** 2).sum(1) / 0.03**2)
    return change[0] * pull[:, None] * torch.tensor([0.0, 0.0, 1.0]), weights


def bent(head: CanonicalHead) -> FrameDeformation:
    rotations = np.array([[0.1, 0.2, 0], [0.1, 0.1, 0.5], [0, 0, 0], [0, 0, 0]], np.float32)
    pose = Pose(np.array([0.9, 0], np.float32), joint_rotations=rotations)
    return FrameDeformation(bends, head, TorchPose.of(pose), CAMERA)


def search(
    deformation: FrameDeformation,
    joints: tuple[str, ...] = ("neck", "jaw"),
    settings: SearchSettings = PLAIN,
) -> Search:
    return Search(deformation, sphere, bone_starts(deformation, joints), settings)


def test_a_rigid_sphere_is_hit_where_geometry_says(head):
    turn = Pose(
        np.zeros(2, np.float32), np.array([0.2, 0.9, 0.1], np.float32), np.array([0.02, -0.03, 0.05], np.float32)
    )
    deformation = FrameDeformation(follows("root"), head, TorchPose.of(turn), CAMERA)
    found = first_crossings(search(deformation, ("body", "neck", "root")), rays(), LEVELS, ALL_AROUND)
    centre = deformation(torch.zeros(1, 3))[0].double()
    directions = rays().double()
    for level, crossing, depth in zip(LEVELS, found.found, found.depths, strict=True):
        along = directions @ centre
        clear = centre @ centre - along**2
        reach = (RADIUS + float(level)) ** 2 - clear
        # Between samples (0.5 / 47 m apart at most) a ray may pass in and out unseen.
        surely = reach > 0.006**2
        assert crossing[surely].all()
        assert not crossing[reach < 0].any()
        # Depths err by what single precision knows of half a metre, divided by the steepness of the crossing.
        expected = along - reach.clamp(min=0).sqrt()
        steep = reach > 0.03**2
        assert (depth - expected)[steep].abs().max() < 2e-6
        assert (depth - expected)[surely].abs().max() < 1e-5


def test_broyden_inverts_a_bent_space(head):
    deformation = bent(head)
    generator = torch.Generator().manual_seed(0)
    true = 0.12 * normalize(torch.randn(2000, 3, generator=generator), dim=1)
    posed = deformation(true)
    points, found = canonical_points(search(deformation), posed)
    assert found.any(0).float().mean() > 0.99
    again = deformation(points[found])
    assert (again - posed.expand(2, -1, -1)[found]).norm(dim=1).max() < 2.5e-6
    # Nothing folds in this motion, so there is one canonical point only, whatever the start.
    assert (points - true)[found].norm(dim=1).max() < 2e-5


def test_a_bent_sphere_is_hit_where_a_fine_mesh_of_it_is(head):
    deformation = bent(head)
    found = first_crossings(search(deformation, settings=THOROUGH), rays(), LEVELS, ALL_AROUND)
    ball = trimesh.creation.icosphere(subdivisions=6)
    faces = torch.as_tensor(np.asarray(ball.faces), dtype=torch.int32)
    for index, level in enumerate(LEVELS):
        canonical = torch.as_tensor(np.asarray(ball.vertices), dtype=torch.float32) * (RADIUS + float(level))
        distances, hit_faces, _ = intersect_rays(deformation(canonical), faces, torch.zeros_like(rays()), rays())
        seen = hit_faces >= 0
        both = seen & found.found[index]
        # At the outline a ray may pass between samples, or between the mesh's corners.
        assert both.sum() > 0.97 * torch.maximum(seen.sum(), found.found[index].sum())
        error = (found.depths[index] - distances)[both].abs()
        # The mesh's edges are 2 mm long, its faces 5 um inside of the sphere; grazing rays multiply that.
        assert error.median() < 2e-5
        assert (error < 2e-4).float().mean() > 0.98
        assert (found.values[index][both] - level).abs().max() < 1e-6


def test_samples_without_a_canonical_point_are_outside(head):
    # The pull stretches space so much that places behind it have no origin near any start.
    none = SearchSettings(broyden_steps=0)
    values, _ = lowest_values(search(bent(head), settings=none), torch.tensor([[0.03, 0.05, -0.52]]))
    assert values.item() == NOTHING


def test_of_two_origins_the_deeper_counts(head):
    """Two joints bring two places to one point, as lips do: the sphere's middle wins over its outside."""
    pose = Pose(np.zeros(2, np.float32), np.zeros(3, np.float32), np.array([0.15, 0, 0], np.float32))

    def torn(points, change):
        weights = torch.zeros(len(points), len(AVATAR_JOINTS))
        left = points[:, 0] < -0.05
        weights[left, AVATAR_JOINTS.index("root")] = 1
        weights[~left, AVATAR_JOINTS.index("body")] = 1
        return torch.zeros_like(points), weights

    deformation = FrameDeformation(torn, head, TorchPose.of(pose), CAMERA)
    place = torch.tensor([[0.05, 0.0, -0.6]])
    both = search(deformation, ("body", "root"))
    points, found = canonical_points(both, place)
    assert found.all()
    value, point = lowest_values(both, place)
    torch.testing.assert_close(point[0], torch.tensor([0.05, 0.0, 0.0]), atol=1e-6, rtol=0)
    assert value.item() == pytest.approx(-0.05, abs=1e-6)
    np.testing.assert_allclose(points[1, 0], [-0.1, 0, 0], atol=1e-6)


def test_starts_from_the_skin_find_what_no_bone_leads_to(head):
    """An expression lifts the crown of the ball by its radius; places there come from the crown, not from the air."""

    def lifted(points, change):
        weights = torch.zeros(len(points), len(AVATAR_JOINTS))
        weights[:, AVATAR_JOINTS.index("body")] = 1
        reach = torch.exp(-((points - torch.tensor([0, RADIUS, 0])) ** 2).sum(1) / 0.03**2)
        return RADIUS * reach[:, None] * torch.tensor([0.0, 1.0, 0.0]), weights

    deformation = FrameDeformation(lifted, head, TorchPose.of(Pose(np.zeros(2, np.float32))), CAMERA)
    place = torch.tensor([[0.0, 0.195, -0.6]])
    bones = bone_starts(deformation, ("body", "neck"))
    alone, _ = lowest_values(Search(deformation, sphere, bones, PLAIN), place)
    skin = skin_starts(deformation, torch.as_tensor(head.points), 3)
    together, point = lowest_values(Search(deformation, sphere, all_starts(bones, skin), PLAIN), place)
    assert alone.item() == pytest.approx(0.095, abs=1e-3)
    assert together.item() < -0.001
    torch.testing.assert_close(deformation(point), place, atol=3e-6, rtol=0)


def test_starts_from_the_skin_come_from_as_many_patches(head):
    deformation = bent(head)
    posed = deformation(torch.as_tensor(head.points))[::9] + 0.002
    starts = skin_starts(deformation, torch.as_tensor(head.points), 4)(posed)
    assert starts.shape == (4, len(posed), 3)
    # Each start is off by how differently patches move; the nearest patch's is off least.
    errors = (deformation(starts.view(-1, 3)).view(starts.shape) - posed).norm(dim=2)
    assert errors[0].mean() < errors[3].mean() < 0.02
