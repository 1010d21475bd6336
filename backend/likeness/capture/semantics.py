"""Labels of a face parser: which part of the person each pixel shows, in captures that come with them.

    semantics/00000.png     for frames/00000.jpg: 8-bit grey, each pixel the number of its class in :data:`CLASSES`

A capture has labels for all of its frames or for none. Nothing is trained on them; evaluation leaves out clothes.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import LikenessError
from .model import Capture
from .pictures import Picture, check_picture, read_picture
from .told_paths import lies_in

FOLDER = "semantics"

CLASSES = (
    "background",
    "skin",
    "left brow",
    "right brow",
    "left eye",
    "right eye",
    "glasses",
    "left ear",
    "right ear",
    "earring",
    "nose",
    "mouth",
    "upper lip",
    "lower lip",
    "neck",
    "necklace",
    "cloth",
    "hair",
    "hat",
)
"""What the 19-class face parser (CelebAMask-HQ) that the field's data sets come with means by 0, 1, 2, ..."""


def semantics_names(frames: tuple[str, ...]) -> tuple[str, ...]:
    """Under which names the labels of frames lie in a capture's folder.

    Raises
    ------
    LikenessError
        If two frames of different folders would share a picture of labels.
    """
    names = tuple(f"{FOLDER}/{PurePosixPath(frame).stem}.png" for frame in frames)
    if len(set(names)) != len(names):
        raise LikenessError(
            f"Frames of the same name in two folders cannot have labels; number frames, or drop {FOLDER}."
        )
    return names


def has_semantics(capture: Capture) -> bool:
    """Whether a capture comes with labels."""
    return (capture.folder / FOLDER).is_dir()


def check_semantics(capture: Capture) -> None:
    """Check the labels of all frames by their headers; a capture without any is sound.

    Raises
    ------
    LikenessError
        If some frame's labels are missing, no 8-bit grey picture, of another size than the frame, or elsewhere.
    """
    if not has_semantics(capture):
        return
    for name in semantics_names(capture.frames):
        _check(capture, name)


def load_semantics(capture: Capture, index: int) -> Picture:
    """Class numbers (H, W) uint8 of one frame, as :data:`CLASSES` counts them.

    Raises
    ------
    LikenessError
        If the picture is missing, damaged, of another size than the frame, or holds numbers of no class.
    """
    name = semantics_names(capture.frames)[index]
    _check(capture, name)
    labels = read_picture(capture.folder / name, "L", (capture.width, capture.height))
    check_classes(labels, capture.folder / name)
    return labels


def check_classes(labels: np.ndarray, origin: Path) -> None:
    """Make sure that all numbers of a picture are those of classes.

    Raises
    ------
    LikenessError
        Naming the largest number.
    """
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        wrong = labels.max() if labels.max() >= len(CLASSES) else labels.min()
        raise LikenessError(
            f"{origin} holds class {wrong} where a face parser's are 0 to {len(CLASSES) - 1}; write class numbers as "
            "grey values, or move the labels' folder away."
        )


def _check(capture: Capture, name: str) -> None:
    path = capture.folder / name
    if not lies_in(capture.folder, path):
        raise LikenessError(f"{path} leads out of the capture's folder; copy the labels into it, or remove {FOLDER}.")
    if not path.is_file():
        raise LikenessError(f"{path} is missing; label every frame, or remove the folder {FOLDER}.")
    check_picture(path, "L", (capture.width, capture.height))
