"""xatlas, which cuts meshes into charts and packs them, without the hang that its end may bring."""

from __future__ import annotations

import atexit
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import xatlas

REST = 1.0
"""Seconds that an atlas is kept after its last use."""

_resting: deque[tuple[float, xatlas.Atlas]] = deque()


@contextmanager
def new_atlas() -> Iterator[xatlas.Atlas]:
    """An empty ``xatlas.Atlas`` to add meshes to, generate and read; let go of some time after its use.

    An atlas that goes away tells its thread to end and waits for it, holding the interpreter. It tells so without the
    lock that its condition variable needs, so that a thread just falling asleep misses it and is waited for forever:
    an atlas made and dropped at once hangs after some thousand times. One that has had :data:`REST` seconds of peace
    has a thread that sleeps, and can be woken.
    """
    atlas = xatlas.Atlas()
    try:
        yield atlas
    finally:
        _resting.append((time.monotonic(), atlas))
        del atlas
        _let_go(time.monotonic() - REST)


def _let_go(used_before: float) -> None:
    while _resting and _resting[0][0] <= used_before:
        _resting.popleft()


@atexit.register
def _let_go_of_all() -> None:
    """Modules lose their values when the interpreter ends, atlases too."""
    if _resting:
        time.sleep(max(0.0, _resting[-1][0] + REST - time.monotonic()))
        _resting.clear()
