"""Packing throws away what nothing shows, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from avatars import encode_png, png_rows, tiny_avatar, tiny_camera, tiny_poses
from likeness.asset import read_layered_avatar, write_layered_avatar
from likeness.asset.footprint import footprint
from likeness.asset.packing import STILLNESS, continued, grown, packed, smallest_png
from likeness.asset.pictures import decode_png, split_tiles
from likeness.asset.png import check_png
from likeness.asset.validation import find_warnings
from likeness.runtime.render import render

SIZE = 96


def with_room(avatar):
    """The avatar without the triangles of one side, so that its tiles have room that nothing touches.

    Correctives lose their tails, which packing would take for nothing.
    """

    def bounded(targets):
        return np.where(np.abs(targets) > 1e-5, targets, 0).astype(np.float32)

    layers = [
        replace(
            layer,
            faces=layer.faces[layer.uv[layer.faces][..., 0].max(1) < 0.55],
            expression_targets=bounded(layer.expression_targets),
            corrective_targets=bounded(layer.corrective_targets),
        )
        for layer in avatar.layers
    ]
    return replace(avatar, layers=tuple(layers))


def with_band(avatar):
    """The avatar with a band around every layer that is transparent in all bases, whatever their colours."""
    side, layers = avatar.tile_size + 2 * avatar.gutter, []
    for layer in avatar.layers:
        atlas = decode_png(layer.bases).copy()
        row = (np.arange(len(atlas)) % side - avatar.gutter + 0.5) / avatar.tile_size
        atlas[(row > 0.4) & (row < 0.6), :, 3] = 0
        layers.append(replace(layer, bases=encode_png(atlas)))
    return replace(avatar, layers=tuple(layers))


@pytest.fixture(scope="module")
def avatar():
    return with_band(with_room(tiny_avatar(hard_edges=True, tile_size=64)))


@pytest.mark.parametrize("name", tiny_poses())
def test_pictures_are_the_same_to_the_bit(avatar, name):
    small = packed(avatar)
    for azimuth in (0.0, 0.9, -2.0):
        camera = tiny_camera(SIZE, azimuth=azimuth)
        pose = tiny_poses()[name]
        np.testing.assert_array_equal(render(small, pose, camera), render(avatar, pose, camera))


def test_lookups_anywhere_on_the_surface_find_the_same_texels(avatar):
    """Random points of random triangles: every texel that filtering blends there is kept, unless all is transparent."""
    random, small = np.random.default_rng(2), packed(avatar)
    side = avatar.tile_size + 2 * avatar.gutter
    for before, after in zip(avatar.layers, small.layers, strict=True):
        bases, left = (split_tiles(decode_png(layer.bases), side)[: avatar.basis_count] for layer in (before, after))
        features, features_left = (split_tiles(decode_png(layer.features), side) for layer in (before, after))
        weights = random.dirichlet([0.5, 0.5, 0.5], 20000)
        corners = before.uv[before.faces[random.integers(len(before.faces), size=len(weights))]]
        place = (corners * weights[..., None]).sum(1) * avatar.tile_size + avatar.gutter - 0.5
        column, row = np.floor(place).astype(int).T
        taps = np.stack([(row + down, column + right) for down in (0, 1) for right in (0, 1)]).clip(0, side - 1)
        opaque = bases[:, taps[:, 0], taps[:, 1], 3].any((0, 1))
        assert opaque.any() and not opaque.all()
        for then, now in ((bases, left), (features, features_left)):
            np.testing.assert_array_equal(
                then[:, taps[:, 0], taps[:, 1]][..., opaque, :], now[:, taps[:, 0], taps[:, 1]][..., opaque, :]
            )
        assert not left[:, taps[:, 0], taps[:, 1], 3][..., ~opaque].any()


def test_what_is_transparent_stays_so_beyond_a_gap(avatar):
    """Opaque on the left, then room that nothing touches, then transparent skin: it must not repeat the opaque left."""
    side, gutter, layer = avatar.tile_size + 2 * avatar.gutter, avatar.gutter, avatar.layers[0]
    u = layer.uv[layer.faces][..., 0]
    faces = layer.faces[(u.max(1) < 0.2) | (u.min(1) > 0.35)]
    atlas = decode_png(layer.bases).copy()
    column = (np.arange(atlas.shape[1]) % side - gutter + 0.5) / avatar.tile_size
    atlas[:, column > 0.25, 3] = 0
    atlas[:, column <= 0.25, 3] = 255
    gapped = replace(avatar, layers=(replace(layer, faces=faces, bases=encode_png(atlas)),))
    left = split_tiles(decode_png(packed(gapped).layers[0].bases), side)[: avatar.basis_count]
    touched = footprint(layer.uv, faces, avatar.tile_size, gutter)
    clear = (np.arange(side) - gutter + 0.5) / avatar.tile_size > 0.25
    assert touched[:, clear].any() and (left[..., 3][:, touched & ~clear] == 255).all()
    assert not left[..., 3][:, touched & clear].any()


def test_the_file_is_smaller_sound_and_warns_of_nothing_new(avatar, tmp_path):
    small = packed(avatar)
    for name, content in (("before", avatar), ("after", small)):
        write_layered_avatar(content, tmp_path / f"{name}.glb")
    assert (tmp_path / "after.glb").stat().st_size < 0.8 * (tmp_path / "before.glb").stat().st_size
    assert set(find_warnings(read_layered_avatar(tmp_path / "after.glb"))) == set(find_warnings(avatar))


def test_packing_again_changes_nothing(avatar):
    once = packed(avatar)
    twice = packed(once)
    for first, second in zip(once.layers, twice.layers, strict=True):
        assert (first.bases, first.features, first.preview) == (second.bases, second.features, second.preview)


def test_displacements_that_nobody_sees_are_left_out(avatar):
    layer = avatar.layers[0]
    targets = layer.expression_targets.copy()
    targets[0] = 0.9 * STILLNESS
    targets[0, 3] = [2 * STILLNESS, 0.1 * STILLNESS, 0]
    changed = packed(replace(avatar, layers=(replace(layer, expression_targets=targets), *avatar.layers[1:])))
    kept = changed.layers[0].expression_targets[0]
    np.testing.assert_array_equal(np.flatnonzero(kept.any(1)), [3])
    np.testing.assert_array_equal(kept[3], targets[0, 3])
    np.testing.assert_array_equal(changed.layers[0].expression_targets[1:], targets[1:])


def test_the_footprint_of_a_triangle_is_a_texel_wider_than_it():
    """A triangle over the tile's upper left half: brute force over points finds no texel that it lacks."""
    uv = np.array([[0.1, 0.1], [0.8, 0.15], [0.2, 0.9]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    found = footprint(uv, faces, 16, 2)
    weights = np.random.default_rng(0).dirichlet([0.4] * 3, 100_000)
    place = weights @ uv.astype(float) * 16 + 2 - 0.5
    touched = np.zeros_like(found)
    for down in (0, 1):
        for right in (0, 1):
            column, row = (np.floor(place) + np.array([right, down])).astype(int).T
            touched[row, column] = True
    assert found.shape == (20, 20)
    assert not (touched & ~found).any()
    # It is a margin too large, not a row or column.
    assert not (found & ~grown(touched, 1)).any()


def test_a_triangle_that_fills_the_tile_reaches_one_texel_into_the_gutter():
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    found = footprint(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 8, 3)
    expected = np.zeros((14, 14), bool)
    expected[2:12, 2:12] = True
    np.testing.assert_array_equal(found, expected)


def test_many_small_triangles_are_as_one(monkeypatch):
    random = np.random.default_rng(1)
    uv = random.random((30, 2)).astype(np.float32)
    faces = random.integers(0, 30, (40, 3)).astype(np.int32)
    whole = footprint(uv, faces, 32, 1)
    monkeypatch.setattr("likeness.asset.footprint._CHUNK", 64)
    np.testing.assert_array_equal(footprint(uv, faces, 32, 1), whole)


def test_unused_texels_continue_the_row():
    tiles = np.arange(1, 13, dtype=np.uint8).reshape(1, 1, 3, 4)
    tiles = np.concatenate([tiles, tiles], 2)
    used = np.array([[False, True, False, False, True, False]])
    np.testing.assert_array_equal(continued(tiles, used)[0, 0, :, 0], [0, 5, 5, 5, 5, 5])


@pytest.mark.parametrize("noisy", [False, True])
def test_both_ways_of_writing_a_png_hold_the_picture(noisy):
    random = np.random.default_rng(5)
    ramp = np.add.outer(np.arange(40), np.arange(50))[..., None] * np.array([1, 2, 3, 1])
    picture = random.choice([3, 250], (40, 50, 4)) if noisy else ramp
    content = smallest_png(picture.astype(np.uint8))
    check_png(content, 50, 40, "the picture")
    # The first byte of a row tells how it is filtered; differences of noise are noisier still.
    assert png_rows(content)[:, 0].any() == (not noisy)
    np.testing.assert_array_equal(decode_png(content), picture.astype(np.uint8))
