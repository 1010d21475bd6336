"""Opening a job's folder: to begin, to go on, or to keep what somebody else may still want."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from . import control, curve, progress
from .lock import is_locked
from .record import NAME, Record, difference, read_record
from .session import CHECKPOINT, PREVIEW

_OWN = (NAME, CHECKPOINT, PREVIEW, progress.NAME, curve.NAME, control.NAME)


def make_folder(job: Path, results: Sequence[str], *, resume: bool) -> Path | None:
    """Make a job's folder ready for a process that is about to lock it.

    Without ``resume`` an earlier job that is finished makes room; one that is not is moved aside.

    Parameters
    ----------
    job : Path
    results : sequence of str
        What the job's stages write, paths inside the folder.
    resume : bool

    Returns
    -------
    Path or None
        Where an unfinished job was moved to.

    Raises
    ------
    LikenessError
        If a process works there, or the folder cannot be made.
    """
    if is_locked(job):
        raise LikenessError(f"Another process is at work on {job}; `likeness job stop {job}` ends it.")
    aside = None
    try:
        if not resume and job.is_dir():
            if _unfinished(job):
                aside = _free_name(job)
                job.rename(aside)
            else:
                # The record goes first: without it nothing else counts.
                for name in (*_OWN, *results):
                    (job / name).unlink(missing_ok=True)
        job.mkdir(parents=True, exist_ok=True)
        for name in (*_OWN, *results):
            # Left by a process that was killed while it wrote.
            for path in (job / name).parent.glob(f".{Path(name).stem}.*{Path(name).suffix}"):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise LikenessError(f"Cannot make the job folder {job}: {error.strerror}.") from error
    control.withdraw(job)
    return aside


def opened_record(job: Path, made_of: Mapping[str, Any], about: Mapping[str, Any], *, resume: bool) -> Record:
    """The job's record: a new one, or with ``resume`` that of the job that lies there.

    Parameters
    ----------
    job : Path
    made_of : mapping
        JSON values on which the result depends.
    about : mapping
        JSON values that are noted beside them.
    resume : bool

    Raises
    ------
    LikenessError
        If the job that lies there is made of something else.
    """
    before = read_record(job) if resume else None
    if before is None:
        return Record(job, {**made_of, **about}, {})
    told = difference({name: before.get(name) for name in made_of}, json.loads(json.dumps(made_of)))
    if told:
        raise LikenessError(f"The job in {job} cannot go on: {told}. Give what it began with, or leave out --resume.")
    return Record(job, {**made_of, **about}, before["seconds"])


def _unfinished(job: Path) -> bool:
    """Whether a job lies there that has come far enough to be worth going on with, and not to its end."""
    record = read_record(job)
    if record is None or (record.get("state"), record.get("stage")) == ("done", "finish"):
        return False
    return (job / CHECKPOINT).exists() or any(name in record["seconds"] for name in ("train_s", "bake_s"))


def _free_name(job: Path) -> Path:
    number = 1
    while (candidate := job.with_name(f"{job.name}.{number}")).exists():
        number += 1
    return candidate
