"""What the command line shows while it works: progress with time left on standard error, results on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .interrupts import raise_if_interrupted
from .json_option import STANDARD_OUTPUT


class Report(Protocol):
    """Called by long work: name of the stage, part done (0..1), and a short text about the state."""

    def __call__(self, stage: str, done: float, text: str = "") -> None:
        """Tell how far the work has got."""
        ...


@contextmanager
def progress_bars() -> Iterator[Report]:
    """A bar for each stage on a terminal; elsewhere (a log, a pipe) one line whenever a stage gains a tenth."""
    console = Console(stderr=True)
    if not console.is_terminal:
        reached: dict[str, int] = {}

        def log(stage: str, done: float, text: str = "") -> None:
            raise_if_interrupted()
            tenth = int(done * 10 + 1e-9)
            if tenth > reached.get(stage, -1):
                reached[stage] = tenth
                _print_line(f"{stage}: {tenth * 10} % {text}".rstrip())

        yield log
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def draw(stage: str, done: float, text: str = "") -> None:
            raise_if_interrupted()
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=1.0, text=text)
            progress.update(bars[stage], completed=done, text=text)

        yield draw


def _print_line(text: str) -> None:
    """A line on standard error, as far as its character set goes."""
    known = sys.stderr.encoding or "utf-8"
    print(text.encode(known, "replace").decode(known), file=sys.stderr, flush=True)


def tell(options: argparse.Namespace, text: str) -> None:
    """Print a line for a person; silent when standard output belongs to the result as JSON."""
    if options.json != STANDARD_OUTPUT:
        known = sys.stdout.encoding or "utf-8"
        print(text.encode(known, "replace").decode(known), flush=True)
