"""Texture sampling against a plain torch reference: values, both gradients, sRGB decoding, 8-bit rounding."""

import pytest
import torch
from likeness.raster.texture import sample_textures


def decode(encoded: torch.Tensor) -> torch.Tensor:
    """IEC 61966-2-1."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def reference(textures, layer, uv, srgb_channels=0, quantise=False) -> torch.Tensor:
    """The definition in the module's words, one gather per neighbour."""
    size = textures.shape[1]
    if quantise:
        textures = textures + ((textures.clamp(0, 1) * 255 + 0.5).floor() / 255 - textures).detach()
    textures = torch.cat([decode(textures[..., :srgb_channels]), textures[..., srgb_channels:]], -1)
    position = (uv * size - 0.5).clamp(0, size - 1)
    low = position.detach().floor().long()
    high = (low + 1).clamp(max=size - 1)
    fraction = position - low
    total = torch.zeros(len(uv), textures.shape[3], dtype=textures.dtype)
    for columns, across in ((low[:, 0], 1 - fraction[:, 0]), (high[:, 0], fraction[:, 0])):
        for rows, down in ((low[:, 1], 1 - fraction[:, 1]), (high[:, 1], fraction[:, 1])):
            total = total + textures[layer, rows, columns] * (across * down)[:, None]
    return total


def case(channels: int = 11, count: int = 400):
    """Random textures; points all over them and beyond every border."""
    generator = torch.Generator().manual_seed(5)
    textures = torch.rand(3, 16, 16, channels, generator=generator)
    layer = torch.randint(0, 3, (count,), generator=generator)
    uv = torch.rand(count, 2, generator=generator) * 1.4 - 0.2
    weights = torch.randn(count, channels, generator=generator)
    return textures, layer, uv, weights


@pytest.mark.parametrize("channels", [1, 3, 8, 33])
@pytest.mark.parametrize("quantise", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_values_and_gradients_agree_with_the_reference(channels, quantise, share):
    textures, layer, uv, weights = case(channels)
    srgb_channels = int(share * channels)
    ours = textures.clone().requires_grad_(), uv.clone().requires_grad_()
    theirs = textures.double().requires_grad_(), uv.double().requires_grad_()
    result = sample_textures(ours[0], layer, ours[1], srgb_channels, quantise)
    expected = reference(theirs[0], layer, theirs[1], srgb_channels, quantise)
    # 1.1e-6 is the decoding polynomial's; positions in single precision add 16 texels * 6e-8 * contrast.
    torch.testing.assert_close(result.double(), expected, atol=4e-6, rtol=0)
    texture_gradient, uv_gradient = torch.autograd.grad((result * weights).sum(), ours)
    expected_gradients = torch.autograd.grad((expected * weights.double()).sum(), theirs)
    # The polynomial's slope is within 1.8e-4 of the power's: so much of every contribution to a texel may be off.
    contributions = textures.double().requires_grad_()
    (reference(contributions, layer, uv.double()) * weights.abs().double()).sum().backward()
    assert contributions.grad is not None
    allowed = contributions.grad * (1.8e-4 if srgb_channels else 1e-6) + 1e-5
    assert ((texture_gradient - expected_gradients[0]).abs() <= allowed).all()
    # Differences of decoded texels, times the size, summed over channels.
    torch.testing.assert_close(uv_gradient.double(), expected_gradients[1], atol=16 * channels * 8e-6, rtol=1e-4)


def test_texel_centres_return_texels_and_the_first_row_is_the_top():
    textures = torch.arange(16.0).view(1, 4, 4, 1)
    uv = torch.tensor([[0.125, 0.125], [0.375, 0.125], [0.125, 0.375], [0.875, 0.875]])
    assert sample_textures(textures, torch.zeros(4), uv).flatten().tolist() == [0.0, 1.0, 4.0, 15.0]


def test_points_outside_take_the_border_and_have_no_gradient_across_it():
    textures = torch.arange(16.0).view(1, 4, 4, 1)
    uv = torch.tensor([[-3.0, 0.5], [0.5, 9.0], [0.01, 0.99]], requires_grad=True)
    values = sample_textures(textures, torch.zeros(3), uv)
    assert values.flatten().tolist() == [6.0, 13.5, 12.0]
    values.sum().backward()
    assert uv.grad is not None
    assert uv.grad.tolist() == [[0.0, 16.0], [4.0, 0.0], [0.0, 0.0]]


def test_srgb_is_decoded_before_filtering():
    """Half-way between black and white lies half the light, not sRGB's middle grey."""
    textures = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 2, 2, 1).contiguous()
    middle = sample_textures(textures, torch.zeros(1), torch.tensor([[0.5, 0.5]]), srgb_channels=1)
    assert middle.item() == pytest.approx(0.5, abs=2e-6)


def test_every_byte_decodes_as_the_standard_says():
    levels = torch.arange(256.0) / 255
    textures = levels.view(1, 16, 16, 1)
    centres = (torch.arange(16.0) + 0.5) / 16
    uv = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).view(-1, 2)
    decoded = sample_textures(textures, torch.zeros(256), uv, srgb_channels=1)[:, 0]
    torch.testing.assert_close(decoded, decode(levels), atol=1.5e-6, rtol=0)


def test_a_nonfinite_point_stays_inside_the_texture():
    values = sample_textures(torch.ones(1, 4, 4, 2), torch.zeros(1), torch.tensor([[float("nan"), float("inf")]]))
    assert values.tolist() == [[1.0, 1.0]]


def test_gradients_are_computed_only_where_they_are_wanted():
    textures, layer, uv, _ = case()
    frozen = sample_textures(textures, layer, uv.requires_grad_())
    frozen.sum().backward()
    assert uv.grad is not None and textures.grad is None
    textures.requires_grad_()
    sample_textures(textures, layer, uv.detach()).sum().backward()
    assert textures.grad is not None


def test_layers_that_do_not_exist_are_refused():
    textures, _, uv, _ = case()
    for layer in (3, -1):
        with pytest.raises(IndexError, match="3 textures"):
            sample_textures(textures, torch.full((len(uv),), layer), uv)
