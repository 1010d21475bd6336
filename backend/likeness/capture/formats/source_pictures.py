"""Pictures of other people's data sets, as frames and mattes of a capture: copied where that is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import LikenessError
from ..background import unseen_background
from ..matting import Matting
from ..pictures import MAXIMUM_SIDE, Picture
from ..refining import refine_matte
from ..semantics import check_classes
from .flame_frames import SourcePicture

SUFFIXES = (".png", ".jpg", ".jpeg")

MASKS, TRANSPARENCY = "masks of the data set", "transparency of its pictures"
LABELS, NETWORK = "all pixels that it labels", "cut out here, for it holds none"


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, from its header alone.

    Raises
    ------
    LikenessError
        If it is missing, no picture, or of absurd size.
    """
    return _header(path).size


def frame_suffix(path: Path) -> str:
    """The format to keep a data set's frames in: that of its first picture if it can be copied, else JPEG."""
    suffix = path.suffix.lower()
    return suffix if suffix in (".png", ".jpg") and _may_be_copied(path, "RGB", suffix) else ".jpg"


def frame_pictures(sources: tuple[SourcePicture, ...], suffix: str, size: tuple[int, int]) -> Iterator[Picture | Path]:
    """Frames as :func:`~likeness.capture.storage.write_capture` takes them: paths to copy, or pixels (H, W, 3).

    Raises
    ------
    LikenessError
        If a picture is missing, damaged or of another size than the first.
    """
    for source in sources:
        _check_size(source.picture, size)
        # Decoded even where it is copied: half a picture has a whole header.
        picture = pixels(source.picture)
        yield source.picture if _may_be_copied(source.picture, "RGB", suffix) else picture


def matte_origin(source: SourcePicture) -> str:
    """What a frame's matte is made of, for the user."""
    if source.matte is not None:
        return MASKS
    if _header(source.picture).mode in ("RGBA", "LA", "PA"):
        return TRANSPARENCY
    return LABELS if source.labels is not None else NETWORK


def mattes_told(sources: tuple[SourcePicture, ...]) -> str:
    """What the mattes of all frames are made of, in words."""
    counts = Counter(map(matte_origin, sources))
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{origin} ({count} of {len(sources)} frames)" for origin, count in counts.most_common())


def matte_pictures(sources: tuple[SourcePicture, ...], size: tuple[int, int]) -> Iterator[Picture | Path]:
    """Mattes: the data set's own, else the pictures' transparency, else all labelled pixels, else a network's guess.

    Raises
    ------
    LikenessError
        If a picture is missing, damaged or of another size than the frames.
    """
    matting: Matting | None = None
    try:
        for source in sources:
            given = source.matte or source.labels
            if given is not None:
                _check_size(given, size)
            origin = matte_origin(source)
            if source.matte is not None and origin == MASKS:
                matte = _converted(source.matte, "L")
                yield source.matte if _may_be_copied(source.matte, "L", ".png") else matte
            elif source.labels is not None and origin == LABELS:
                yield np.where(labels(source) > 0, np.uint8(255), np.uint8(0))
            elif origin == TRANSPARENCY:
                yield np.ascontiguousarray(_converted(source.picture, "RGBA")[..., 3])
            else:
                matting = matting or Matting().__enter__()
                picture = pixels(source.picture)
                person = matting.person(picture).astype(np.float32) / np.float32(255)
                # Pictures of a data set may come from anywhere: each stands for itself.
                share = refine_matte(picture, person, unseen_background(*person.shape)).share
                yield np.rint(255 * share).astype(np.uint8)
    finally:
        if matting is not None:
            matting.__exit__(None, None, None)


def pixels(path: Path) -> Picture:
    """Colours (H, W, 3), sRGB, of any picture.

    Raises
    ------
    LikenessError
    """
    return _converted(path, "RGB")


def semantic_pictures(sources: tuple[SourcePicture, ...], size: tuple[int, int]) -> Iterator[Picture | Path] | None:
    """Labels as :func:`~likeness.capture.storage.write_capture` takes them, all checked; None if there are none.

    Raises
    ------
    LikenessError
        If some frames have labels and others have none, or a picture of labels is damaged, of another size than the
        frames, or holds numbers of no class.
    """
    places = [source.labels for source in sources if source.labels is not None]
    if not places:
        return None
    for source in sources:
        if source.labels is None:
            raise LikenessError(
                f"{source.picture} has no labels where other frames have; add them, or move {places[0].parent} away."
            )
        _check_size(source.labels, size)
        labels(source)
    return (_as_it_is(source) or labels(source) for source in sources)


def _as_it_is(source: SourcePicture) -> Path | None:
    """A picture of labels that needs no change, and so may be copied."""
    if source.labels is None or source.classes_in_red or not _may_be_copied(source.labels, "L", ".png"):
        return None
    return source.labels


def labels(source: SourcePicture) -> Picture:
    """Class numbers (H, W) of a frame that has labels: grey values, entries of a palette, or values of red.

    Raises
    ------
    LikenessError
        If the picture is damaged, a JPEG or coloured where it should not be, or holds numbers of no class.
    """
    path = source.labels
    assert path is not None
    mode = _header(path).mode
    if _header(path).suffix != ".png":
        raise LikenessError(f"{path} is a JPEG, which blurs class numbers; write labels as PNG, or move them away.")
    if source.classes_in_red:
        return _classes(_converted(path, "RGB")[..., 0], source.classes_in_red, path)
    values = _converted(path, mode)
    if values.ndim == 3:
        # Some tools write grey values three times, and opacity beside them.
        grey = values[..., : 1 if mode == "LA" else 3]
        if (grey != grey[..., :1]).any():
            raise LikenessError(
                f"{path} shows labels as colours; write class numbers as grey values, or move the labels' folder away."
            )
        values = grey[..., 0]
    check_classes(values, path)
    return values.astype(np.uint8)


def _classes(red: Picture, values: tuple[int, ...], path: Path) -> Picture:
    """Class numbers (H, W) by values of red."""
    numbers = np.full(256, -1)
    numbers[list(values)] = np.arange(len(values))
    found = numbers[red]
    if found.min() < 0:
        raise LikenessError(
            f"{path} holds a red of {red[found < 0][0]}, which stands for no part of a face; write it again, or move "
            "the labels' folder away."
        )
    return found.astype(np.uint8)


def _converted(path: Path, mode: str) -> Picture:
    _header(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.mode.startswith("I") and image.mode != mode:
                # Pillow would cut 16 bits off at 255.
                eight = np.rint(np.array(image) / 257).astype(np.uint8)
                return np.array(Image.fromarray(eight).convert(mode))
            return np.array(image if image.mode == mode else image.convert(mode))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise LikenessError(f"{path} is a damaged picture ({error}); write it again.") from error


@dataclass(frozen=True)
class _Header:
    """What a picture says of itself: width and height, Pillow's mode, and the suffix of its format."""

    size: tuple[int, int]
    mode: str
    suffix: str


def _may_be_copied(path: Path, mode: str, suffix: str) -> bool:
    """Whether a picture is what a capture keeps under a suffix; some are named as what they are not."""
    header = _header(path)
    return header.mode == mode and header.suffix == path.suffix.lower() == suffix


def _header(path: Path) -> _Header:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            # Pillow has names of its own for some JPEGs, such as those of phones.
            header = _Header(image.size, image.mode, ".png" if image.format == "PNG" else ".jpg")
    except FileNotFoundError:
        raise LikenessError(f"{path} is missing; give the folder of a whole data set.") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise LikenessError(f"{path} is not a PNG or JPEG picture that can be read.") from error
    width, height = header.size
    if max(width, height) > MAXIMUM_SIDE:
        raise LikenessError(f"{path} is {width}x{height} pixels; at most {MAXIMUM_SIDE} a side are possible.")
    return header


def _check_size(path: Path, size: tuple[int, int]) -> None:
    found = picture_size(path)
    if found != size:
        raise LikenessError(
            f"{path} is {found[0]}x{found[1]} pixels where the first picture is {size[0]}x{size[1]}; make them alike."
        )
