"""The layers' textures while they are learnt: 8-bit in every picture, float32 underneath, Adam for seen texels only.

Each picture is made from the 8-bit values that the avatar's file will hold; gradients pass straight through the
rounding to the float32 values. A step touches only the texels that the last pictures have seen, so its cost does not
grow with the textures' size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy.typing as npt
import torch
import warp as wp

from ..raster.kernel_launch import launch, warp_view
from ..raster.parallel import in_parallel, parts
from .compositing import srgb_to_linear
from .proxies import TextureLayout
from .team import Team
from .texel_kernels import sample_texels, scatter_gradients, step_texels

FIRST_DECAY, SECOND_DECAY = 0.9, 0.99
"""Adam's decays; the second is short, for a texel is seen in few steps."""

HASTE = 8.0
"""A texel's n-th step in opacity is 1 + HASTE / n times as long: what only few frames show to be background has to
become transparent in few steps."""


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

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state between two steps, from which :meth:`restore` goes on: of texels that were touched, no others."""
        rows = self.visits.nonzero()[:, 0]
        parts = {"values": self.values, "codes": self.codes, "first": self._first, "second": self._second}
        tensors = {
            "rows": rows.int(),
            "visits": self.visits[rows],
            **{name: part[rows] for name, part in parts.items()},
        }
        return {name: part.cpu().numpy() for name, part in tensors.items()}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Put back what :meth:`arrays` gave, into a table of the textures that this one began with."""
        state = {name: torch.tensor(part, device=self.device) for name, part in arrays.items()}
        rows = state["rows"].long()
        parts = {"values": self.values, "codes": self.codes, "first": self._first, "second": self._second}
        for name, part in {**parts, "visits": self.visits}.items():
            part[rows] = state[name]

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

    def add_gradients(self, team: Team) -> None:
        """Sum the texels' gradients over all processes; texels that any of them has touched count as touched here."""
        if team.size == 1:
            return
        self._make_room(1)
        parts = zip(self._touched, self._touched_counts, strict=True)
        rows = team.united(torch.cat([part[: int(count)] for part, count in parts]))
        gradient = self._gradient[rows.long()]
        team.add([gradient])
        self._gradient[rows.long()] = gradient
        for count in self._touched_counts:
            count.zero_()
        self._touched[0][: len(rows)] = rows
        self._touched_counts[0].fill_(len(rows))

    def step(self, rate: float, agreement: float = 0.0, reach: float = 1.0) -> None:
        """One step of Adam on the texels touched since the last one.

        Parameters
        ----------
        rate : float
            Step size; opacities begin with longer ones, see :data:`HASTE`.
        agreement : float
            Share of ``rate`` by which each basis moves towards the mean of all bases.
        reach : float
            How far a basis without any say in the last pictures may be from what the others show; one with more say
            may be farther off, and one with as much as any may have any colour.
        """
        count = len(self._touched)
        in_parallel([partial(self._step_part, place, rate, agreement, reach) for place in range(count)])

    def _step_part(self, place: int, rate: float, agreement: float, reach: float) -> None:
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
            reach,
            warp_view(self.values.view(-1)),
            warp_view(self.codes.view(-1), wp.uint8),
            warp_view(self._gradient.view(-1)),
            warp_view(self._first.view(-1)),
            warp_view(self._second.view(-1)),
            warp_view(self.visits, wp.int32),
            warp_view(self._marks, wp.int32),
        ]
        launch(step_texels, int(self._touched_counts[place]), inputs, self.device)
        self._touched_counts[place].zero_()

    def _make_room(self, parts: int) -> None:
        """Have a list of touched texels for each of so many parts; parts that run side by side must not do it."""
        while len(self._touched) < parts:
            self._touched.append(torch.zeros_like(self.visits))
            self._touched_counts.append(torch.zeros(1, dtype=torch.int32, device=self.device))

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
        launch(sample_texels, part.stop - part.start, inputs, self.device)

    def _scatter(
        self,
        place: int,
        part: slice,
        points: tuple[torch.Tensor, torch.Tensor],
        upstream: torch.Tensor,
        uv_gradient: torch.Tensor | None,
    ) -> None:
        """Add the gradients of a part of the samples to the table's; parts must not share texels."""
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
        launch(scatter_gradients, part.stop - part.start, inputs, self.device)


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
        table._make_room(len(ctx.parts))
        in_parallel(
            [
                partial(table._scatter, place, part, points, gradient, uv_gradient)
                for place, part in enumerate(ctx.parts)
            ]
        )
        return None, uv_gradient, None, None
