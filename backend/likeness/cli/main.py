"""``likeness COMMAND ...``: parses, runs one command, and turns problems into one sentence and an exit status."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .. import __version__
from ..errors import LikenessError
from ..files import write_atomically
from .interrupts import interrupts_noted
from .json_option import STANDARD_OUTPUT, add_json_option

COMMANDS = {
    "head": "look at a head model, or convert one into Likeness' own file",
    "track": "find head pose, expressions and gaze in a video: video in, capture out",
    "capture": "make captures of other people's data sets, write their formats, tell what a capture holds",
    "sample": "copy the sample capture that comes with Likeness",
    "train": "learn an avatar from a capture: capture in, avatar.glb out",
    "job": "tell how far a training job is; let it pause, go on or stop",
    "bake": "write the avatar that a training job has learnt so far, once fine-tuning has begun",
    "eval": "measure an avatar on frames that it has not seen",
    "ablate": "learn avatars with one number changed at a time, and tell what each is worth",
    "render": "render an avatar to a picture, without Blender",
    "validate": "check an avatar file and tell what is in it",
    "bench": "measure speed and accuracy on this machine",
    "report": "put an evaluation and Blender's renders into one page",
}
DESCRIPTION = "Neural head avatars from a short video, rigged in Blender."
INTERRUPTED = 130

_FULL = (errno.ENOSPC, errno.EDQUOT)
_WRONG_PLACE = (
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)
"""What the system says of places that a user named and that cannot serve; anything else is a bug of ours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; the process's own by default.

    Returns
    -------
    int
        0 on success, 1 for a problem with what the user gave, 2 for wrong usage, 130 when interrupted.
    """
    _stand_in_for_missing_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="likeness", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"likeness {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        # A command's module brings its heavy libraries with it, so only the one that runs is imported.
        if name == chosen:
            import_module(f".{name}", __package__).configure(command)
            add_json_option(command, default=None)
    options = parser.parse_args(words)
    try:
        with interrupts_noted():
            result = import_module(f".{options.command}", __package__).run(options)
    except LikenessError as error:
        return _fail(str(error), options.json, 1)
    except KeyboardInterrupt as interrupt:
        kept = str(interrupt) or "Nothing half-made was left behind."
        return _fail(f"Interrupted. {kept}", options.json, INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; what remains in the buffer must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (*_FULL, *_WRONG_PLACE):
            raise
        where = f"{error.filename}: " if error.filename else ""
        advice = "free some space there, or choose another place" if error.errno in _FULL else "choose another place"
        return _fail(f"{where}{error.strerror}; {advice}.", options.json, 1)
    if options.json is not None:
        return _write_result(result, options.json)
    return 0


def _stand_in_for_missing_streams() -> None:
    """Give a process without standard streams, as under pythonw, ones that lead nowhere: all code may write to them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _write_result(result: object, place: str) -> int:
    text = json.dumps(result, indent=1)
    if place == STANDARD_OUTPUT:
        print(text)
        return 0
    try:
        write_atomically(Path(place), text.encode())
    except LikenessError as error:
        return _fail(str(error), None, 1)
    return 0


def _fail(message: str, json_place: str | None, status: int) -> int:
    print(f"likeness: {message}", file=sys.stderr)
    if json_place == STANDARD_OUTPUT:
        print(json.dumps({"error": message}))
    return status
