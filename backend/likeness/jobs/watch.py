"""What a stage's loop talks to between its steps, so that it can be looked at, paused, stopped and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .checkpoint import Checkpoint
from .pace import Clock


class Watch:
    """Nobody watches: the loop is no part of a job.

    Attributes
    ----------
    clock : Clock
        Seconds worked on the stage.
    restored : Checkpoint, optional
        Where to go on from.
    """

    def __init__(self, restored: Checkpoint | None = None) -> None:
        self.clock = Clock()
        self.restored = restored

    def between(
        self,
        losses: Sequence[float],
        steps: int,
        done: float,
        checkpoint: Callable[[], Checkpoint],
        picture: Callable[[], bytes],
    ) -> None:
        """Called after each step.

        Parameters
        ----------
        losses : sequence of float
            Of every step taken in this stage.
        steps : int
            How many steps there are at most.
        done : float
            Part of the stage that is done, 0..1.
        checkpoint : callable
            Gives the state; its arrays may be the learner's own, for they are written before this returns.
        picture : callable
            Gives a preview, the bytes of a PNG file.

        Raises
        ------
        JobStoppedError
            If the job was asked to stop.
        """

    def went_on(self, checkpoint: Checkpoint) -> None:
        """Called when a checkpoint's state is in place: time counts from where it was written, and memory is freed."""
        self.clock.set(float(checkpoint.facts["elapsed"]))
        self.restored = None


def facts_of(checkpoint: Checkpoint, **more: Any) -> Checkpoint:
    """A checkpoint with more facts."""
    return Checkpoint(checkpoint.arrays, {**checkpoint.facts, **more})
