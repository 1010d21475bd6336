"""The reference search: where rays meet level sets of a field that moves non-rigidly, by marching and root finding.

It is what the fast path spares: for every sample along every ray the canonical point is found by Broyden's method from
several starts, each time with the deformation evaluated anew (SNARF, ICCV 2021; BakedAvatar, TOG 2023). Nothing is
remembered from one sample, step or frame to the next. It needs no meshes, hence it can tell whether the fast path finds
the right places, and it is what the fast path's speed is measured against. Single precision throughout: lower precision
would not reach the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .hit_refinement import broyden_update
from .linear3 import inverses
from .point_deformation import FrameDeformation
from .search_starts import Starts

FieldValues = Callable[[torch.Tensor], torch.Tensor]
"""Values (N,) of the field at canonical points (N, 3), metres, negative inside."""

NOTHING = 250.0
"""Field value of samples whose canonical point is not found, metres: far outside."""


@dataclass(frozen=True)
class SearchSettings:
    """How thorough the search is; the defaults are the paper's, in metres instead of its quarters of them.

    Attributes
    ----------
    samples : int
        Samples along a ray.
    secant_steps : int
        Steps that refine each crossing after the first, linear one.
    broyden_steps : int
        Updates of a canonical point at most.
    tolerance : float
        Residual at which a point counts as found, metres.
    hopeless : float
        Residual at which a start is given up, metres.
    batch : int
        Points at a time.
    """

    samples: int = 48
    secant_steps: int = 6
    broyden_steps: int = 10
    tolerance: float = 2.5e-6
    hopeless: float = 0.25
    batch: int = 100_000


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Attributes
    ----------
    deformation : FrameDeformation
        Of the frame, into camera space.
    field : callable
        The manifold's values.
    starts : callable
        First guesses of canonical points.
    settings : SearchSettings
    """

    deformation: FrameDeformation
    field: FieldValues
    starts: Starts
    settings: SearchSettings


@dataclass(frozen=True)
class Crossings:
    """Where rays enter level sets; L levels and R rays.

    Attributes
    ----------
    found : (L, R) bool
        Whether a ray enters a level set.
    points : (L, R, 3) float32
        Canonical points of the crossings; meaningless where none was found.
    depths : (L, R) float32
        Distances along the rays, metres.
    values : (L, R) float32
        The field there: the level, as far as the search got.
    """

    found: torch.Tensor
    points: torch.Tensor
    depths: torch.Tensor
    values: torch.Tensor


@torch.no_grad()
def canonical_points(search: Search, posed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All canonical points that are found for camera-space points, one for each start.

    Parameters
    ----------
    search : Search
    posed : (N, 3) float32

    Returns
    -------
    points : (S, N, 3) float32
    found : (S, N) bool
        Whether the deformation takes the point to where it should.
    """
    starts, settings = search.starts(posed), search.settings
    targets = posed.expand(starts.shape).reshape(-1, 3)
    parts = zip(starts.reshape(-1, 3).split(settings.batch), targets.split(settings.batch), strict=True)
    results = [_broyden(search.deformation, start, target, settings) for start, target in parts]
    points, found = (torch.cat(values) for values in zip(*results, strict=True))
    return points.view(starts.shape), found.view(starts.shape[:2])


def _broyden(
    deformation: FrameDeformation, start: torch.Tensor, target: torch.Tensor, settings: SearchSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Broyden's method ("good" updates) for x_d(x) = target; the inverse Jacobian starts as that of rigid parts."""
    points = start.clone()
    posed, linear = deformation.with_linear_part(points)
    residual, inverse = posed - target, inverses(linear)
    length = torch.linalg.vector_norm(residual, dim=1)
    found = length < settings.tolerance
    active = (~found & (length < settings.hopeless)).nonzero()[:, 0]
    residual, inverse = residual[active], inverse[active]
    for _ in range(settings.broyden_steps):
        if not len(active):
            break
        step = -(inverse @ residual[..., None])[..., 0]
        points[active] += step
        updated = deformation(points[active]) - target[active]
        change = updated - residual
        inverse = broyden_update(inverse, step, change)
        length = torch.linalg.vector_norm(updated, dim=1)
        done = length < settings.tolerance
        found[active[done]] = True
        going = ~done & (length < settings.hopeless)
        active, residual, inverse = active[going], updated[going], inverse[going]
    return points, found


@torch.no_grad()
def lowest_values(search: Search, posed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The field (N,) at camera-space points (N, 3), and the canonical points (N, 3) where it is.

    Several canonical points may come to lie in one place, as where lips touch. The one that lies deepest inside counts;
    where none is found the value is :data:`NOTHING`.
    """
    points, found = canonical_points(search, posed)
    values = torch.full(found.shape, NOTHING)
    # A start that led nowhere says nothing, so the field is not asked.
    for part in found.view(-1).nonzero()[:, 0].split(search.settings.batch):
        values.view(-1)[part] = search.field(points.view(-1, 3)[part])
    lowest, start = values.min(0)
    return lowest, points[start, torch.arange(len(posed))]


@torch.no_grad()
def first_crossings(
    search: Search, rays: torch.Tensor, levels: torch.Tensor, bounds: tuple[torch.Tensor, float]
) -> Crossings:
    """Find where rays from the camera first enter each level set.

    Parameters
    ----------
    search : Search
    rays : (R, 3) float32
        Unit directions in camera space.
    levels : (L,) float32
        Metres.
    bounds : ((3,) tensor, float)
        Centre and radius of a sphere around everything, camera space; rays are sampled evenly within.
    """
    depths = _sample_depths(rays, *bounds, search.settings.samples)
    places = (rays[:, None] * depths[..., None]).reshape(-1, 3)
    values, points = lowest_values(search, places)
    values, points = values.view(depths.shape), points.view(*depths.shape, 3)
    heights = values[None] - levels[:, None, None]
    entering = (heights[..., :-1] >= 0) & (heights[..., 1:] < 0)
    found, interval = entering.any(2), entering.int().argmax(2)
    level, ray = found.nonzero(as_tuple=True)
    at = interval[level, ray]
    ends = [_End(depths[ray, place], heights[level, ray, place], points[ray, place]) for place in (at, at + 1)]
    best = _refined(search, rays[ray], levels[level], ends)
    shape = found.shape
    result = Crossings(found, torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(shape))
    result.points[level, ray], result.depths[level, ray] = best.points, best.depths
    result.values[level, ray] = best.heights + levels[level]
    return result


@dataclass
class _End:
    """One end of the intervals that hold crossings: depths (N,), field less level (N,), canonical points (N, 3)."""

    depths: torch.Tensor
    heights: torch.Tensor
    points: torch.Tensor

    def take(self, where: torch.Tensor, other: _End) -> None:
        """Take over what lies at another place, where a mask (N,) says so."""
        self.depths = torch.where(where, other.depths, self.depths)
        self.heights = torch.where(where, other.heights, self.heights)
        self.points = torch.where(where[:, None], other.points, self.points)


def _refined(search: Search, rays: torch.Tensor, levels: torch.Tensor, ends: list[_End]) -> _End:
    """Crossings within intervals whose front lies outside and whose back lies inside, by a bracketed secant method.

    Regula falsi with the Illinois rule: an end that stays twice counts half, else it might stay for ever.
    """
    front, back = ends
    best = _End(back.depths, back.heights, back.points)
    front_weight, back_weight = torch.ones_like(levels), torch.ones_like(levels)
    moved_before = torch.zeros_like(levels)
    for _ in range(1 + search.settings.secant_steps):
        ahead, behind = front.heights * front_weight, back.heights * back_weight
        share = ahead / (ahead - behind).clamp(min=1e-9)
        # No secant leads through a place that has no canonical point.
        share = torch.where(front.heights >= NOTHING / 2, 0.5, share)
        depths = front.depths + share * (back.depths - front.depths)
        values, points = lowest_values(search, rays * depths[:, None])
        middle = _End(depths, values - levels, points)
        outside = middle.heights >= 0
        front.take(outside, middle)
        back.take(~outside, middle)
        moved = torch.where(outside, 1.0, -1.0)
        again = moved == moved_before
        back_weight = torch.where(outside & again, 0.5 * back_weight, 1.0)
        front_weight = torch.where(~outside & again, 0.5 * front_weight, 1.0)
        moved_before = moved
        best.take(middle.heights.abs() < best.heights.abs(), middle)
    return best


def _sample_depths(rays: torch.Tensor, centre: torch.Tensor, radius: float, samples: int) -> torch.Tensor:
    """Depths (R, S) between where rays enter and leave a sphere; at its closest point for rays that miss it."""
    middle = rays @ centre
    half = (radius**2 - (centre @ centre - middle**2)).clamp(min=0).sqrt()
    shares = torch.linspace(-1, 1, samples)
    return (middle[:, None] + half[:, None] * shares).clamp(min=0)
