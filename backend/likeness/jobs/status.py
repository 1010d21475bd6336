"""What is to be said about a job from outside: what it wrote last, and whether its process still lives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .control import asked
from .curve import sparkline
from .lock import is_locked
from .progress import Progress, read_progress

KILLED = "killed"
"""The state of a job whose process went without a word: killed, or the computer was switched off."""


def job_progress(job: Path) -> Progress:
    """How far a job is; :data:`KILLED` is its state if it says that it is at work, and nobody is.

    Raises
    ------
    LikenessError
        If the folder holds no job.
    """
    # In this order: a job that ends between the two looks is not taken for dead.
    alive = is_locked(job)
    progress = read_progress(job)
    if progress.state in ("running", "paused") and not alive:
        return replace(progress, state=KILLED)
    return progress


def told(progress: Progress, job: Path) -> str:
    """A job's progress in a sentence or two."""
    parts = [progress.stage]
    if progress.step is not None and progress.steps is not None:
        parts.append(f"step {progress.step} of at most {progress.steps}")
    parts.append(f"{100 * progress.done:.0f} %")
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f} {sparkline([loss for _, loss in progress.curve])}".rstrip())
    if progress.left_s is not None and progress.state == "running":
        parts.append(f"about {duration(progress.left_s)} of this stage left")
    worked = f"{duration(progress.worked_s)} worked"
    if progress.budget_s is not None:
        worked += f" of {duration(progress.budget_s)}"
    state = progress.state.capitalize()
    sentence = f"{state}: {', '.join(parts)}; {worked}."
    wish = asked(job)
    if progress.state == "running" and wish is not None:
        sentence += f" It was asked to {wish} at its next step."
    if progress.state in (KILLED, "stopped", "interrupted", "failed"):
        sentence += " `likeness train ... --resume` goes on."
    return sentence


def duration(seconds: float) -> str:
    """A time for a person."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
