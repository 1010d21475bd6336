"""Texels that no frame has seen, and the way from what was learnt to a file and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from avatars import EXPRESSIONS
from likeness.asset import read_layered_avatar, write_layered_avatar
from likeness.asset.pictures import decode_png
from likeness.head.model import HeadModel
from likeness.layered.decoder import AppearanceDecoder
from likeness.layered.deformation import PoseCorrections, TorchPose
from likeness.layered.export import export_avatar
from likeness.layered.inpainting import SeenTexels, inpainted, seen_texels
from likeness.layered.playback import Player
from likeness.layered.texel_surface import texel_surface
from likeness.layered.texels import TexelTable
from likeness.raster.warp_rasteriser import WarpRasteriser
from tiny_training import blank_proxies, poses, rendered, training_frames


@pytest.fixture(scope="module")
def proxies():
    plain = blank_proxies()
    # A core, the cover and a loose shell.
    return replace(plain, levels=torch.tensor([-0.004, 0.001, 0.008]))


@pytest.fixture(scope="module")
def surface(proxies):
    return texel_surface(proxies, WarpRasteriser())


@pytest.fixture(scope="module")
def decoder(proxies) -> AppearanceDecoder:
    torch.manual_seed(2)
    return AppearanceDecoder(9 + len(EXPRESSIONS), proxies.feature_size, proxies.basis_count)


def test_texels_lie_on_the_surface(proxies, surface):
    # The tiny head's tile is one chart that fills it, but for the gutter and the halved quads at the poles.
    assert surface.covered.float().mean() > 0.6
    points = surface.positions[surface.covered]
    radii = points.norm(dim=1)
    assert radii.min() > 0.9 * proxies.positions.norm(dim=1).min()
    assert radii.max() < 1.001 * proxies.positions.norm(dim=1).max()
    # The head is nearly convex about its middle, so normals point away from it.
    outward = (surface.normals[surface.covered] * points).sum(1) / radii
    assert (outward > 0.5).float().mean() > 0.98


def test_frames_see_the_front_and_not_the_back(proxies, surface, decoder):
    frames = training_frames(4, held_out=0)
    table = TexelTable(proxies.textures, proxies.layout)
    corrections = PoseCorrections(len(frames), len(EXPRESSIONS))
    looked = seen_texels(proxies, table, decoder, frames, corrections, WarpRasteriser(), count=4)
    seen = looked.weights
    outermost, normals = surface.covered[-1], surface.normals[-1]
    assert seen[-1][outermost & (normals[..., 2] < -0.6)].max() == 0
    assert (seen[-1][outermost & (normals[..., 2] > 0.6)] > 0).all()
    # In the mean over frames, every pixel of the head sees the outermost layer once; inner ones get the rest.
    pixels = [float((frames.film(index).matte > 0).sum()) for index in range(len(frames))]
    # Counted as if pictures had as many pixels a side as textures have texels.
    camera = frames.cameras[0]
    as_many = (proxies.tile_size / max(camera.width, camera.height)) ** 2
    assert as_many != pytest.approx(1)
    assert seen[-1].sum() == pytest.approx(as_many * np.mean(pixels), rel=1e-3)
    assert seen[0].sum() < seen[1].sum() < seen[2].sum()
    assert (looked.square_weights <= seen + 1e-6).all()


@pytest.fixture
def half_seen(proxies, surface):
    """Textures of which frames have seen the front, opaque on the left and nearly transparent on the right."""
    textures = torch.empty_like(proxies.textures)
    front = surface.positions[..., 2] > 0.02
    textures[~front] = 0.77
    textures[front] = 0.25
    textures[..., proxies.layout.alpha] = torch.where(surface.positions[..., :1] > 0, 0.9, 0.1)
    # The decoder has made a brighter look of the textures than any of them holds.
    looks = torch.where(front[..., None], 0.4, 0.0).expand(*front.shape, 3)
    return textures, front, SeenTexels(front.float(), front.float(), looks)


def test_seen_parts_stay_and_unseen_ones_continue_what_they_looked_like(proxies, surface, half_seen):
    textures, front, seen = half_seen
    layout = proxies.layout
    filled = inpainted(textures, proxies, surface, seen, 0.1)
    for layer in (0, 1):
        known, unknown = surface.covered[layer] & front[layer], surface.covered[layer] & ~front[layer]
        torch.testing.assert_close(filled[layer][known], textures[layer][known])
        # Alike in every basis: nobody knows what the decoder would choose there.
        continued = filled[layer][unknown][:, layout.colour]
        torch.testing.assert_close(continued, torch.full_like(continued, 0.4))


def test_unseen_parts_are_opaque_in_the_core_and_transparent_in_loose_hair(proxies, surface, half_seen):
    textures, front, seen = half_seen
    layout = proxies.layout
    # The middle layer as the head mesh: it has holes, which go on where nobody looked.
    proxies = replace(proxies, levels=torch.tensor([-0.006, 0.0, 0.006]))
    filled = inpainted(textures, proxies, surface, seen, 0.1)
    core, mesh, hair = (filled[layer][surface.covered[layer] & ~front[layer]][:, layout.alpha] for layer in range(3))
    assert core.min() == 1
    assert hair.max() == 0
    side = surface.positions[1][surface.covered[1] & ~front[1]][:, 0]
    assert mesh[side > 0.02].min() == 1
    assert mesh[side < -0.02].max() == 0


def test_a_hidden_core_takes_the_look_of_what_covers_it(proxies, surface, half_seen):
    textures, _, seen = half_seen
    covers = (torch.arange(3) > 0).view(3, 1, 1)
    hidden = SeenTexels(seen.weights * covers, seen.square_weights * covers, seen.colours)
    filled = inpainted(textures, proxies, surface, hidden, 0.1)
    core = filled[0][surface.covered[0]][:, proxies.layout.colour]
    torch.testing.assert_close(core, torch.full_like(core, 0.4))


def test_what_was_only_grazed_counts_as_unseen(proxies, surface, half_seen):
    textures, front, seen = half_seen
    grazed = surface.positions[..., 2] < 0.04
    looks = torch.where(grazed[..., None], 1.0, seen.colours)
    square = torch.where(grazed, 0.001, 0.5) * seen.weights
    filled = inpainted(textures, proxies, surface, SeenTexels(seen.weights, square, looks), 0.1)
    behind = filled[1][surface.covered[1] & ~front[1]][:, proxies.layout.colour]
    torch.testing.assert_close(behind, torch.full_like(behind, 0.4))
    # Hair is there to be grazed: what loose shells have learnt stays.
    loose = surface.covered[2] & front[2]
    torch.testing.assert_close(filled[2][loose], textures[2][loose])


def test_unseen_hair_has_strands_and_the_nape_has_none(proxies, surface, half_seen):
    textures, front, seen = half_seen
    joints = proxies.joints.clone()
    joints[:, 1] -= 0.02
    angles = torch.atan2(surface.positions[..., 0], surface.positions[..., 2])
    strands = 0.4 + 0.2 * torch.sign(torch.sin(20 * angles))[..., None].expand(*front.shape, 3)
    seen = SeenTexels(seen.weights, seen.square_weights, strands * front[..., None])
    filled = inpainted(textures, replace(proxies, joints=joints), surface, seen, 0.1)[1][..., :3]
    eyes, height = float(joints[3, 1]), surface.positions[1, ..., 1]
    behind = surface.covered[1] & (surface.positions[1, ..., 2] < -0.02)
    hair, nape = filled[behind & (height > eyes)], filled[behind & (height < eyes - 0.1)]
    assert hair.std(0).min() > 0.05
    assert nape.std(0).max() < 0.02


def test_far_from_all_that_was_seen_the_cover_is_opaque(proxies, surface, half_seen):
    textures, front, seen = half_seen
    textures[..., proxies.layout.alpha] = 0.1
    filled = inpainted(textures, proxies, surface, seen, 0.1)[1][..., proxies.layout.alpha]
    unknown, depth = surface.covered[1] & ~front[1], surface.positions[1, ..., 2]
    # A gap goes on a little way.
    assert filled[unknown & (depth > 0.01)].max() == 0
    assert filled[unknown & (depth < -0.03)].min() == 1


def test_strands_come_from_hair_that_was_seen_well(proxies, surface, half_seen):
    textures, front, _ = half_seen
    joints = proxies.joints.clone()
    joints[:, 1] -= 0.02
    sides = surface.positions[..., 0].abs() > 0.04
    angles = torch.atan2(surface.positions[..., 0], surface.positions[..., 2])
    strands = 0.4 + 0.2 * torch.sign(torch.sin(20 * angles)) * sides
    looks = (strands * front)[..., None].expand(*front.shape, 3)
    behind = surface.covered[1] & (surface.positions[1, ..., 2] < -0.02) & (surface.positions[1, ..., 1] > joints[3, 1])

    def contrast(shown: float) -> float:
        weights = torch.where(sides, shown, 1.0) * front
        looked = SeenTexels(front.float(), weights, looks)
        filled = inpainted(textures, replace(proxies, joints=joints), surface, looked, 0.1)
        return float(filled[1][behind][:, :3].std(0).min())

    assert contrast(0.1) < 0.3 * contrast(1.0)


def test_without_hair_that_was_seen_well_unseen_hair_has_its_colour_still(proxies, surface, half_seen):
    textures, front, seen = half_seen
    joints = proxies.joints.clone()
    joints[:, 1] -= 0.02
    # Dark hair above bright skin, all of it seen a little.
    above = surface.positions[..., 1] > joints[3, 1] + 0.03
    looks = torch.where(above, 0.1, 0.8)[..., None].expand(*front.shape, 3) * front[..., None]
    looked = SeenTexels(seen.weights, 0.1 * seen.weights, looks)
    filled = inpainted(textures, replace(proxies, joints=joints), surface, looked, 0.1)[1][..., 0]
    behind = surface.covered[1] & (surface.positions[1, ..., 2] < -0.05)
    # Behind the ears, lower than hair reaches in front.
    assert filled[behind & (surface.positions[1, ..., 1] > joints[3, 1])].max() < 0.2


def test_with_a_threshold_of_zero_everything_counts_as_seen(proxies, surface, half_seen):
    textures, _, seen = half_seen
    filled = inpainted(textures, proxies, surface, seen, 0.0)
    torch.testing.assert_close(filled[surface.covered], textures[surface.covered])


def test_charts_grow_into_the_space_between_them(proxies, surface):
    textures = torch.zeros_like(proxies.textures)
    textures[surface.covered] = 1.0
    everything = torch.ones(surface.covered.shape)
    filled = inpainted(textures, proxies, surface, SeenTexels(everything, everything, textures[..., :3]), 0.1)
    assert filled.min() == 1.0


def test_a_file_renders_as_what_was_learnt(proxies, surface, decoder, tmp_path):
    torch.manual_seed(1)
    textures = torch.rand_like(proxies.textures)
    head = _head()
    avatar = export_avatar(proxies, textures, decoder, surface, head, gutter=3, report={"training": {"seed": 0}})
    path = tmp_path / "avatar.glb"
    write_layered_avatar(avatar, path)
    player = Player(read_layered_avatar(path))
    table = TexelTable(textures, proxies.layout)
    for pose in poses(3, seed=9):
        camera = training_frames(1, held_out=0).cameras[0]
        theirs = player.render(pose, camera).reshape(-1, 4)
        ours = rendered(proxies, TorchPose.of(pose), camera, table, decoder).numpy()
        difference = np.abs(ours - theirs).max(-1)
        # Textures are shown as 8 bits while they are learnt too; a file's decoder has its temperature folded in, and
        # its skin weights are rounded: some roundings of single precision.
        assert np.median(difference[theirs[:, 3] > 0]) < 5e-6
        assert (difference > 1e-3).sum() <= 1


def test_gutters_repeat_the_tiles_edge(proxies, surface, decoder):
    gutter, size = 3, proxies.tile_size
    avatar = export_avatar(
        proxies, torch.rand_like(proxies.textures), decoder, surface, _head(), gutter=gutter, report={}
    )
    for layer in avatar.layers:
        tile = decode_png(layer.bases)[: size + 2 * gutter, : size + 2 * gutter]
        inside = tile[gutter:-gutter, gutter:-gutter]
        np.testing.assert_array_equal(tile, np.pad(inside, ((gutter, gutter), (gutter, gutter), (0, 0)), mode="edge"))
        assert decode_png(layer.preview).shape == (size, size, 4)


def _head() -> HeadModel:
    """Only the names and ranges of a head are exported."""
    nothing = np.zeros((0, 3), np.float32)
    return HeadModel(
        name="standin",
        template=nothing,
        identity_basis=np.zeros((0, 0, 3), np.float32),
        expression_names=EXPRESSIONS,
        expression_basis=np.zeros((len(EXPRESSIONS), 0, 3), np.float32),
        expression_range=np.array([[0, 1]] * len(EXPRESSIONS), np.float32),
        pose_correctives=np.zeros((36, 0, 3), np.float32),
        joint_regressor=np.zeros((5, 0), np.float32),
        skin_weights=np.zeros((0, 5), np.float32),
        faces=nothing.astype(np.int32),
        uv=np.zeros((0, 2), np.float32),
        faces_uv=nothing.astype(np.int32),
        regions={},
        landmark_triangles=np.zeros((468, 3), np.int32),
        landmark_barycentrics=np.zeros((468, 3), np.float32),
        iris_distance=0.01,
    )
