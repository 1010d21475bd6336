"""Sampling a stack of square textures at scattered points, forward and backward, on CPU and CUDA.

Conventions
-----------
* A texture is ``textures[layer, row, column, channel]``; its first row is the top. ``uv`` is (u, v) with (0, 0) the top
  left corner of the top left texel and (1, 1) the bottom right corner of the last: glTF's convention. Texel centres lie
  at ``((column + 0.5) / T, (row + 0.5) / T)``.
* Filtering is bilinear. Points beyond the outermost texel centres take the border's values (clamp to edge), and have no
  gradient along the axis that was clamped.
* The first ``srgb_channels`` channels are decoded from sRGB to linear light **before** they are filtered, as a GPU does
  with an sRGB texture. Decoding is IEC 61966-2-1 with a polynomial of degree 8 in place of the power, within 1.1e-6 of
  it; values beyond 0..1 decode as the nearest end does, with that end's slope as gradient.
* With ``quantise``, texels are clamped to 0..1 and rounded to multiples of 1/255 before anything else happens to them,
  as an 8-bit file will; the gradient passes as if they had not been (straight-through; Bengio et al., 2013).

The gradient with respect to textures is dense: it has the textures' own shape.
"""

# Kernels are Warp's language, not Python: they take all arguments by position, and their types are not Python's.
# pyright: reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch.autograd.function import once_differentiable

from .kernel_launch import launch, warp_view

# Both kernels' bodies are native code, because channels are known only at run time: plain loops over pointers
# vectorise, loops over Warp's strided arrays do not.
_SHARED = """
    const int column_limit = size - 1;
    const float u_texels = u * size - 0.5f;
    const float v_texels = v * size - 0.5f;
    const bool u_inside = u_texels > 0.0f && u_texels < column_limit;
    const bool v_inside = v_texels > 0.0f && v_texels < column_limit;
    // A NaN fails both comparisons and lands on texel zero instead of outside the texture.
    const float x = u_inside ? u_texels : (u_texels > 0.0f ? (float)column_limit : 0.0f);
    const float y = v_inside ? v_texels : (v_texels > 0.0f ? (float)column_limit : 0.0f);
    const int column = (int)x;
    const int row = (int)y;
    const float right = x - column;
    const float down = y - row;
    const size_t step_right = column < column_limit ? (size_t)channels : 0;
    const size_t step_down = row < column_limit ? (size_t)channels * size : 0;
    const size_t corner = (((size_t)layer * size + row) * size + column) * channels;
    const size_t offsets[4] = {corner, corner + step_right, corner + step_down, corner + step_right + step_down};
    const float weights[4] = {
        (1.0f - right) * (1.0f - down), right * (1.0f - down), (1.0f - right) * down, right * down};
    auto rounded = [](float value) {
        const float clamped = value < 0.0f ? 0.0f : (value > 1.0f ? 1.0f : value);
        return (float)(int)(clamped * 255.0f + 0.5f) * (1.0f / 255.0f);
    };
    auto decoded = [](float value) {
        const float e = value < 0.0f ? 0.0f : (value > 1.0f ? 1.0f : value);
        const float power = 8.58165285e-4f + e * (3.51695827e-2f + e * (4.86915687e-1f + e * (8.54134495e-1f
            + e * (-8.41327597e-1f + e * (9.05310444e-1f + e * (-6.91233606e-1f + e * (3.11784524e-1f
            + e * -6.16119373e-2f)))))));
        return e <= 0.04045f ? e * (1.0f / 12.92f) : power;
    };
"""

_FORWARD = (
    _SHARED
    + """
    float* __restrict__ result = output.data + (size_t)sample * channels;
    const float* const first = textures.data + offsets[0];
    const float* const second = textures.data + offsets[1];
    const float* const third = textures.data + offsets[2];
    const float* const fourth = textures.data + offsets[3];
    auto blend = [&](int start, int end, auto texel) {
        for (int c = start; c < end; ++c)
            result[c] = weights[0] * texel(first[c]) + weights[1] * texel(second[c]) + weights[2] * texel(third[c])
                + weights[3] * texel(fourth[c]);
    };
    if (quantise) {
        blend(0, srgb_channels, [&](float value) { return decoded(rounded(value)); });
        blend(srgb_channels, channels, rounded);
    } else {
        blend(0, srgb_channels, decoded);
        blend(srgb_channels, channels, [](float value) { return value; });
    }
"""
)

_BACKWARD = (
    _SHARED
    + """
    auto slope = [](float value) {
        const float e = value < 0.0f ? 0.0f : (value > 1.0f ? 1.0f : value);
        const float power = 3.51695827e-2f + e * (9.73831374e-1f + e * (2.562403485f + e * (-3.365310388f
            + e * (4.52655222f + e * (-4.147401636f + e * (2.182491668f + e * -4.928954984e-1f))))));
        return e <= 0.04045f ? 1.0f / 12.92f : power;
    };
    const float* __restrict__ const gradient = output_gradient.data + (size_t)sample * channels;
    auto identity = [](float value) { return value; };
    auto one = [](float) { return 1.0f; };
    if (want_textures) {
        for (int k = 0; k < 4; ++k) {
            const float* __restrict__ const texel = textures.data + offsets[k];
            float* __restrict__ const target = texture_gradient.data + offsets[k];
            const float weight = weights[k];
            auto scatter = [&](int start, int end, auto factor) {
                for (int c = start; c < end; ++c) {
                    const float value = weight * gradient[c] * factor(texel[c]);
#if defined(__CUDA_ARCH__)
                    atomicAdd(target + c, value);
#else
                    target[c] += value;
#endif
                }
            };
            if (quantise) scatter(0, srgb_channels, [&](float value) { return slope(rounded(value)); });
            else scatter(0, srgb_channels, slope);
            scatter(srgb_channels, channels, one);
        }
    }
    if (want_uv) {
        const float* __restrict__ const first = textures.data + offsets[0];
        const float* __restrict__ const second = textures.data + offsets[1];
        const float* __restrict__ const third = textures.data + offsets[2];
        const float* __restrict__ const fourth = textures.data + offsets[3];
        const float up = 1.0f - down;
        const float left = 1.0f - right;
        // Eight running sums each way, because the compiler may not reorder the terms of one.
        float along_u[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        float along_v[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        auto accumulate = [&](int start, int end, auto value) {
            auto term = [&](int c, int lane) {
                const float a = value(first[c]), b = value(second[c]), d = value(third[c]), e = value(fourth[c]);
                along_u[lane] += gradient[c] * (up * (b - a) + down * (e - d));
                along_v[lane] += gradient[c] * (left * (d - a) + right * (e - b));
            };
            int c = start;
            for (; c + 8 <= end; c += 8)
                for (int lane = 0; lane < 8; ++lane) term(c + lane, lane);
            for (; c < end; ++c) term(c, 0);
        };
        if (quantise) {
            accumulate(0, srgb_channels, [&](float value) { return decoded(rounded(value)); });
            accumulate(srgb_channels, channels, rounded);
        } else {
            accumulate(0, srgb_channels, decoded);
            accumulate(srgb_channels, channels, identity);
        }
        float* const result = uv_gradient.data + 2 * (size_t)sample;
        result[0] = 0.0f;
        result[1] = 0.0f;
        for (int lane = 0; lane < 8; ++lane) {
            if (u_inside) result[0] += along_u[lane] * size;
            if (v_inside) result[1] += along_v[lane] * size;
        }
    }
"""
)


@wp.func_native(_FORWARD)
def _gather(
    textures: wp.array[float],
    layer: int,
    u: float,
    v: float,
    size: int,
    channels: int,
    srgb_channels: int,
    quantise: int,
    sample: int,
    output: wp.array[float],
): ...


@wp.func_native(_BACKWARD)
def _scatter(
    textures: wp.array[float],
    layer: int,
    u: float,
    v: float,
    size: int,
    channels: int,
    srgb_channels: int,
    quantise: int,
    sample: int,
    output_gradient: wp.array[float],
    want_textures: int,
    texture_gradient: wp.array[float],
    want_uv: int,
    uv_gradient: wp.array[float],
): ...


@wp.kernel(enable_backward=False)
def _sample(
    textures: wp.array[float],
    layers: wp.array[wp.int32],
    uv: wp.array[wp.vec2],
    size: int,
    channels: int,
    srgb_channels: int,
    quantise: int,
    output: wp.array[float],
):
    sample = wp.tid()
    point = uv[sample]
    _gather(textures, layers[sample], point[0], point[1], size, channels, srgb_channels, quantise, sample, output)


@wp.kernel(enable_backward=False)
def _sample_adjoint(
    textures: wp.array[float],
    layers: wp.array[wp.int32],
    uv: wp.array[wp.vec2],
    size: int,
    channels: int,
    srgb_channels: int,
    quantise: int,
    output_gradient: wp.array[float],
    want_textures: int,
    texture_gradient: wp.array[float],
    want_uv: int,
    uv_gradient: wp.array[float],
):
    sample = wp.tid()
    point = uv[sample]
    _scatter(
        textures,
        layers[sample],
        point[0],
        point[1],
        size,
        channels,
        srgb_channels,
        quantise,
        sample,
        output_gradient,
        want_textures,
        texture_gradient,
        want_uv,
        uv_gradient,
    )


class _SampleTextures(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, textures, layer, uv, srgb_channels, quantise):
        ctx.save_for_backward(textures, layer, uv)
        ctx.srgb_channels, ctx.quantise = srgb_channels, quantise
        size, channels = textures.shape[2:]
        output = textures.new_empty(len(uv), channels)
        inputs = [
            warp_view(textures.view(-1)),
            warp_view(layer, wp.int32),
            warp_view(uv, wp.vec2),
            size,
            channels,
            srgb_channels,
            int(quantise),
            warp_view(output.view(-1)),
        ]
        launch(_sample, len(uv), inputs, textures.device)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        textures, layer, uv = ctx.saved_tensors
        output_gradient = gradients[0].contiguous()
        want_textures, want_uv = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
        size, channels = textures.shape[2:]
        texture_gradient = torch.zeros_like(textures) if want_textures else textures.new_empty(0)
        uv_gradient = torch.empty_like(uv) if want_uv else uv.new_empty(0)
        inputs = [
            warp_view(textures.view(-1)),
            warp_view(layer, wp.int32),
            warp_view(uv, wp.vec2),
            size,
            channels,
            ctx.srgb_channels,
            int(ctx.quantise),
            warp_view(output_gradient.view(-1)),
            int(want_textures),
            warp_view(texture_gradient.view(-1)),
            int(want_uv),
            warp_view(uv_gradient.view(-1)),
        ]
        launch(_sample_adjoint, len(uv), inputs, textures.device)
        return texture_gradient if want_textures else None, None, uv_gradient if want_uv else None, None, None


def sample_textures(
    textures: torch.Tensor,
    layer: torch.Tensor,
    uv: torch.Tensor,
    srgb_channels: int = 0,
    quantise: bool = False,
) -> torch.Tensor:
    """Bilinear samples of a stack of textures at scattered points.

    Differentiable once, with respect to ``textures`` and ``uv``; whichever does not require a gradient costs nothing.

    Parameters
    ----------
    textures : (L, T, T, C) float32
        Texels without any gutter.
    layer : (N,) int
        Which texture each point samples, 0..L-1.
    uv : (N, 2) float32
        Texture coordinates, v downwards.
    srgb_channels : int
        So many channels, from the first, hold sRGB-encoded values and come out linear.
    quantise : bool
        Round texels to 8 bits first.

    Returns
    -------
    (N, C) float32
    """
    if textures.dim() != 4 or textures.shape[1] != textures.shape[2]:
        raise ValueError(f"textures must be (layers, size, size, channels), not {tuple(textures.shape)}")
    if not 0 <= srgb_channels <= textures.shape[3]:
        raise ValueError(f"srgb_channels is {srgb_channels} of {textures.shape[3]} channels")
    # On CUDA the answer would have to be waited for, so there the caller must be right.
    if len(layer) and layer.device.type == "cpu" and not 0 <= int(layer.min()) <= int(layer.max()) < len(textures):
        raise IndexError(f"layers run from {int(layer.min())} to {int(layer.max())} over {len(textures)} textures")
    return _SampleTextures.apply(
        textures.contiguous(), layer.int().contiguous(), uv.contiguous(), srgb_channels, quantise
    )
