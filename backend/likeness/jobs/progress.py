"""``progress.json``: how far a job is, about once a second, for whoever looks; written by the job alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from ..files import replacing

NAME = "progress.json"

STATES = ("running", "paused", "stopped", "interrupted", "failed", "done")


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    state : str
        One of :data:`STATES`.
    stage : str
        What is going on, for a person.
    step, steps : int, optional
        Steps taken in this stage, and how many there are at most.
    done : float
        Part of this stage that is done, 0..1.
    loss : float, optional
        Mean of the last steps.
    worked_s : float
        Seconds worked on the whole job, earlier sessions included.
    left_s : float, optional
        Seconds that this stage is about to take; None while nothing is known.
    budget_s : float, optional
        Seconds that the whole job may take; None where steps alone decide.
    curve : list of (int, float)
        The learning curve: some steps of this stage and their losses, at most a hundred.
    updated : str
        When this was written, ISO 8601, UTC.
    process : int
        The process at work.
    """

    state: str
    stage: str
    step: int | None
    steps: int | None
    done: float
    loss: float | None
    worked_s: float
    left_s: float | None
    budget_s: float | None
    curve: list[tuple[int, float]]
    updated: str
    process: int


def write_progress(progress: Progress, job: Path) -> None:
    """Write it into a job folder so that nobody reads half of it.

    It is not forced onto the disk: the next one comes in a second.
    """
    with replacing(job / NAME) as temporary:
        temporary.write_text(json.dumps(asdict(progress), indent=1), "utf-8")


def read_progress(job: Path) -> Progress:
    """What a job last wrote.

    Raises
    ------
    LikenessError
        If the folder holds no job.
    """
    try:
        content: dict[str, Any] = json.loads((job / NAME).read_text("utf-8"))
        known = {entry.name: content[entry.name] for entry in fields(Progress)}
    except (OSError, ValueError, KeyError, TypeError):
        raise LikenessError(f"{job} is no job folder: it holds no {NAME}. `likeness train` makes one.") from None
    return Progress(**known)
