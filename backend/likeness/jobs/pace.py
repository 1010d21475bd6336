"""How much time has gone into work, and how often something beside it may take place."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.02
"""Part of the time that anything beside the work may take."""


class Clock:
    """Seconds of work, those before an interruption included and pauses left out.

    Parameters
    ----------
    elapsed : float
        Seconds already worked.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self._start = time.monotonic() - elapsed

    @property
    def elapsed(self) -> float:
        """Seconds worked so far."""
        return time.monotonic() - self._start

    def set(self, elapsed: float) -> None:
        """Count on from ``elapsed`` seconds."""
        self._start = time.monotonic() - elapsed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do not count what happens meanwhile."""
        elapsed = self.elapsed
        try:
            yield
        finally:
            self.set(elapsed)


def part_done(step: int, steps: int, elapsed: float, seconds: float) -> float:
    """Part of a stage that is done, 0..1 or more: by its steps or by its time, whichever ends first.

    Parameters
    ----------
    step, steps : int
        Steps taken and to be taken.
    elapsed, seconds : float
        Seconds worked and granted; an infinite time leaves it to the steps alone, whatever the machine's speed.
    """
    if seconds <= 0 or steps <= 0:
        return 1.0
    return max(step / steps, elapsed / seconds if math.isfinite(seconds) else 0.0)


class Cadence:
    """Says when something beside the work is due: at intervals, longer ones where it takes more than :data:`SHARE`.

    Parameters
    ----------
    interval : float
        Seconds; zero makes it due always, whatever it costs.
    first : float, optional
        Seconds before the first time, where that shall be sooner.

    Attributes
    ----------
    taken : float
        Seconds that it has taken so far.
    """

    def __init__(self, interval: float, first: float | None = None) -> None:
        self._interval = interval
        self._next = time.monotonic() + (interval if first is None else first)
        self.taken = 0.0

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._next

    @contextmanager
    def taking_place(self) -> Iterator[None]:
        """What was due takes place now."""
        start = time.monotonic()
        yield
        end = time.monotonic()
        self.taken += end - start
        self._next = end + (max(self._interval, (end - start) / SHARE) if self._interval else 0.0)
