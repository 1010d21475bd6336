"""One process's work on a job folder: stages one after another, each watched."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..errors import LikenessError
from ..files import write_atomically
from .checkpoint import Checkpoint, CheckpointWriter, read_checkpoint, stage_of_checkpoint
from .control import JobStoppedError, asked, withdraw
from .curve import CurveFile, thinned
from .pace import Cadence
from .progress import Progress, write_progress
from .record import Record, state_after
from .watch import Watch, facts_of

CHECKPOINT = "checkpoint.safetensors"
PREVIEW = "preview.png"

KEPT_EVERY = 25.0
SHOWN_EVERY = 30.0
TOLD_EVERY = 1.0
"""Seconds between checkpoints, previews and notes of progress; more where they would take too large a share."""

_FIRST_SHOWN = 5.0
_LOOK_AGAIN = 0.2
_RECENT = 50


class Session:
    """Work on a job folder that this process has locked.

    Parameters
    ----------
    job : Path
    record : Record
    budget : float
        Seconds that the whole job may take; infinite where steps alone decide.
    kept_every : float
        Seconds between checkpoints; zero is after every step.

    Attributes
    ----------
    losses : sequence of float
        Of the stage that learnt last.
    """

    def __init__(self, job: Path, record: Record, budget: float, kept_every: float = KEPT_EVERY) -> None:
        self.job, self.record, self.budget = job, record, budget
        self.writer = CheckpointWriter(job / CHECKPOINT)
        self.kept = Cadence(kept_every)
        self.told = Cadence(TOLD_EVERY)
        self.shown = Cadence(SHOWN_EVERY, first=_FIRST_SHOWN)
        self.curve = CurveFile(job)
        self.losses: Sequence[float] = ()

    def begin(self) -> None:
        """Write the record, for those that work beside this process."""
        self.record.write("running", "load")

    @property
    def watching(self) -> float:
        """Seconds that checkpoints, previews and notes of progress have taken in this process."""
        return self.kept.taken + self.told.taken + self.shown.taken

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[Watch]:
        """One stage of the job; a checkpoint that it wrote in an earlier session is given back to it.

        Parameters
        ----------
        name : str
            In the record and in checkpoints.
        title : str
            For a person.

        Raises
        ------
        JobStoppedError
            If the job was asked to stop meanwhile.
        """
        path = self.job / CHECKPOINT
        restored = read_checkpoint(path) if stage_of_checkpoint(path) == name else None
        watch = StageWatch(self, name, title, restored)
        with self.record.stage(name, watch.clock):
            try:
                watch.tell("running")
                if asked(self.job) == "stop":
                    watch.stop()
                yield watch
                self.writer.settle(wait=True)
            except BaseException as error:
                # What is wrong already is what is to be told.
                with suppress(LikenessError):
                    self.writer.settle(wait=True)
                    watch.tell(state_after(error))
                raise

    def finished(self) -> None:
        """Note that the whole job is done; its last checkpoint is of no use any more."""
        watch = StageWatch(self, "finish", "Finished", None)
        watch.done, watch.losses = 1.0, self.losses
        watch.tell("done")
        withdraw(self.job)
        (self.job / CHECKPOINT).unlink(missing_ok=True)


class StageWatch(Watch):
    """Watches one stage of a session.

    Parameters
    ----------
    session : Session
    name, title : str
    restored : Checkpoint, optional
    """

    def __init__(self, session: Session, name: str, title: str, restored: Checkpoint | None) -> None:
        super().__init__(restored)
        self._session, self._name, self._title = session, name, title
        self.losses: Sequence[float] = ()
        self._steps: int | None = None
        self._noted: int | None = None
        self._begun: tuple[float, float] | None = None
        self.done = 0.0

    def between(
        self,
        losses: Sequence[float],
        steps: int,
        done: float,
        checkpoint: Callable[[], Checkpoint],
        picture: Callable[[], bytes],
    ) -> None:
        """See :meth:`Watch.between`."""
        session = self._session
        self.losses, self._steps, self.done = losses, steps, done
        session.losses = losses
        if self._begun is None:
            self._begun = time.monotonic(), done
        if self._noted is None:
            self._noted = len(losses) - 1
            session.curve.cut(self._name, self._noted)
        session.writer.settle(wait=False)
        wish = asked(session.job)
        if wish is not None or session.kept.due():
            with session.kept.taking_place():
                session.writer.write(facts_of(checkpoint(), stage=self._name, elapsed=self.clock.elapsed))
        if session.shown.due():
            with session.shown.taking_place():
                write_atomically(session.job / PREVIEW, picture())
        if wish is not None:
            self._obey()
        elif session.told.due():
            with session.told.taking_place():
                self._note()

    def stop(self) -> None:
        """End the job, as it was asked to."""
        self._session.writer.settle(wait=True)
        withdraw(self._session.job)
        where = f"{self._title}, step {len(self.losses)}" if self.losses else self._title
        raise JobStoppedError(f"The job was stopped, as asked ({where}). With --resume it goes on from there.")

    def tell(self, state: str) -> None:
        """Write how far the job is."""
        session, losses = self._session, self.losses
        write_progress(
            Progress(
                state=state,
                stage=self._title,
                step=len(losses) if self._steps is not None else None,
                steps=self._steps,
                done=round(min(self.done, 1.0), 4),
                loss=_finite(float(np.mean(losses[-_RECENT:]))) if len(losses) else None,
                worked_s=round(session.record.worked + (0.0 if state == "done" else self.clock.elapsed), 1),
                left_s=self._left(),
                budget_s=session.budget if math.isfinite(session.budget) else None,
                curve=[(step, loss) for step, loss in thinned(losses) if math.isfinite(loss)],
                updated=datetime.now(UTC).isoformat(timespec="seconds"),
                process=os.getpid(),
            ),
            session.job,
        )

    def _note(self) -> None:
        losses, start = self.losses, self._noted or 0
        if len(losses) > start:
            mean = float(np.mean(losses[start:]))
            self._session.curve.add(self._name, len(losses), self.clock.elapsed, mean)
            self._noted = len(losses)
        self.tell("running")

    def _obey(self) -> None:
        """Wait while the job is asked to pause; end it when it is asked to stop."""
        session = self._session
        session.writer.settle(wait=True)
        with self.clock.held():
            while (wish := asked(session.job)) == "pause":
                if session.told.due():
                    with session.told.taking_place():
                        self.tell("paused")
                time.sleep(_LOOK_AGAIN)
        # What came to pass before a pause says nothing about the speed after it.
        self._begun = time.monotonic(), self.done
        if wish == "stop":
            self.stop()
        self.tell("running")

    def _left(self) -> float | None:
        """Seconds that the rest of the stage takes at the speed of this session."""
        if self._begun is None or self.done <= self._begun[1]:
            return None
        speed = (self.done - self._begun[1]) / max(time.monotonic() - self._begun[0], 1e-6)
        return round(max(0.0, 1 - self.done) / speed, 1)


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None
