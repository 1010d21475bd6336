"""From fields to meshes: level sets by marching cubes, their main part, and fewer triangles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pymeshlab
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from skimage.measure import marching_cubes

from .foveation import Foveation
from .grid import Grid
from .mesh import Mesh, compacted

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


def extract_level(values: Array, grid: Grid, level: float) -> Mesh:
    """The largest connected part of a level set, closed where it leaves the grid.

    Parameters
    ----------
    values : (X, Y, Z) float32
        A field, negative inside.
    grid : Grid
    level : float

    Returns
    -------
    Mesh

    Raises
    ------
    ValueError
        If the field does not cross the level.
    """
    # A border of "outside" closes the surface; half a cell away, so that the cap lies within the grid's own half cell.
    padded = np.pad(values, 1, constant_values=0)
    border = np.ones(padded.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    padded[border] = level + grid.cell
    positions, faces, _, _ = marching_cubes(padded, level, gradient_direction="descent", allow_degenerate=False)
    mesh = Mesh(((positions - 1) * grid.cell + grid.low).astype(np.float32), faces.astype(np.int32))
    return oriented(largest_part(mesh))


def largest_part(mesh: Mesh) -> Mesh:
    """The connected part with the most triangles."""
    edges = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    count = len(mesh.positions)
    graph = sparse.coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), (count, count))
    _, labels = connected_components(graph, directed=False)
    face_labels = labels[mesh.faces[:, 0]]
    return compacted(mesh.positions, mesh.faces[face_labels == np.bincount(face_labels).argmax()])


def oriented(mesh: Mesh) -> Mesh:
    """The mesh with faces turned, if need be, so that a closed surface encloses a positive volume."""
    a, b, c = (mesh.positions[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    volume = np.einsum("fc,fc->", a, np.cross(b, c))
    return mesh if volume >= 0 else Mesh(mesh.positions, np.ascontiguousarray(mesh.faces[:, ::-1]))


def decimated(mesh: Mesh, face_count: int, foveation: Foveation | None = None) -> Mesh:
    """A closed mesh with at most about ``face_count`` triangles, by quadric edge collapse.

    Parameters
    ----------
    mesh : Mesh
    face_count : int
    foveation : Foveation or None
        Where triangles matter most; evenly everywhere when None.
    """
    if len(mesh.faces) <= face_count:
        return mesh
    positions = mesh.positions.astype(np.float64) if foveation is None else foveation.apply(mesh.positions)
    reduced, _ = _collapsed(positions, mesh.faces, face_count, keep_vertices=False)
    positions = reduced.positions if foveation is None else foveation.undo(reduced.positions)
    return oriented(largest_part(Mesh(positions.astype(np.float32), reduced.faces)))


def decimated_subset(mesh: Mesh, face_count: int) -> tuple[npt.NDArray[np.intp], Indices]:
    """Fewer triangles on some of a mesh's own vertices; triangles at its border stay as they are.

    Returns
    -------
    vertices : (V',) int
        Which of the mesh's vertices are kept.
    faces : (F', 3) int32
        Triangles over those; about ``face_count``, or more where the border alone has more.
    """
    everything = np.arange(len(mesh.positions))
    if len(mesh.faces) <= face_count:
        return everything, mesh.faces
    reduced, numbers = _collapsed(mesh.positions.astype(np.float64), mesh.faces, face_count, keep_vertices=True)
    return numbers, reduced.faces


def _collapsed(
    positions: npt.NDArray[np.float64], faces: Indices, face_count: int, keep_vertices: bool
) -> tuple[Mesh, npt.NDArray[np.intp]]:
    """A mesh after quadric edge collapse, and each vertex's number before it (meaningful if vertices are kept)."""
    meshes = pymeshlab.MeshSet(verbose=False)  # pyright: ignore[reportAttributeAccessIssue]
    # Positions in metres make quadrics so small that MeshLab takes them for zero. Each vertex carries its number.
    scale, numbers = 1000.0, np.arange(len(positions), dtype=np.float64)
    mesh = pymeshlab.Mesh(positions * scale, faces, v_scalar_array=numbers)  # pyright: ignore[reportAttributeAccessIssue]
    meshes.add_mesh(mesh)
    target = face_count
    if keep_vertices:
        meshes.compute_selection_from_mesh_border()
        meshes.apply_selection_inverse(invfaces=True)
        # With a selection, MeshLab's target counts selected triangles only.
        inner = meshes.current_mesh().selected_face_number()
        target = max(0, face_count - (len(faces) - inner))
    meshes.meshing_decimation_quadric_edge_collapse(
        targetfacenum=target,
        preservenormal=True,
        optimalplacement=not keep_vertices,
        selected=keep_vertices,
    )
    meshes.meshing_remove_unreferenced_vertices()
    mesh = meshes.current_mesh()
    result = Mesh((mesh.vertex_matrix() / scale).astype(np.float32), mesh.face_matrix().astype(np.int32))
    return result, np.rint(mesh.vertex_scalar_array()).astype(np.intp)
