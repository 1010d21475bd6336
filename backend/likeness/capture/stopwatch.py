"""How long each stage of tracking took, told beside its results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Adds up wall-clock time by stage.

    Attributes
    ----------
    seconds : dict of str to float
        What each stage has taken so far.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measuring(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
