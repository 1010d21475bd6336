"""``likeness bake``: what a training job has learnt so far, as an avatar."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .terminal import tell
from .train import check_avatar_path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("job", type=Path, help="the job folder of `likeness train`")
    parser.add_argument("avatar", type=Path, help="the .glb file to write")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..asset import write_layered_avatar
    from ..layered.training import bake_only

    check_avatar_path(options.avatar)
    write_layered_avatar(bake_only(options.job), options.avatar)
    tell(options, f"Wrote {options.avatar} ({options.avatar.stat().st_size / 1e6:.1f} MB).")
    return {"avatar": str(options.avatar)}
