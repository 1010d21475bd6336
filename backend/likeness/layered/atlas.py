"""Texture coordinates: charts, cut by xatlas or given, scaled by importance and packed into a square tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xatlas
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..errors import LikenessError
from ..unwrapping import new_atlas
from .mesh import Mesh

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

GUTTER = 2
"""Texels between charts, at least: bilinear lookups at a chart's edge reach half a texel beyond it on either side."""

SMALLEST_TILE = 16
"""Texels; xatlas does not end when charts are to be packed into next to nothing."""

_ATTEMPTS = 8


@dataclass(frozen=True)
class Atlas:
    """Texture coordinates of a mesh.

    Attributes
    ----------
    uv : (T, 2) float32
        Within the tile 0..1, v down, once packed; before that, of any scale, chart by chart.
    faces_uv : (F, 3) int32
        Corners of the mesh's faces, in their order.
    """

    uv: Array
    faces_uv: Indices

    def chart_of_faces(self) -> npt.NDArray[np.intp]:
        """Chart (F,) of each face: charts are what hangs together by shared corners."""
        edges = self.faces_uv[:, [0, 1, 1, 2]].reshape(-1, 2)
        count = len(self.uv)
        graph = sparse.coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), (count, count))
        _, labels = connected_components(graph, directed=False)
        return np.unique(labels[self.faces_uv[:, 0]], return_inverse=True)[1]

    def face_areas(self) -> npt.NDArray[np.float64]:
        """Area (F,) of each face in texture space."""
        a, b, c = (self.uv[self.faces_uv[:, corner]].astype(np.float64) for corner in range(3))
        return 0.5 * np.abs(np.cross(b - a, c - a))


def cut_charts(mesh: Mesh) -> Atlas:
    """Charts of a mesh, unpacked."""
    options = xatlas.ChartOptions()
    options.max_iterations = 2
    options.normal_deviation_weight = 0.5
    options.max_cost = 20.0
    with new_atlas() as charts:
        # xatlas takes small triangles for degenerate; it was made for scenes in larger units than metres.
        charts.add_mesh(np.ascontiguousarray(mesh.positions * 1000, np.float32), mesh.faces.astype(np.uint32))
        charts.generate(options, _packing())
        _, faces_uv, uv = charts[0]
        return Atlas((uv * [charts.width, charts.height]).astype(np.float32), faces_uv.astype(np.int32))


def pack_charts(mesh: Mesh, charts: Atlas, density: npt.NDArray[np.floating], tile_size: int) -> Atlas:
    """Scale charts and pack them into a square tile.

    Parameters
    ----------
    mesh : Mesh
    charts : Atlas
        Of any scale.
    density : (F,)
        How many texels per metre each face wants, relative to the others; a chart gets what its faces want on average.
    tile_size : int
        Texels on a side.

    Returns
    -------
    Atlas
        Charts lie at least :data:`GUTTER` texels apart and half a gutter from the tile's edge.

    Raises
    ------
    ValueError
        If the tile is smaller than :data:`SMALLEST_TILE`.
    LikenessError
        If the charts do not fit into it at any scale that was tried.
    """
    if tile_size < SMALLEST_TILE:
        raise ValueError(f"a tile measures at least {SMALLEST_TILE} texels, not {tile_size}")
    uv = _scaled(mesh, charts, density)
    inside = tile_size - GUTTER
    # xatlas takes a scale and answers with a size, which gutters keep from being proportional: search the largest that
    # fits. The first guess would fill half of the tile.
    area = Atlas(uv, charts.faces_uv).face_areas().sum()
    scale, fits, fails, best = inside * np.sqrt(0.5 / area), 0.0, 0.0, None
    for _ in range(_ATTEMPTS):
        packed, size = _packed(uv * scale, charts.faces_uv)
        if size <= inside:
            fits, best = scale, packed
        else:
            fails = scale
        scale = 0.5 * (fits + fails) if fits and fails else scale * inside / size * (1.02 if fits else 0.95)
    if best is None:
        count = charts.chart_of_faces().max() + 1
        raise LikenessError(f"{count} charts do not fit into a tile of {tile_size} texels; choose a larger tile_size.")
    return Atlas(((best.uv + GUTTER / 2) / tile_size).astype(np.float32), best.faces_uv)


def _packed(uv: Array, faces_uv: Indices) -> tuple[Atlas, float]:
    """Charts after packing, in texels, and the side of the square that holds them."""
    with new_atlas() as packed:
        # As texture coordinates and not as a flat mesh, of which xatlas would cut charts anew at every fold.
        packed.add_uv_mesh(np.ascontiguousarray(uv, np.float32), faces_uv.astype(np.uint32))
        packed.generate(xatlas.ChartOptions(), _packing(texels_per_unit=1.0))
        _, faces, places = packed[0]
        size = float(max(packed.width, packed.height)) if packed.atlas_count == 1 else np.inf
        return Atlas((places * [packed.width, packed.height]).astype(np.float32), faces.astype(np.int32)), size


def _scaled(mesh: Mesh, charts: Atlas, density: npt.NDArray[np.floating]) -> Array:
    """Texture corners with each chart scaled to its faces' density."""
    a, b, c = (mesh.positions[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    areas = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chart = charts.chart_of_faces()
    wanted = np.bincount(chart, areas * np.asarray(density, np.float64) ** 2)
    factors = np.sqrt(wanted / np.maximum(np.bincount(chart, charts.face_areas()), 1e-20))
    of_corner = np.zeros(len(charts.uv))
    of_corner[charts.faces_uv] = factors[chart][:, None]
    return (charts.uv * of_corner[:, None]).astype(np.float32)


def _packing(texels_per_unit: float = 0.0) -> xatlas.PackOptions:
    options = xatlas.PackOptions()
    options.padding = GUTTER
    options.bilinear = True
    options.rotate_charts = True
    options.texels_per_unit = texels_per_unit
    return options
