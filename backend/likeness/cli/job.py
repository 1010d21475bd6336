"""``likeness job``: look at a job that is at work in a folder, let it pause, go on, or stop."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .json_option import add_json_option
from .terminal import tell

_ACTIONS = {
    "status": "tell how far a job is",
    "pause": "let a job pause at its next step; its time stands still",
    "resume": "let a paused job go on",
    "stop": "let a job keep what it has learnt and end at its next step",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("job", type=Path, help="the job folder of `likeness train`")
        add_json_option(action, default=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..jobs.control import ask, withdraw
    from ..jobs.session import PREVIEW
    from ..jobs.status import job_progress, told

    job: Path = options.job
    progress = job_progress(job)
    if options.action == "status":
        tell(options, told(progress, job))
        preview = job / PREVIEW
        return {**asdict(progress), "preview": str(preview) if preview.exists() else None}
    if progress.state not in ("running", "paused"):
        raise LikenessError(
            f"No process is at work on {job} (it is {progress.state}); `likeness train ... --resume` goes on with it."
        )
    if options.action == "resume":
        withdraw(job)
    else:
        ask(job, options.action)
    done = {"pause": "pauses at its next step", "stop": "keeps what it has learnt and ends", "resume": "goes on"}
    tell(options, f"The job {done[options.action]}.")
    return {"job": str(job), "asked": options.action}
