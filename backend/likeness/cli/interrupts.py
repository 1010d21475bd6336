"""Ctrl-C that is not lost: libraries swallow it while they are imported, so work in progress looks again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


@contextmanager
def interrupts_noted() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C as Python does, and remember it for :func:`raise_if_interrupted`."""
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        _asked.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def raise_if_interrupted() -> None:
    """Stop here if Ctrl-C was pressed since the command began.

    Raises
    ------
    KeyboardInterrupt
    """
    if _asked.is_set():
        raise KeyboardInterrupt
