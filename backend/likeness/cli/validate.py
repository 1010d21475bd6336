"""``likeness validate``: is this file a whole and sound avatar?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import tell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("avatar", type=Path, help="the avatar's .glb file")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..asset import validate
    from ..asset.validation import summary

    facts = validate(options.avatar)
    tell(options, summary(facts))
    return facts
