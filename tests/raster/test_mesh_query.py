"""Signed distances and ray hits, against spheres, boxes and exhaustive search."""

import numpy as np
import torch
import trimesh
from likeness.raster.mesh_query import intersect_rays, signed_distance


def sphere() -> tuple[torch.Tensor, torch.Tensor]:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    return torch.tensor(np.array(mesh.vertices)).float(), torch.tensor(np.array(mesh.faces)).int()


def scattered(count: int, scale: float) -> torch.Tensor:
    return scale * torch.randn(count, 3, generator=torch.Generator().manual_seed(8))


def test_distances_to_a_sphere_are_its_radius_away_and_negative_inside():
    vertices, faces = sphere()
    points = scattered(500, 0.1)
    distance, _, _ = signed_distance(vertices, faces, points)
    # The inscribed polyhedron lies up to half the square of an edge's angle (0.14 rad) below the sphere.
    assert (distance - (points.norm(dim=1) - 0.1)).abs().max() < 0.1 * 0.14**2 / 2
    assert (distance < 0).any() and (distance > 0).any()


def test_barycentrics_give_the_point_whose_distance_is_told():
    vertices, faces = sphere()
    points = scattered(500, 0.1)
    distance, face, barycentric = signed_distance(vertices, faces, points)
    nearest = (vertices[faces[face.long()].long()] * barycentric[..., None]).sum(1)
    # Single precision at a tenth of a metre; the nearest point of a triangle is never outside of it.
    torch.testing.assert_close((points - nearest).norm(dim=1), distance.abs(), atol=1e-7, rtol=0)
    assert barycentric.min() > -1e-6
    exhaustive = trimesh.triangles.closest_point(
        np.repeat(vertices.numpy()[faces.numpy()], 20, 0), np.tile(points[:20].numpy(), (len(faces), 1))
    )
    lengths = np.linalg.norm(exhaustive.reshape(len(faces), 20, 3) - points[:20].numpy(), axis=-1).min(0)
    np.testing.assert_allclose(distance[:20].abs(), lengths, atol=1e-7)


def test_the_sign_survives_a_hole_and_an_overlapping_part():
    vertices, faces = sphere()
    open_faces = faces[vertices[faces.long()][:, :, 1].mean(1) < 0.085]
    assert len(open_faces) < len(faces)
    twin = torch.cat([vertices, vertices + torch.tensor([0.08, 0.0, 0.0])])
    both = torch.cat([open_faces, open_faces + len(vertices)])
    inside = torch.tensor([[0.0, 0.0, 0.0], [0.04, 0.0, 0.0], [0.09, 0.02, 0.0]])
    outside = torch.tensor([[0.04, 0.15, 0.0], [-0.12, 0.0, 0.0], [0.2, 0.1, 0.0]])
    distance, _, _ = signed_distance(twin, both, torch.cat([inside, outside]))
    assert (distance[:3] < 0).all()
    assert (distance[3:] > 0).all()


def test_rays_hit_the_near_side_at_the_distance_in_metres():
    vertices, faces = sphere()
    origins = torch.tensor([[0.01, 0.02, 1.0], [0.0, 0.5, 1.0]])
    directions = torch.tensor([[0.0, 0.0, -3.0], [0.0, 0.0, -1.0]])
    distance, face, barycentric = intersect_rays(vertices, faces, origins, directions)
    hit = (vertices[faces[int(face[0])].long()] * barycentric[0][:, None]).sum(0)
    torch.testing.assert_close(hit, torch.tensor([0.01, 0.02, 1.0 - distance[0].item()]), atol=1e-6, rtol=0)
    assert abs(hit.norm().item() - 0.1) < 0.1 * 0.14**2 / 2
    assert hit[2] > 0
    assert face[1] == -1 and torch.isinf(distance[1]) and (barycentric[1] == 0).all()


def test_rays_from_inside_hit_the_back_of_the_surface():
    vertices, faces = sphere()
    directions = scattered(50, 1.0)
    distance, face, _ = intersect_rays(vertices, faces, torch.zeros(50, 3), directions)
    assert (face >= 0).all()
    torch.testing.assert_close(distance, torch.full((50,), 0.1), atol=0.1 * 0.14**2 / 2, rtol=0)
