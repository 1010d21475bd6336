"""``training.json``: what a job is made of, and which of its stages are finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from ..files import write_atomically
from .control import JobStoppedError
from .pace import Clock

NAME = "training.json"

CAPTURE = "capture_content"
"""The fact that is the fingerprint of the capture that a job learns from."""


class Record:
    """What a job writes about itself.

    Parameters
    ----------
    job : Path
        The job's folder.
    facts : mapping
        JSON values that say what the job is; they never change.
    seconds : mapping
        Seconds of the stages that are finished already, named with ``_s`` at the end.

    Attributes
    ----------
    seconds : dict of str to float
    """

    def __init__(self, job: Path, facts: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
        self._path, self._facts = job / NAME, dict(facts)
        self.seconds = dict(seconds)

    @property
    def worked(self) -> float:
        """Seconds of all finished stages."""
        return sum(self.seconds.values())

    def finished(self, stage: str) -> bool:
        """Whether a stage is finished, and its files are there."""
        return f"{stage}_s" in self.seconds

    @contextmanager
    def stage(self, name: str, clock: Clock) -> Iterator[None]:
        """Note a stage as running, then as done; as interrupted, stopped or failed if it does not end well."""
        # What follows from a stage is to be made anew with it.
        self.seconds.pop(f"{name}_s", None)
        self.write("running", name)
        try:
            yield
        except BaseException as error:
            self.write(state_after(error), name)
            raise
        self.seconds[f"{name}_s"] = round(clock.elapsed, 2)
        self.write("done", name)

    def write(self, state: str, stage: str) -> None:
        """Write that a stage has come to a state."""
        content = {"state": state, "stage": stage, "seconds": self.seconds, **self._facts}
        write_atomically(self._path, json.dumps(content, indent=1).encode())


def state_after(error: BaseException) -> str:
    """What an error makes of a job: interrupted, stopped or failed."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "stopped" if isinstance(error, JobStoppedError) else "failed"


def read_record(job: Path) -> dict[str, Any] | None:
    """What the folder's record holds; None where there is none.

    Raises
    ------
    LikenessError
        If it is damaged.
    """
    path = job / NAME
    try:
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content["seconds"], dict):
            raise ValueError("no seconds")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LikenessError(f"{path} is damaged ({error}); choose another --job folder.") from error
    return content


def difference(before: Any, now: Any, name: str = "") -> str | None:
    """The first thing that differs between two JSON values, as a clause for a person; None if nothing does."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            told = difference(before.get(key), now.get(key), f"{name}.{key}" if name else key)
            if told:
                return told
        return None
    if name == CAPTURE and before != now:
        return "its capture has changed since it began"
    return None if before == now else f"{name} was {json.dumps(before)} and now is {json.dumps(now)}"
