"""Asking a running job to pause, go on or stop: a small file in its folder, which the job looks at after each step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from ..errors import LikenessError
from ..files import write_atomically

Wish = Literal["pause", "stop"]

NAME = "control.json"


class JobStoppedError(LikenessError):
    """A job has ended because it was asked to; what it has learnt is kept."""


def ask(job: Path, wish: Wish) -> None:
    """Ask a job to pause or to stop at its next step.

    Raises
    ------
    LikenessError
        If the folder cannot be written to.
    """
    write_atomically(job / NAME, json.dumps({"wish": wish}).encode())


def withdraw(job: Path) -> None:
    """Take back what was asked; a paused job goes on."""
    (job / NAME).unlink(missing_ok=True)


def asked(job: Path) -> Wish | None:
    """What a job is asked to do."""
    path = job / NAME
    # Nothing is asked nearly always, and to look must cost next to nothing.
    if not path.exists():
        return None
    try:
        wish = json.loads(path.read_text("utf-8")).get("wish")
    except (OSError, ValueError, AttributeError):
        return None
    return wish if wish in ("pause", "stop") else None
