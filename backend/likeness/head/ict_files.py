"""Reading ICT-FaceKit's own files: one .npz, or the .obj files of a checkout; every size checked before use."""

from __future__ import annotations

import json
import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..array_files import check_compression
from ..errors import LikenessError
from ..files import file_size

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

VERTICES, POLYGONS, TRIANGLES, CORNERS = 26_719, 26_384, 52_220, 28_911
MAXIMUM_EXPRESSIONS = 256
MAXIMUM_IDENTITIES = 128
MAXIMUM_OBJ_BYTES = 16 * 2**20
MAXIMUM_SETTINGS_BYTES = 16 * 2**20
MAXIMUM_TEXT_BYTES, MAXIMUM_NUMBER_BYTES = 1024, 8
LARGEST_COORDINATE = 1000.0
"""In the files' unit: ten metres."""

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, TypeError,
    SyntaxError, tokenize.TokenError, MemoryError,
)  # fmt: skip
"""What libraries raise at damaged archives and arrays; the last three come from NumPy's header of an array."""


@dataclass(frozen=True)
class Part:
    """One part of the mesh: its own vertices, and its polygons (which may also use vertices of a neighbour)."""

    vertices: slice
    polygons: slice


PARTS = {
    name: Part(slice(*vertices), slice(*polygons))
    for name, vertices, polygons in (
        ("face", (0, 9409), (0, 9230)),
        ("head_neck", (9409, 11248), (9230, 11144)),
        ("mouth_socket", (11248, 13294), (11144, 13226)),
        ("eye_socket_L", (13294, 13678), (13226, 13630)),
        ("eye_socket_R", (13678, 14062), (13630, 14034)),
        ("gums_tongue", (14062, 17039), (14034, 17006)),
        ("teeth", (17039, 21451), (17006, 21496)),
        ("eyeball_L", (21451, 23021), (21496, 23094)),
        ("eyeball_R", (23021, 24591), (23094, 24692)),
        ("narrow_face", (0, 6706), (0, 6560)),
        ("sclera_L", (21451, 22221), (21496, 22296)),
        ("sclera_R", (23021, 23791), (23094, 23894)),
        ("teeth_upper", (17039, 19247), (17006, 19250)),
        ("teeth_lower", (19247, 21451), (19250, 21496)),
    )
}
"""Parts of the mesh after the README of ICT-FaceKit; some contain others."""

KEPT_PARTS = (
    "face",
    "head_neck",
    "mouth_socket",
    "eye_socket_L",
    "eye_socket_R",
    "gums_tongue",
    "teeth",
    "sclera_L",
    "sclera_R",
)
"""Parts that make up the head model; none contains another."""


@dataclass(frozen=True)
class SourceMesh:
    """What the files hold, in their unit (about 1 cm).

    Attributes
    ----------
    template : (V, 3)
    expression_names : tuple of str
    expression_basis : (E, V, 3) float16
    identity_basis : (I, V, 3) float16
    polygons : (P, 4) int32
        Quads; -1 in the last column for a triangle.
    triangles, triangles_uv : (F, 3) int32
        Vertices and texture corners.
    triangle_polygon : (F,) int32
        The polygon each triangle is of.
    uv : (T, 2)
        In several unit squares side by side.
    """

    template: Floats
    expression_names: tuple[str, ...]
    expression_basis: npt.NDArray[np.float16]
    identity_basis: npt.NDArray[np.float16]
    polygons: Indices
    triangles: Indices
    triangles_uv: Indices
    triangle_polygon: Indices
    uv: Floats

    def expression(self, name: str) -> Floats:
        """Displacements (V, 3) of one expression at weight one."""
        return self.expression_basis[self.expression_names.index(name)].astype(np.float64)


def read_npz(path: Path, identity_modes: int) -> SourceMesh:
    """Read ICT-FaceKit as one .npz, of which no pickled object and no unexpected size is accepted.

    Raises
    ------
    LikenessError
        If the file is missing, damaged, or is not ICT-FaceKit.
    """
    try:
        file_size(path)
        with zipfile.ZipFile(path) as archive:
            names = _read_member(archive, "expr_names", "U", (None,), MAXIMUM_EXPRESSIONS)
            expressions = len(names)
            arrays = {
                name: _read_member(archive, name, kind, shape, MAXIMUM_IDENTITIES)
                for name, kind, shape in (
                    ("v_template", "f", (VERTICES, 3)),
                    ("expr", "f", (expressions, VERTICES, 3)),
                    ("shape", "f", (None, VERTICES, 3)),
                    ("quads", "i", (POLYGONS, 4)),
                    ("tris", "i", (TRIANGLES, 3)),
                    ("tris_uv", "i", (TRIANGLES, 3)),
                    ("tri_src", "i", (TRIANGLES,)),
                    ("uv", "f", (CORNERS, 2)),
                )
            }
    except FileNotFoundError:
        raise LikenessError(f"There is no head model at {path}.") from None
    except OSError as error:
        raise LikenessError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        raise LikenessError(
            f"{path} is not ICT-FaceKit as an .npz file: {_sentence(error)}; take ict_facekit.npz or a checkout of"
            " ICT-FaceKit."
        ) from error
    source = SourceMesh(
        template=arrays["v_template"].astype(np.float64),
        expression_names=tuple(str(name) for name in names),
        expression_basis=arrays["expr"].astype(np.float16),
        identity_basis=arrays["shape"][:identity_modes].astype(np.float16),
        polygons=arrays["quads"].astype(np.int32),
        triangles=arrays["tris"].astype(np.int32),
        triangles_uv=arrays["tris_uv"].astype(np.int32),
        triangle_polygon=arrays["tri_src"].astype(np.int32),
        uv=arrays["uv"].astype(np.float64),
    )
    _check(source, path)
    return source


def read_checkout(folder: Path, identity_modes: int) -> SourceMesh:
    """Read ICT-FaceKit from the .obj files of its repository.

    Parameters
    ----------
    folder : Path
        The checkout, or its folder ``FaceXModel``.
    identity_modes : int
        How many identities to read; there are 100.

    Raises
    ------
    LikenessError
        If a file is missing, damaged or of another mesh.
    """
    if (folder / "FaceXModel").is_dir():
        folder = folder / "FaceXModel"
    if not (folder / "generic_neutral_mesh.obj").is_file():
        raise LikenessError(f"{folder} holds no ICT-FaceKit: FaceXModel/generic_neutral_mesh.obj is missing.")
    names = _expression_names(folder / "vertex_indices.json")
    neutral = _obj_bytes(folder / "generic_neutral_mesh.obj")
    template = _obj_numbers(neutral, b"v ", 3, VERTICES, folder / "generic_neutral_mesh.obj")
    polygons, polygons_uv = _obj_polygons(neutral, folder / "generic_neutral_mesh.obj")
    triangles, triangles_uv, triangle_polygon = _fans(polygons, polygons_uv)

    def displacements(name: str) -> npt.NDArray[np.float16]:
        file = folder / f"{name}.obj"
        return (_obj_numbers(_obj_bytes(file), b"v ", 3, VERTICES, file) - template).astype(np.float16)

    source = SourceMesh(
        template=template,
        expression_names=names,
        expression_basis=np.stack([displacements(name) for name in names]),
        identity_basis=np.stack([displacements(f"identity{index:03d}") for index in range(identity_modes)]),
        polygons=polygons,
        triangles=triangles,
        triangles_uv=triangles_uv,
        triangle_polygon=triangle_polygon,
        uv=_obj_numbers(neutral, b"vt ", 2, CORNERS, folder / "generic_neutral_mesh.obj"),
    )
    _check(source, folder)
    return source


def _expression_names(file: Path) -> tuple[str, ...]:
    """Names of the expressions, each that of an .obj file, in a checkout's table of settings."""
    try:
        size = file_size(file)
        if size > MAXIMUM_SETTINGS_BYTES:
            raise LikenessError(f"{file} has {size} bytes, far more than ICT-FaceKit's; take the original file.")
        names = json.loads(file.read_bytes())["expressions"]
    except OSError as error:
        raise LikenessError(
            f"{file} of ICT-FaceKit cannot be read: {error.strerror}; take the original file."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LikenessError(
            f"{file} gives no list of expressions: {_sentence(error)}; take the original file."
        ) from error
    listed = isinstance(names, list) and 0 < len(names) <= MAXIMUM_EXPRESSIONS
    if not listed or not all(
        isinstance(name, str) and name.isprintable() and Path(name).name == name for name in names
    ):
        raise LikenessError(f"{file} lists expressions that are no file names; take the original file.")
    return tuple(names)


def _check(source: SourceMesh, origin: Path) -> None:
    """Refuse absurd numbers, indices that point nowhere, and a file without ``jawOpen``."""
    for name in ("template", "expression_basis", "identity_basis", "uv"):
        if not np.isfinite(getattr(source, name)).all():
            raise LikenessError(f"{origin}: {name} of ICT-FaceKit holds numbers that are not finite.")
    if np.abs(source.template).max() > LARGEST_COORDINATE:
        raise LikenessError(
            f"{origin}: template of ICT-FaceKit reaches {np.abs(source.template).max():.3g} where a head in centimetres"
            f" stays below {LARGEST_COORDINATE:g}; take the original file."
        )
    ranges = (
        ("polygons", -1, VERTICES),
        ("triangles", 0, VERTICES),
        ("triangles_uv", 0, CORNERS),
        ("triangle_polygon", 0, POLYGONS),
    )
    for name, lowest, end in ranges:
        value = getattr(source, name)
        if value.min() < lowest or value.max() >= end:
            raise LikenessError(f"{origin}: {name} of ICT-FaceKit points outside {lowest}..{end - 1}.")
    if "jawOpen" not in source.expression_names:
        raise LikenessError(f"{origin} has no expression jawOpen, so it is not ICT-FaceKit.")


def _read_member(
    archive: zipfile.ZipFile, name: str, kind: str, shape: tuple[int | None, ...], longest: int
) -> np.ndarray:
    """One array of an .npz; its header is checked before memory is taken for it.

    Parameters
    ----------
    kind : str
        NumPy's letter for the kind of number; so a pickled array, of kind O, never matches.
    shape : tuple
        What the header must say; None allows any length up to ``longest``.
    """
    check_compression(archive, f"{name}.npy")
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"{name} is of an unknown .npy version")
        found, fortran, dtype = read_header(stream)
        fits = len(found) == len(shape) and all(
            have == want or (want is None and 0 < have <= longest) for have, want in zip(found, shape, strict=True)
        )
        widest = MAXIMUM_TEXT_BYTES if kind == "U" else MAXIMUM_NUMBER_BYTES
        if not fits or dtype.kind != kind or dtype.itemsize > widest or fortran:
            raise ValueError(f"{name} is {dtype} of the shape {found}")
        expected = math.prod(found) * dtype.itemsize
        content = stream.read(expected)
        if len(content) != expected:
            raise ValueError(f"{name} is cut off")
    return np.frombuffer(content, dtype).reshape(found)


def _sentence(error: Exception) -> str:
    """An exception's message on one line, without a full stop."""
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")[:200] or type(error).__name__


def _obj_bytes(file: Path) -> bytes:
    try:
        if file_size(file) > MAXIMUM_OBJ_BYTES:
            raise LikenessError(f"{file} is larger than any mesh of ICT-FaceKit.")
        return file.read_bytes()
    except OSError as error:
        raise LikenessError(f"{file} of ICT-FaceKit cannot be read: {error.strerror}.") from error


def _obj_numbers(content: bytes, keyword: bytes, width: int, count: int, file: Path) -> Floats:
    """The first ``width`` numbers (count, width) of all lines that begin with a keyword."""
    lines = [line[len(keyword) :].split()[:width] for line in content.splitlines() if line.startswith(keyword)]
    try:
        numbers = np.array(lines, np.float64)
    except ValueError as error:
        raise LikenessError(f"{file} holds a {keyword.decode().strip()} line that is no {width} numbers.") from error
    if numbers.shape != (count, width):
        raise LikenessError(f"{file} has {len(lines)} {keyword.decode().strip()} lines; ICT-FaceKit has {count}.")
    return numbers


def _obj_polygons(content: bytes, file: Path) -> tuple[Indices, Indices]:
    """Vertices and texture corners (P, 4) of all polygons, counted from zero; -1 where a triangle ends."""
    vertices, corners = np.full((2, POLYGONS, 4), -1, np.int32)
    lines = [line for line in content.splitlines() if line.startswith(b"f ")]
    if len(lines) != POLYGONS:
        raise LikenessError(f"{file} has {len(lines)} polygons; ICT-FaceKit has {POLYGONS}.")
    try:
        for index, line in enumerate(lines):
            for column, corner in enumerate(line.split()[1:]):
                vertex, texture = corner.split(b"/")[:2]
                vertices[index, column] = _counted_from_zero(vertex, VERTICES)
                corners[index, column] = _counted_from_zero(texture, CORNERS)
    except (ValueError, IndexError) as error:
        raise LikenessError(f"{file} holds a polygon that cannot be read; take the original file.") from error
    return vertices, corners


def _counted_from_zero(number: bytes, count: int) -> int:
    if not 1 <= int(number) <= count:
        raise ValueError("points outside the mesh")
    return int(number) - 1


def _fans(polygons: Indices, polygons_uv: Indices) -> tuple[Indices, Indices, Indices]:
    """Each polygon as a fan of triangles: vertices, texture corners and the polygon's number."""
    first, second = polygons[:, [0, 1, 2]], polygons[:, [0, 2, 3]]
    rows = np.stack([first, second], 1).reshape(-1, 3)
    rows_uv = np.stack([polygons_uv[:, [0, 1, 2]], polygons_uv[:, [0, 2, 3]]], 1).reshape(-1, 3)
    number = np.repeat(np.arange(len(polygons), dtype=np.int32), 2)
    whole = rows.min(1) >= 0
    return rows[whole], rows_uv[whole], number[whole]
