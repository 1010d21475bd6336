"""The head model that a user names: the built-in one, or a file or folder of one."""

from __future__ import annotations

from pathlib import Path

from ..errors import LikenessError
from .flame_files import is_flame
from .ict import load_ict
from .model import HeadModel
from .storage import load_head

ACCEPTED = (
    "`standin` (the built-in head), a FLAME model (.pkl, .npz, or its folder), an ict_facekit.npz, the folder of an"
    " ICT-FaceKit checkout, or a Likeness head .safetensors"
)
"""What :func:`head_from` takes, for messages."""


def head_from(spec: str) -> HeadModel:
    """The head model that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``standin``, or a path; see :data:`ACCEPTED`.

    Raises
    ------
    LikenessError
        If it names nothing that is accepted, or what it names is damaged.
    """
    if spec == "standin":
        # Only here, because the built-in head is data that other heads do not need.
        from .standin import standin

        return standin()
    path = Path(spec)
    if spec and path.is_dir() and not is_flame(path):
        return load_ict(path)
    if not path.is_dir() and path.suffix.lower() not in (".npz", ".pkl", ".safetensors"):
        raise LikenessError(f"{spec!r} is no head model; give {ACCEPTED}.")
    if not spec or not path.exists():
        raise LikenessError(f"There is no head model at {path}; give {ACCEPTED}.")
    if is_flame(path):
        # Only here, because deriving what FLAME lacks needs libraries that other heads do not.
        from .flame import load_flame

        return load_flame(path)
    return load_ict(path) if path.suffix.lower() == ".npz" else load_head(path)
