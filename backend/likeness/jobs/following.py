"""A process that works on a job beside the one that leads it: it reads the job's folder and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .checkpoint import read_checkpoint, stage_of_checkpoint
from .record import Record, read_record
from .session import CHECKPOINT
from .watch import Watch


class Follower:
    """What :class:`likeness.jobs.session.Session` is to the process that leads.

    Parameters
    ----------
    job : Path
        Whose record is there already.
    budget : float
        Seconds that the whole job may take.
    """

    watching = 0.0

    def __init__(self, job: Path, budget: float) -> None:
        self.job, self.budget = job, budget
        self.record = Record(job, {}, (read_record(job) or {"seconds": {}})["seconds"])

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[Watch]:
        """One stage of the job, from the same checkpoint as the leading process."""
        path = self.job / CHECKPOINT
        yield Watch(read_checkpoint(path) if stage_of_checkpoint(path) == name else None)

    def finished(self) -> None:
        """The leading process takes care of it."""
