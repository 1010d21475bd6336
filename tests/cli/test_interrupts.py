"""Ctrl-C ends a command even where a library has swallowed it."""

import contextlib
import os
import signal

import pytest
from likeness.cli import validate
from likeness.cli.main import INTERRUPTED, main
from likeness.cli.terminal import progress_bars


def test_a_swallowed_interrupt_is_seen_at_the_next_progress(monkeypatch, capsys):
    reached = []

    def run(options):
        with progress_bars() as bars:
            bars("Work", 0.0)
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            reached.append("swallowed")
            bars("Work", 0.5)
            reached.append("went on")

    monkeypatch.setattr(validate, "run", run)
    before = signal.getsignal(signal.SIGINT)
    assert main(["validate", "avatar.glb"]) == INTERRUPTED
    assert reached == ["swallowed"]
    assert signal.getsignal(signal.SIGINT) is before
    assert "Interrupted" in capsys.readouterr().err


def test_an_earlier_interrupt_does_not_stop_a_later_command(monkeypatch):
    def interrupted(options):
        os.kill(os.getpid(), signal.SIGINT)

    def whole(options):
        with progress_bars() as bars:
            bars("Work", 1.0)

    monkeypatch.setattr(validate, "run", interrupted)
    assert main(["validate", "avatar.glb"]) == INTERRUPTED
    monkeypatch.setattr(validate, "run", whole)
    assert main(["validate", "avatar.glb"]) == 0


@pytest.fixture(autouse=True)
def handler():
    """Leave the process's own handler as it was, whatever a test does."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
