"""A capture on disk, as :mod:`likeness.capture.model` lays it out: written whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from ..errors import LikenessError
from ..files import file_size, write_atomically
from ..head.model import HeadModel
from ..head.storage import load_head, save_head
from ..tensors import read_tensors
from .checks import MAXIMUM_FRAMES, check_fields
from .model import Capture
from .pictures import MAXIMUM_SIDE, Picture, check_picture, read_picture, write_picture
from .semantics import check_semantics, semantics_names
from .told_paths import is_file_name, leads_inside

FORMAT = "likeness-capture"
VERSION = 1
DESCRIPTION = "capture.json"
PARAMETERS = "parameters.safetensors"
HEAD = "head.safetensors"
STANDIN = "standin"
MAXIMUM_DESCRIPTION_BYTES = 32 * 2**20
MAXIMUM_PARAMETER_BYTES = 2**30
MAXIMUM_NAME = 256


def picture_names(folder: str, count: int, suffix: str) -> tuple[str, ...]:
    """Names ``folder/00000.suffix`` and so on: how captures name their frames and mattes."""
    return tuple(f"{folder}/{index:05d}{suffix}" for index in range(count))


def write_capture(
    capture: Capture,
    folder: Path,
    frames: Iterable[Picture | Path],
    mattes: Iterable[Picture | Path],
    *,
    semantics: Iterable[Picture | Path] | None = None,
    overwrite: bool = False,
) -> Capture:
    """Write a capture to a folder that appears when everything is in it, and not at all if anything fails.

    Parameters
    ----------
    capture : Capture
        Everything but the pictures; its ``folder`` is not looked at, ``frames`` and ``mattes`` say under which names
        the pictures go (see :func:`picture_names`); a name's suffix decides the format. In its provenance, what is no
        character (bytes of a terminal or a file name that are not UTF-8) becomes U+FFFD.
    folder : Path
        Where to write.
    frames : iterable of (H, W, 3) uint8 arrays, or paths of pictures to copy as they are
        Consumed one by one, so a long video need not be in memory.
    mattes : iterable of (H, W) uint8 arrays, or paths of pictures to copy as they are
    semantics : iterable of (H, W) uint8 arrays, or paths of pictures to copy as they are, optional
        Class numbers of a face parser, see :mod:`likeness.capture.semantics`.
    overwrite : bool
        Whether a capture that is already there may be replaced; any other folder never is.

    Returns
    -------
    Capture
        The capture as it now lies on disk.

    Raises
    ------
    LikenessError
        If the parts disagree, the folder is taken, or it cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    check_place(folder, overwrite)
    check_fields(capture, str(folder))
    capture = replace(capture, provenance={_told(name): _told(text) for name, text in capture.provenance.items()})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise LikenessError(f"Cannot write {folder}: {error.strerror}.") from error
    try:
        temporary.chmod(0o755)
        _write_pictures(temporary, capture.frames, frames, "frames")
        _write_pictures(temporary, capture.mattes, mattes, "mattes")
        if semantics is not None:
            _write_pictures(temporary, semantics_names(capture.frames), semantics, "pictures of labels")
        _write_parameters(capture, temporary)
        if not _is_built_in(capture.head):
            save_head(capture.head, temporary / HEAD)
        written = replace(capture, folder=temporary)
        _check_pictures(written)
        # Somebody may have put files there since.
        check_place(folder, overwrite)
        put_in_place(temporary, folder)
    except OSError as error:
        raise LikenessError(f"Cannot write {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return replace(capture, folder=folder)


def load_capture(folder: Path) -> Capture:
    """Read a capture; every file that it names is there and has the size that it says.

    Raises
    ------
    LikenessError
        Naming the first file and field that is missing or wrong.
    """
    folder = Path(folder)
    place = folder / DESCRIPTION
    description = _read_description(place)
    width, height = (_field(place, description, name, _whole(1, MAXIMUM_SIDE)) for name in ("width", "height"))
    frames = _field(place, description, "frames", _names)
    mattes = _field(place, description, "mattes", _names)
    for name, paths in (("frames", frames), ("mattes", mattes)):
        for path in paths:
            _inside(folder, path, f"{place}: field {name!r}")
    head = _load_head(folder, place, description)
    tensors, _ = read_tensors(
        _inside(folder, PARAMETERS, str(place)), "the parameters of a capture", MAXIMUM_PARAMETER_BYTES
    )
    parameters = {name: _parameter(folder / PARAMETERS, tensors, name) for name in _PARAMETERS}
    if "camera_to_world" in tensors:
        camera_to_world = _parameter(folder / PARAMETERS, tensors, "camera_to_world")
    else:
        still = _field(place, description, "camera_to_world", _numbers(16)).reshape(4, 4)
        camera_to_world = np.tile(still, (len(frames), 1, 1))
    capture = Capture(
        folder=folder,
        head=head,
        width=width,
        height=height,
        intrinsics=_field(place, description, "intrinsics", _numbers(4)),
        camera_to_world=camera_to_world,
        frames=frames,
        mattes=mattes,
        held_out=_field(place, description, "held_out", _indices),
        frame_rate=_field(place, description, "frame_rate", lambda value: float(_numbers(1)([value])[0])),
        provenance=_field(place, description, "provenance", _texts),
        **parameters,
    )
    check_fields(capture, str(folder))
    _check_pictures(capture)
    return capture


def load_frame(capture: Capture, index: int) -> Picture:
    """Pixels (H, W, 3) uint8, sRGB, of one frame.

    Raises
    ------
    LikenessError
        If the picture is missing, damaged or of another size.
    """
    return read_picture(capture.folder / capture.frames[index], "RGB", (capture.width, capture.height))


def load_matte(capture: Capture, index: int) -> Picture:
    """Matte (H, W) uint8 of one frame: 255 is the person.

    Raises
    ------
    LikenessError
        If the picture is missing, damaged or of another size.
    """
    return read_picture(capture.folder / capture.mattes[index], "L", (capture.width, capture.height))


_PARAMETERS = ("identity", "expression", "root_rotation", "root_translation", "joint_rotations", "landmarks")


def _write_pictures(folder: Path, names: tuple[str, ...], pictures: Iterable[Picture | Path], what: str) -> None:
    for name, picture in zip_longest(names, pictures):
        if name is None or picture is None:
            raise LikenessError(f"The capture names {len(names)} {what}, but not as many pictures were given.")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, Path):
            if target.suffix.lower() != picture.suffix.lower():
                raise LikenessError(f"{picture} cannot be copied to {name}: the formats differ; use the same suffix.")
            shutil.copyfile(picture, target)
        else:
            write_picture(picture, target)


def _write_parameters(capture: Capture, folder: Path) -> None:
    tensors = {name: np.ascontiguousarray(getattr(capture, name), np.float32) for name in _PARAMETERS}
    description: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "head": _head_entry(capture.head),
        "width": capture.width,
        "height": capture.height,
        "intrinsics": [float(value) for value in capture.intrinsics],
        "frame_rate": float(capture.frame_rate),
        "held_out": [int(index) for index in capture.held_out],
        "provenance": capture.provenance,
        "frames": list(capture.frames),
        "mattes": list(capture.mattes),
    }
    if (capture.camera_to_world == capture.camera_to_world[0]).all():
        description["camera_to_world"] = [float(value) for value in capture.camera_to_world[0].ravel()]
    else:
        tensors["camera_to_world"] = np.ascontiguousarray(capture.camera_to_world, np.float32)
    write_atomically(folder / PARAMETERS, save(tensors))
    write_atomically(folder / DESCRIPTION, json.dumps(description, indent=1, ensure_ascii=False).encode())


def _told(text: str) -> str:
    """A text without halves of characters, which UTF-8 cannot hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def check_place(folder: Path, overwrite: bool) -> None:
    """Make sure that a capture may be written to ``folder``: it is new, empty, or a capture that may be replaced.

    Raises
    ------
    LikenessError
        If something is there that must stay, or this process runs in it.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise LikenessError(f"{folder} is not a folder; choose another place for the capture.")
    if not folder.exists():
        return
    if runs_in(folder):
        raise LikenessError(f"{folder} cannot be replaced while a command runs in it; choose another folder.")
    if not any(folder.iterdir()):
        return
    if not (folder / DESCRIPTION).is_file():
        raise LikenessError(f"{folder} holds other files; choose an empty or new folder for the capture.")
    if not overwrite:
        raise LikenessError(f"{folder} already holds a capture; choose another folder, or add --overwrite.")


def runs_in(folder: Path) -> bool:
    """Whether a folder is, or holds, the one that this process runs in."""
    try:
        return Path.cwd().is_relative_to(folder.resolve())
    except OSError:
        return False


def put_in_place(temporary: Path, folder: Path) -> None:
    """Move a finished capture from a folder beside it to its place; what was there comes back if that fails.

    Raises
    ------
    LikenessError
        If what was there could not be brought back; it says where it is.
    OSError
        If the place cannot be written.
    """
    if not folder.exists():
        temporary.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    before = aside / folder.name
    try:
        folder.rename(before)
        temporary.rename(folder)
    except BaseException as error:
        if temporary.exists() and before.exists():
            try:
                before.rename(folder)
            except OSError:
                raise LikenessError(f"{folder} cannot be replaced; move {before} back to it.") from error
        raise
    finally:
        if temporary.exists():
            # Empty, or what was there could not be brought back and must stay.
            with suppress(OSError):
                aside.rmdir()
        else:
            shutil.rmtree(aside, ignore_errors=True)


def _read_description(place: Path) -> dict[str, Any]:
    try:
        if file_size(place) > MAXIMUM_DESCRIPTION_BYTES:
            raise LikenessError(f"{place} is larger than {MAXIMUM_DESCRIPTION_BYTES} bytes; make the capture again.")
        description = json.loads(place.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise LikenessError(f"{place.parent} is not a capture: it holds no {DESCRIPTION}; give its folder.") from None
    except OSError as error:
        raise LikenessError(f"{place} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise LikenessError(f"{place} is not valid JSON ({error}); make the capture again.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise LikenessError(f"{place}: field 'format' is not {FORMAT!r}; give the folder of a capture.")
    if description.get("version") != VERSION:
        raise LikenessError(
            f"{place}: field 'version' is {description.get('version')!r:.60} where this Likeness reads {VERSION}; "
            "update Likeness or make the capture again."
        )
    return description


def _refuse_constant(name: str) -> float:
    raise ValueError(f"it holds {name}")


def _head_entry(head: HeadModel) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": head.name, "expressions": list(head.expression_names)}
    if _is_built_in(head):
        # It is not stored with the capture, so another Likeness may bring another one.
        entry["fingerprint"] = _fingerprint(head)
    return entry


def _is_built_in(head: HeadModel) -> bool:
    """Whether a head is the built-in one itself; a tracked person's has points and teeth of its own."""
    return head.name == STANDIN and head is _built_in_head()


def _built_in_head() -> HeadModel:
    # Only here, because the built-in head is data that most captures do not need.
    from ..head.standin import standin

    return standin()


def _fingerprint(head: HeadModel) -> str:
    digest = hashlib.sha256()
    for array in (head.template, head.expression_basis, head.skin_weights, head.faces):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _load_head(folder: Path, place: Path, description: dict[str, Any]) -> HeadModel:
    told = _field(place, description, "head", _head_field)
    name, expressions = told["name"], tuple(told["expressions"])
    built_in = name == STANDIN and told["fingerprint"] is not None
    head = _built_in_head() if built_in else load_head(_inside(folder, HEAD, f"{place}: field 'head'"))
    other = built_in and told["fingerprint"] != _fingerprint(head)
    if other or head.name != name or head.expression_names != expressions:
        raise LikenessError(
            f"{place}: field 'head' describes another head than the {head.name!r} head that was found; "
            "make the capture again with this Likeness."
        )
    return head


def _field(place: Path, description: dict[str, Any], name: str, read: Callable[[Any], Any]) -> Any:
    if name not in description:
        raise LikenessError(f"{place}: field {name!r} is missing; make the capture again.")
    try:
        return read(description[name])
    except (ValueError, TypeError, OverflowError) as error:
        raise LikenessError(f"{place}: field {name!r} {error}; make the capture again.") from error


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"is {value!r:.60} where a whole number from {low} to {high} is needed")
        return value

    return read


def _numbers(count: int) -> Callable[[Any], npt.NDArray[np.float32]]:
    def read(value: Any) -> npt.NDArray[np.float32]:
        numbers = [entry for entry in value if isinstance(entry, int | float) and not isinstance(entry, bool)]
        if not isinstance(value, list) or len(numbers) != len(value) or len(value) != count:
            raise ValueError(f"is not {count} numbers")
        return np.array(numbers, np.float32)

    return read


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
        raise ValueError("is not a list of file names")
    if not 0 < len(value) <= MAXIMUM_FRAMES:
        raise ValueError(f"names {len(value)} files where 1 to {MAXIMUM_FRAMES} are possible")
    if max(map(len, value)) > MAXIMUM_NAME:
        raise ValueError(f"holds a file name of more than {MAXIMUM_NAME} characters")
    return tuple(value)


def _indices(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ValueError("is not a list of frame numbers")
    return tuple(_whole(0, MAXIMUM_FRAMES)(entry) for entry in value)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise ValueError("is not a table of texts")
    return value


def _head_field(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("does not tell the head's name")
    return {
        "name": value["name"],
        "expressions": _texts_of(value.get("expressions")),
        "fingerprint": value.get("fingerprint"),
    }


def _texts_of(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError("does not list the head's expressions")
    return value


def _inside(folder: Path, name: str, field: str) -> Path:
    """The path of a file that a capture names, which must lie in its folder, links followed."""
    if not is_file_name(name):
        raise LikenessError(f"{field}: {name!r} is not a file name that every system can hold; make the capture again.")
    if not leads_inside(folder, name):
        raise LikenessError(f"{field}: {name!r} leads out of the capture's folder; copy the file into the folder.")
    return folder / name


def _parameter(place: Path, tensors: dict[str, np.ndarray], name: str) -> npt.NDArray[np.float32]:
    if name not in tensors:
        raise LikenessError(f"{place}: tensor {name!r} is missing; make the capture again.")
    if tensors[name].dtype != np.float32:
        raise LikenessError(f"{place}: tensor {name!r} is {tensors[name].dtype}, not float32; make the capture again.")
    return tensors[name]


def _check_pictures(capture: Capture) -> None:
    size = (capture.width, capture.height)
    for name in capture.frames:
        check_picture(capture.folder / name, "RGB", size)
    for name in capture.mattes:
        check_picture(capture.folder / name, "L", size)
    check_semantics(capture)
