"""The layers' textures while they are learnt: 8-bit in every picture, float32 underneath, Adam for seen texels only.

Each picture is made from the 8-bit values that the avatar's file will hold; gradients pass straight through the
rounding to the float32 values. A step touches only the texels that the last pictures have seen, so its cost does not
grow with the textures' size.
"""

# In Warp's kernels only int() and float() make a variable that a loop may change.
# ruff: noqa: UP018, RUF046
# pyright: reportOperatorIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import warp as wp

from ..raster.kernel_launch import launch, warp_view
from .compositing import srgb_to_linear
from .parallel import in_parallel, parts
from .proxies import TextureLayout

FIRST_DECAY, SECOND_DECAY = 0.9, 0.99
"""Adam's decays; the second is short, for a texel is seen in few steps."""

HASTE = 8.0
"""A texel's n-th step in opacity is 1 + HASTE / n times as long: what only few frames show to be background has to
become transparent in few steps."""


@wp.struct
class Taps:
    """The four texels around a point, rows of the table, and their weights."""

    rows: wp.vec4i
    fx: float
    fy: float


@wp.func
def _taps(uv: wp.vec2, layer: int, size: int) -> Taps:
    x = uv[0] * float(size) - 0.5
    y = uv[1] * float(size) - 0.5
    column = wp.floor(x)
    row = wp.floor(y)
    left = wp.clamp(int(column), 0, size - 1)
    right = wp.clamp(int(column) + 1, 0, size - 1)
    top = (layer * size + wp.clamp(int(row), 0, size - 1)) * size
    bottom = (layer * size + wp.clamp(int(row) + 1, 0, size - 1)) * size
    taps = Taps()
    taps.rows = wp.vec4i(top + left, top + right, bottom + left, bottom + right)
    taps.fx = x - column
    taps.fy = y - row
    return taps


@wp.kernel(enable_backward=False)
def _sample(
    codes: wp.array2d(dtype=wp.uint8),
    curve: wp.array2d(dtype=float),
    colour_count: int,
    size: int,
    uv: wp.array(dtype=wp.vec2),
    layers: wp.array(dtype=wp.int32),
    values: wp.array2d(dtype=float),
):
    hit = wp.tid()
    taps = _taps(uv[hit], layers[hit], size)
    a = taps.rows[0]
    b = taps.rows[1]
    c = taps.rows[2]
    d = taps.rows[3]
    for channel in range(values.shape[1]):
        kind = int(0)
        if channel >= colour_count:
            kind = int(1)
        top = wp.lerp(curve[kind, int(codes[a, channel])], curve[kind, int(codes[b, channel])], taps.fx)
        bottom = wp.lerp(curve[kind, int(codes[c, channel])], curve[kind, int(codes[d, channel])], taps.fx)
        values[hit, channel] = wp.lerp(top, bottom, taps.fy)


@wp.kernel(enable_backward=False)
def _scatter(
    codes: wp.array2d(dtype=wp.uint8),
    curve: wp.array2d(dtype=float),
    slope: wp.array2d(dtype=float),
    colour_count: int,
    size: int,
    uv: wp.array(dtype=wp.vec2),
    layers: wp.array(dtype=wp.int32),
    upstream: wp.array2d(dtype=float),
    gradient: wp.array2d(dtype=float),
    marks: wp.array(dtype=wp.int32),
    touched: wp.array(dtype=wp.int32),
    touched_count: wp.array(dtype=wp.int32),
    uv_wanted: int,
    uv_gradient: wp.array(dtype=wp.vec2),
):
    hit = wp.tid()
    taps = _taps(uv[hit], layers[hit], size)
    for tap in range(4):
        row = taps.rows[tap]
        if wp.atomic_add(marks, row, 1) == 0:
            touched[wp.atomic_add(touched_count, 0, 1)] = row
    a = taps.rows[0]
    b = taps.rows[1]
    c = taps.rows[2]
    d = taps.rows[3]
    wa = (1.0 - taps.fx) * (1.0 - taps.fy)
    wb = taps.fx * (1.0 - taps.fy)
    wc = (1.0 - taps.fx) * taps.fy
    wd = taps.fx * taps.fy
    du = float(0.0)
    dv = float(0.0)
    for channel in range(upstream.shape[1]):
        kind = int(0)
        if channel >= colour_count:
            kind = int(1)
        g = upstream[hit, channel]
        code_a = int(codes[a, channel])
        code_b = int(codes[b, channel])
        code_c = int(codes[c, channel])
        code_d = int(codes[d, channel])
        wp.atomic_add(gradient, a, channel, g * wa * slope[kind, code_a])
        wp.atomic_add(gradient, b, channel, g * wb * slope[kind, code_b])
        wp.atomic_add(gradient, c, channel, g * wc * slope[kind, code_c])
        wp.atomic_add(gradient, d, channel, g * wd * slope[kind, code_d])
        if uv_wanted != 0:
            value_a = curve[kind, code_a]
            value_b = curve[kind, code_b]
            value_c = curve[kind, code_c]
            value_d = curve[kind, code_d]
            du += g * wp.lerp(value_b - value_a, value_d - value_c, taps.fy)
            dv += g * wp.lerp(value_c - value_a, value_d - value_b, taps.fx)
    if uv_wanted != 0:
        uv_gradient[hit] = wp.vec2(du * float(size), dv * float(size))


# Native code, because the number of channels is known only at run time: loops over pointers vectorise, loops over
# Warp's strided arrays do not.
_ADAM = """
    const size_t start = (size_t)row * channels;
    float* __restrict__ value = values.data + start;
    float* __restrict__ slope = gradient.data + start;
    float* __restrict__ m = first.data + start;
    float* __restrict__ v = second.data + start;
    uint8_t* __restrict__ code = codes.data + start;
    const int colours = 3 * basis_count;
    const int opacities_end = colours + alpha_count;
    float mean[3] = {0.0f, 0.0f, 0.0f};
    for (int c = 0; c < colours; ++c) mean[c % 3] += value[c];
    for (int c = 0; c < channels; ++c) {
        m[c] = first_decay * m[c] + (1.0f - first_decay) * slope[c];
        v[c] = second_decay * v[c] + (1.0f - second_decay) * slope[c] * slope[c];
        slope[c] = 0.0f;
        const float length = c >= colours && c < opacities_end ? alpha_rate : rate;
        value[c] -= length * (m[c] * first_correction) / (sqrtf(v[c] * second_correction) + 1e-12f);
    }
    if (agreement > 0.0f)
        for (int c = 0; c < colours; ++c) value[c] += rate * agreement * (mean[c % 3] / basis_count - value[c]);
    for (int c = 0; c < channels; ++c) {
        value[c] = value[c] < 0.0f ? 0.0f : (value[c] > 1.0f ? 1.0f : value[c]);
        code[c] = (uint8_t)(int)(value[c] * 255.0f + 0.5f);
    }
"""


@wp.func_native(_ADAM)
def _adam_row(
    row: int,
    channels: int,
    rate: float,
    alpha_rate: float,
    first_decay: float,
    second_decay: float,
    first_correction: float,
    second_correction: float,
    basis_count: int,
    alpha_count: int,
    agreement: float,
    values: wp.array(dtype=float),
    codes: wp.array(dtype=wp.uint8),
    gradient: wp.array(dtype=float),
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
): ...


@wp.kernel(enable_backward=False)
def _adam(
    touched: wp.array(dtype=wp.int32),
    channels: int,
    rate: float,
    haste: float,
    first_decay: float,
    second_decay: float,
    basis_count: int,
    alpha_count: int,
    agreement: float,
    values: wp.array(dtype=float),
    codes: wp.array(dtype=wp.uint8),
    gradient: wp.array(dtype=float),
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
    visits: wp.array(dtype=wp.int32),
    marks: wp.array(dtype=wp.int32),
):
    row = touched[wp.tid()]
    marks[row] = 0
    visit = visits[row] + 1
    visits[row] = visit
    first_correction = 1.0 / (1.0 - wp.pow(first_decay, float(visit)))
    second_correction = 1.0 / (1.0 - wp.pow(second_decay, float(visit)))
    _adam_row(
        row,
        channels,
        rate,
        rate * (1.0 + haste / float(visit)),
        first_decay,
        second_decay,
        first_correction,
        second_correction,
        basis_count,
        alpha_count,
        agreement,
        values,
        codes,
        gradient,
        first,
        second,
    )


class TexelTable:
    """Textures of all layers as a table of texels.

    Parameters
    ----------
    textures : (L, S, S, C) float32
        Values 0..1, see :class:`likeness.layered.proxies.Proxies`.
    layout : TextureLayout

    Attributes
    ----------
    values : (L*S*S, C) float32
        What is learnt.
    codes : (L*S*S, C) uint8
        What is shown: ``values`` rounded to 8 bits.
    visits : (L*S*S,) int32
        Steps that have touched each texel.
    """

    def __init__(self, textures: torch.Tensor, layout: TextureLayout) -> None:
        self.layout, self.layer_count, self.size = layout, textures.shape[0], textures.shape[1]
        self.device = textures.device
        self.values = textures.reshape(-1, layout.channels).float().clamp(0, 1).clone()
        self.codes = quantised(self.values)
        self.visits = torch.zeros(len(self.values), dtype=torch.int32, device=self.device)
        code = torch.arange(256, device=self.device) / 255
        step = torch.where(code <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((code + 0.055) / 1.055) ** 1.4)
        self.curve = torch.stack([srgb_to_linear(code), code]).contiguous()
        self.slope = torch.stack([step, torch.ones_like(code)]).contiguous()
        self._gradient = torch.zeros_like(self.values)
        self._first, self._second = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self._marks = torch.zeros_like(self.visits)
        # Each part of a parallel launch lists the texels that it touches in its own row.
        self._touched: list[torch.Tensor] = []
        self._touched_counts: list[torch.Tensor] = []
        # Gradients reach the table inside the kernel; this leaf only makes autograd call it.
        self._handle = torch.zeros(1, device=self.device, requires_grad=True)

    @property
    def textures(self) -> torch.Tensor:
        """The 8-bit values (L, S, S, C) as float32, 0..1."""
        return (self.codes.float() / 255).view(self.layer_count, self.size, self.size, -1)

    def replace(self, textures: torch.Tensor) -> None:
        """Overwrite all values by textures (L, S, S, C)."""
        self.values.copy_(textures.reshape(self.values.shape).clamp(0, 1))
        self.codes.copy_(quantised(self.values))

    def sample(self, uv: torch.Tensor, layers: torch.Tensor) -> torch.Tensor:
        """Bilinear values at texture coordinates, clamped at the tile's edge.

        Parameters
        ----------
        uv : (N, 2) float32
            Within the layer's tile, v down; may require a gradient.
        layers : (N,) int32

        Returns
        -------
        (N, C) float32
            Colours decoded to linear light before filtering; opacities and features as they are.
        """
        return _Sample.apply(self._handle, uv.contiguous(), layers.int().contiguous(), self)

    def step(self, rate: float, agreement: float = 0.0) -> None:
        """One step of Adam on the texels touched since the last one.

        Parameters
        ----------
        rate : float
            Step size; opacities begin with longer ones, see :data:`HASTE`.
        agreement : float
            Share of ``rate`` by which each basis moves towards the mean of all bases.
        """
        in_parallel([partial(self._step_part, place, rate, agreement) for place in range(len(self._touched))])

    def _step_part(self, place: int, rate: float, agreement: float) -> None:
        inputs: list[Any] = [
            warp_view(self._touched[place], wp.int32),
            self.layout.channels,
            rate,
            HASTE,
            FIRST_DECAY,
            SECOND_DECAY,
            self.layout.basis_count,
            self.layout.alpha_count,
            agreement,
            warp_view(self.values.view(-1)),
            warp_view(self.codes.view(-1), wp.uint8),
            warp_view(self._gradient.view(-1)),
            warp_view(self._first.view(-1)),
            warp_view(self._second.view(-1)),
            warp_view(self.visits, wp.int32),
            warp_view(self._marks, wp.int32),
        ]
        launch(_adam, int(self._touched_counts[place]), inputs, self.device)
        self._touched_counts[place].zero_()

    def _gather(self, part: slice, uv: torch.Tensor, layers: torch.Tensor, values: torch.Tensor) -> None:
        """Fill a part of the samples."""
        inputs: list[Any] = [
            warp_view(self.codes, wp.uint8),
            warp_view(self.curve),
            3 * self.layout.basis_count,
            self.size,
            warp_view(uv[part], wp.vec2),
            warp_view(layers[part], wp.int32),
            warp_view(values[part]),
        ]
        launch(_sample, part.stop - part.start, inputs, self.device)

    def _scatter(
        self,
        place: int,
        part: slice,
        points: tuple[torch.Tensor, torch.Tensor],
        upstream: torch.Tensor,
        uv_gradient: torch.Tensor | None,
    ) -> None:
        """Add the gradients of a part of the samples to the table's; parts must not share texels."""
        while len(self._touched) <= place:
            self._touched.append(torch.zeros_like(self.visits))
            self._touched_counts.append(torch.zeros(1, dtype=torch.int32, device=self.device))
        uv, layers = points
        inputs: list[Any] = [
            warp_view(self.codes, wp.uint8),
            warp_view(self.curve),
            warp_view(self.slope),
            3 * self.layout.basis_count,
            self.size,
            warp_view(uv[part], wp.vec2),
            warp_view(layers[part], wp.int32),
            warp_view(upstream[part]),
            warp_view(self._gradient),
            warp_view(self._marks, wp.int32),
            warp_view(self._touched[place], wp.int32),
            warp_view(self._touched_counts[place], wp.int32),
            int(uv_gradient is not None),
            warp_view((uv if uv_gradient is None else uv_gradient)[part], wp.vec2),
        ]
        launch(_scatter, part.stop - part.start, inputs, self.device)


def quantised(values: torch.Tensor) -> torch.Tensor:
    """Values 0..1 as the nearest of 256 codes, uint8."""
    return (values * 255 + 0.5).clamp(0, 255).to(torch.uint8)


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, handle: torch.Tensor, uv: torch.Tensor, layers: torch.Tensor, table: TexelTable):
        ctx.save_for_backward(uv, layers)
        ctx.table, ctx.parts = table, parts(layers)
        values = torch.empty(len(uv), table.layout.channels, device=uv.device)
        in_parallel([partial(table._gather, part, uv, layers, values) for part in ctx.parts])
        return values

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        points, table = ctx.saved_tensors, ctx.table
        uv_gradient = torch.empty_like(points[0]) if ctx.needs_input_grad[1] else None
        gradient = upstream[0].contiguous()
        in_parallel(
            [
                partial(table._scatter, place, part, points, gradient, uv_gradient)
                for place, part in enumerate(ctx.parts)
            ]
        )
        return None, uv_gradient, None, None
