"""The option ``--json [FILE]`` that every command has."""

from __future__ import annotations

import argparse

STANDARD_OUTPUT = "-"


def add_json_option(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add ``--json [FILE]``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of a command, or of an action of one.
    default : str, optional
        ``argparse.SUPPRESS`` for an action, so that it does not undo what was said before the action's name.
    """
    parser.add_argument(
        "--json",
        nargs="?",
        const=STANDARD_OUTPUT,
        default=default,
        metavar="FILE",
        help="write the result as JSON to FILE, or print it when no file is given",
    )
