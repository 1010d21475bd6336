"""Pictures of a capture: 8-bit RGB frames and 8-bit grey mattes, as JPEG or PNG, their headers checked first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import LikenessError

Picture = npt.NDArray[np.uint8]

MAXIMUM_SIDE = 8192
JPEG_QUALITY = 95

_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_MODES = {"RGB": "8-bit RGB", "L": "8-bit grey"}


def write_picture(picture: Picture, path: Path, quality: int = JPEG_QUALITY) -> None:
    """Write a frame (H, W, 3) or a matte (H, W) in the format that the path's suffix names.

    JPEG keeps full colour resolution: lips and irises are a few pixels wide.

    Raises
    ------
    LikenessError
        If the suffix is none of .jpg, .jpeg, .png, or the place cannot be written.
    """
    kind = _format(path)
    options = {"quality": quality, "subsampling": 0, "optimize": True} if kind == "JPEG" else {"optimize": True}
    try:
        Image.fromarray(picture).save(path, kind, **options)
    except OSError as error:
        raise LikenessError(f"Cannot write {path}: {error.strerror or error}.") from error


def read_picture(path: Path, mode: str, size: tuple[int, int]) -> Picture:
    """Pixels of a picture: (H, W, 3) for mode ``"RGB"``, (H, W) for mode ``"L"``; uint8.

    Parameters
    ----------
    path : Path
    mode : {"RGB", "L"}
    size : (int, int)
        Width and height that the picture must have.

    Raises
    ------
    LikenessError
        If the picture is missing, damaged, or of another size or kind.
    """
    check_picture(path, mode, size)
    try:
        with Image.open(path, formats=(_format(path),)) as image:
            return np.array(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise LikenessError(f"{path} is a damaged picture ({error}); write it again.") from error


def check_picture(path: Path, mode: str, size: tuple[int, int]) -> None:
    """Check a picture by its header alone, so that one of absurd size is never decoded.

    Raises
    ------
    LikenessError
        If the picture is missing, damaged, or of another size or kind than ``mode`` and ``size`` say.
    """
    try:
        # Here already, for opening a pipe would wait for ever.
        if path.exists() and not path.is_file():
            raise LikenessError(f"{path} is no ordinary file; make the capture again.")
        with Image.open(path, formats=(_format(path),)) as image:
            found, found_mode = image.size, image.mode
    except FileNotFoundError:
        raise LikenessError(f"{path} is missing; copy the capture whole, or make it again.") from None
    except Image.DecompressionBombError:
        raise LikenessError(f"{path} is far larger than {size[0]}x{size[1]} pixels; make the capture again.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise LikenessError(f"{path} is not a {_format(path)} picture ({error}); make the capture again.") from error
    if found != size:
        raise LikenessError(
            f"{path} is {found[0]}x{found[1]} pixels where the capture says {size[0]}x{size[1]}; "
            "make the capture again."
        )
    if found_mode != mode:
        raise LikenessError(f"{path} is a picture of mode {found_mode}; save it as {_MODES[mode]}.")


def _format(path: Path) -> str:
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise LikenessError(
            f"{path} does not end in .jpg or .png; convert the pictures of a capture to these."
        ) from None
