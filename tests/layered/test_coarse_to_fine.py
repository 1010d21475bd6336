"""Textures are learnt with few texels first, and finer ones go on from there."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from likeness.jobs.watch import Watch, facts_of
from likeness.layered.coarse_to_fine import FINE, KEPT_APART, coarse_table, refined, tile_size_at, tile_sizes
from likeness.layered.finetune import finetune
from likeness.layered.finetune_state import textures_of
from likeness.layered.presets import PREVIEW
from likeness.layered.proxies import TextureLayout
from likeness.raster.warp_rasteriser import WarpRasteriser
from tiny_training import PRESET, blank_proxies, training_frames

LAYOUT = TextureLayout(1, 1, 4)


def test_sides_are_halved_while_they_stay_large_enough():
    assert tile_sizes(1024, 256) == [256, 512, 1024]
    assert tile_sizes(768, 256) == [384, 768]
    assert tile_sizes(256, 256) == [256] and tile_sizes(255, 16) == [255]


@pytest.mark.parametrize(
    ("tile_size", "sizes"), [(256, [256] * 5), (512, [256, 256, 512, 512, 512]), (1024, [256, 512] + [1024] * 3)]
)
def test_each_coarser_side_gets_the_same_share(tile_size, sizes):
    numbers = replace(PREVIEW.fine_tuning, coarse_share=0.5, coarsest_tile=256)
    assert [tile_size_at(done, tile_size, numbers) for done in (0.0, 0.3, 0.5, 0.7, 1.0)] == sizes


def test_without_a_share_all_is_fine_from_the_start():
    assert tile_size_at(0.0, 1024, replace(PREVIEW.fine_tuning, coarse_share=0.0)) == 1024


@pytest.fixture
def start() -> torch.Tensor:
    """Two layers of noise, dark enough to get brighter."""
    return 0.2 * torch.rand(2, 32, 32, LAYOUT.channels, generator=torch.Generator().manual_seed(0))


def learn(table, layer: int, place: tuple[float, float], steps: int) -> None:
    """Raise all values about a place of a layer."""
    uv, layers = torch.tensor([place]), torch.tensor([layer])
    for _ in range(steps):
        (-table.sample(uv, layers)).sum().backward()
        table.step(0.02)


def test_a_coarse_table_shows_means(start):
    coarse = coarse_table(start, 16, LAYOUT)
    means = start.view(2, 16, 2, 16, 2, -1).mean((2, 4))
    torch.testing.assert_close(coarse.values.view(means.shape), means)


def test_what_was_not_learnt_keeps_its_first_look(start):
    coarse = coarse_table(start, 16, LAYOUT)
    learn(coarse, 0, (0.25, 0.25), steps=5)
    finer = refined(coarse, start)
    values = finer.values.view(start.shape)
    assert torch.equal(values[1], start[1])
    changed = (values != start).any(-1)
    assert changed[0].any() and not changed[0, 16:].any() and not changed[0, :, 16:].any()
    # A checkpoint holds the texels that were visited, and no others.
    assert (finer.visits.view(2, 32, 32)[changed] > 0).all()


def test_what_was_learnt_is_gone_on_from(start):
    coarse = coarse_table(start, 16, LAYOUT)
    learn(coarse, 0, (0.25, 0.25), steps=10)
    finer = refined(coarse, start)
    # The place lies between four texels of either table; finer ones lie between the same coarse ones.
    risen = []
    for table, middle in ((coarse, 4), (finer, 8)):
        change = table.values - coarse_table(start, table.size, LAYOUT).values
        square = change.view(2, table.size, table.size, -1)[0, middle - 1 : middle + 1, middle - 1 : middle + 1]
        risen.append(square.mean((0, 1)))
    assert risen[0].min() > 0.1
    torch.testing.assert_close(risen[1], risen[0])
    # Opacities do not begin with long steps a second time.
    assert int(finer.visits.max()) == 10


@pytest.mark.parametrize(("fine", "kept"), [(FINE, KEPT_APART), (16, 1.0)])
def test_what_sets_bases_apart_is_carried_in_part_while_texels_are_coarse(fine, kept, monkeypatch):
    monkeypatch.setattr("likeness.layered.coarse_to_fine.FINE", fine)
    layout = TextureLayout(2, 2, 4)
    start = torch.full((1, 32, 32, layout.channels), 0.5)
    coarse = coarse_table(start, 16, layout)
    # One basis is brighter and more opaque, the other darker and less; features have no bases.
    coarse.values += torch.tensor([0.3] * 3 + [-0.1] * 3 + [0.3, -0.1] + [0.2] * 4)
    coarse.visits += 1
    apart = 0.2 * kept
    expected = torch.tensor([0.1 + apart] * 3 + [0.1 - apart] * 3 + [0.1 + apart, 0.1 - apart] + [0.2] * 4)
    found = refined(coarse, start).values - 0.5
    torch.testing.assert_close(found, expected.expand_as(found))


def test_finer_textures_learn_more_in_the_same_steps():
    """A tile of many texels, few of which a step sees: what is learnt coarsely first fits better in the end."""
    frames, losses = training_frames(), {}
    proxies = blank_proxies()
    textures = proxies.textures.permute(0, 3, 1, 2)
    large = torch.nn.functional.interpolate(textures, scale_factor=8).permute(0, 2, 3, 1).contiguous()
    for share in (0.0, 0.5):
        tuning = replace(PRESET.fine_tuning, steps=40, pixels=60, coarse_share=share, coarsest_tile=proxies.tile_size)
        preset = replace(PRESET, tile_size=8 * proxies.tile_size, fine_tuning=tuning)
        learnt = finetune(replace(proxies, textures=large), frames, preset, WarpRasteriser(), seconds=math.inf)
        assert learnt.table.size == preset.tile_size
        losses[share] = np.mean(learnt.losses[-8:])
    assert losses[0.5] < 0.8 * losses[0.0]


@pytest.mark.parametrize("stopped", [3, 6, 9])
def test_whoever_goes_on_ends_the_same(stopped):
    frames, proxies = training_frames(), blank_proxies()
    tuning = replace(PRESET.fine_tuning, steps=10, coarsest_tile=proxies.tile_size // 4)
    preset = replace(PRESET, fine_tuning=tuning)
    kept = {}

    class Keeping(Watch):
        def between(self, losses, steps, done, checkpoint, preview):
            if len(losses) == stopped:
                kept["checkpoint"] = deepcopy(facts_of(checkpoint(), elapsed=0.0))

    whole = finetune(proxies, frames, preset, WarpRasteriser(), seconds=math.inf, watch=Keeping())
    later = Watch(restored=kept["checkpoint"])
    again = finetune(proxies, frames, preset, WarpRasteriser(), seconds=math.inf, watch=later)
    assert torch.equal(again.table.codes, whole.table.codes)
    # Whoever stops there and takes what there is gets textures of the full size.
    assert textures_of(kept["checkpoint"], proxies).shape == proxies.textures.shape
