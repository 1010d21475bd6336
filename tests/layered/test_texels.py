"""Textures while they are learnt: shown as 8 bits, learnt as float32, and only where they are seen."""

from __future__ import annotations

import pytest
import torch
from likeness.layered import texels
from likeness.layered.proxies import TextureLayout
from likeness.layered.texels import HASTE, TexelTable
from likeness.raster.texture import sample_textures

LAYOUT = TextureLayout(basis_count=3, alpha_count=1, feature_size=4)
LAYERS, SIZE, POINTS = 2, 16, 200


@pytest.fixture
def textures() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(LAYERS, SIZE, SIZE, LAYOUT.channels)


@pytest.fixture
def points() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(POINTS, 2) * 0.8 + 0.1, torch.randint(LAYERS, (POINTS,))


def test_samples_are_those_of_8_bit_textures(textures, points):
    uv, layers = points
    ours = TexelTable(textures, LAYOUT).sample(uv, layers)
    theirs = sample_textures(textures, layers, uv, srgb_channels=9, quantise=True)
    # The general sampler's sRGB polynomial is within 1.1e-6 of the curve.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-6)


def test_gradients_are_the_general_samplers(textures, points):
    uv, layers = points
    upstream = torch.rand(POINTS, LAYOUT.channels)
    mine, theirs = (uv.clone().requires_grad_() for _ in range(2))
    learnt = textures.clone().requires_grad_()
    (sample_textures(learnt, layers, theirs, srgb_channels=9, quantise=True) * upstream).sum().backward()
    table = TexelTable(textures, LAYOUT)
    (table.sample(mine, layers) * upstream).sum().backward()
    # Differences of texels, each known to 1.1e-6, times 16 texels, over 16 channels with a say below one.
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=16 * 16 * 1.1e-6)
    # The slope of the general sampler's polynomial is within 1.8e-4 of the curve's, per unit of a texel's weight.
    torch.testing.assert_close(table._gradient.view_as(learnt), learnt.grad, rtol=0, atol=1.8e-4)


def test_only_seen_texels_move(textures):
    table = TexelTable(textures, LAYOUT)
    # A texel's centre has no share of its neighbours, but the four taps still include them.
    middle = torch.tensor([[4.75, 7.75]]) / SIZE
    before = table.values.clone()
    table.sample(middle, torch.tensor([1])).sum().backward()
    table.step(0.05)
    moved = (table.values != before).any(1).view(LAYERS, SIZE, SIZE).nonzero()
    assert moved.tolist() == [[1, 7, 4], [1, 7, 5], [1, 8, 4], [1, 8, 5]]
    assert (table.visits > 0).sum() == 4


def test_what_is_shown_is_what_is_learnt_rounded(textures, points):
    uv, layers = points
    table = TexelTable(textures, LAYOUT)
    for _ in range(5):
        table.sample(uv, layers).sum().backward()
        table.step(0.3)
    assert table.values.min() >= 0
    assert table.values.max() <= 1
    shown = table.textures.view(-1, LAYOUT.channels)
    assert (shown - table.values).abs().max() <= 0.5 / 255 + 1e-6
    torch.testing.assert_close((shown * 255).round() / 255, shown)


def test_rounding_does_not_stop_learning(textures):
    """Steps far below a 255th add up: the gradient passes through the rounding."""
    table = TexelTable(torch.full_like(textures, 0.5), LAYOUT)
    point, layer = torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    for _ in range(100):
        table.sample(point, layer)[:, LAYOUT.alpha].sum().backward()
        table.step(1e-3)
    # With a constant gradient each of Adam's steps is as long as its rate.
    way = 1e-3 * sum(1 + HASTE / visit for visit in range(1, 101))
    assert table.sample(point, layer)[0, LAYOUT.alpha].item() == pytest.approx(0.5 - way, abs=0.5 / 255 + 1e-4)


def test_agreement_draws_bases_together_and_leaves_the_rest(textures):
    table = TexelTable(textures, LAYOUT)
    point, layer = torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    table.sample(point, layer).mul(0).sum().backward()
    row = int(table._touched[0][0])
    before = table.values[row].clone()
    table.step(0.05, agreement=1.0)
    after = table.values[row]
    bases = before[LAYOUT.colour].view(3, 3)
    torch.testing.assert_close(after[LAYOUT.colour].view(3, 3), bases + 0.05 * (bases.mean(0) - bases))
    torch.testing.assert_close(after[LAYOUT.colour.stop :], before[LAYOUT.colour.stop :])


def test_a_basis_without_a_say_stays_near_what_the_others_show(textures):
    textures = textures.clone()
    textures[..., LAYOUT.colour] = torch.tensor([0.6, 0.5, 0.1]).repeat_interleave(3)
    point, layer = torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    table = TexelTable(textures, LAYOUT)
    (table.sample(point, layer)[0, :3].sum()).backward()
    table.step(0.05, reach=0.1)
    colours = table.values[table.visits > 0][:, LAYOUT.colour].view(-1, 3, 3)
    # Only the first has a say: it is the look, and moves by a step; the others come as near as they must.
    torch.testing.assert_close(colours[:, 0], torch.full_like(colours[:, 0], 0.55))
    torch.testing.assert_close(colours[:, 1], torch.full_like(colours[:, 1], 0.5))
    torch.testing.assert_close(colours[:, 2], torch.full_like(colours[:, 2], 0.45))


def test_bases_with_a_say_may_have_any_colour(textures):
    textures = textures.clone()
    textures[..., LAYOUT.colour] = torch.tensor([0.9, 0.5, 0.1]).repeat_interleave(3)
    point, layer = torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    limited, free = TexelTable(textures, LAYOUT), TexelTable(textures, LAYOUT)
    for table, reach in ((limited, 0.1), (free, 1.0)):
        # In linear light a bright basis's gradient is larger: with equal ones by the codes all have the same say.
        says = 1 / table.slope[0][table.codes[0, LAYOUT.colour].long()]
        (table.sample(point, layer)[0, LAYOUT.colour] * says).sum().backward()
        table.step(0.01, reach=reach)
    torch.testing.assert_close(limited.values, free.values, rtol=0, atol=0)


def test_parts_that_run_side_by_side_find_their_lists(textures, monkeypatch):
    table, rooms = TexelTable(textures, LAYOUT), []

    def watched(tasks):
        rooms.append((len(tasks), len(table._touched), len(table._touched_counts)))
        for task in reversed(tasks):
            task()

    monkeypatch.setattr(texels, "in_parallel", watched)
    monkeypatch.setattr(texels, "parts", lambda layers: [slice(0, 1), slice(1, 2)])
    table.sample(torch.tensor([[0.5, 0.5], [0.2, 0.2]]), torch.tensor([0, 1])).sum().backward()
    assert rooms[-1] == (2, 2, 2)
