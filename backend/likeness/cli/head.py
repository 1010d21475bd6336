"""``likeness head``: convert, describe and draw head models."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import LikenessError
from .json_option import add_json_option
from .terminal import tell

HEAD_HELP = "`standin`, a FLAME model (.pkl, .npz), an ict_facekit.npz, an ICT-FaceKit checkout, or a Likeness head"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser("import", help="convert a head model into one .safetensors file")
    importing.add_argument("head", help=HEAD_HELP)
    importing.add_argument("out", type=Path, help="the .safetensors file to write")
    info = actions.add_parser("info", help="tell what a head model holds")
    info.add_argument("head", help=HEAD_HELP)
    drawing = actions.add_parser("preview", help="draw template, joints, weights and expressions")
    drawing.add_argument("head", help=HEAD_HELP)
    drawing.add_argument("out", type=Path, help="the .png file to write")
    for action in (importing, info, drawing):
        add_json_option(action, default=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the command."""
    from ..head.select import head_from

    head = head_from(options.head)
    parts = _flame_parts(options.head)
    facts: dict[str, Any] = {
        "name": head.name,
        "vertices": len(head.template),
        "triangles": len(head.faces),
        "identities": len(head.identity_basis),
        "expressions": list(head.expression_names),
        "regions": {name: int(faces.sum()) for name, faces in head.regions.items()},
        "licence": head.licence,
        **({"parts": parts} if parts else {}),
    }
    if options.action == "import":
        from ..head.storage import save_head

        _check_suffix(options.out, ".safetensors")
        save_head(head, options.out)
        tell(options, f"Wrote {options.out}.")
    elif options.action == "preview":
        from ..head.preview import preview

        _check_suffix(options.out, ".png")
        preview(head, options.out)
        tell(options, f"Drew {options.out}.")
    else:
        tell(options, f"{head.name}: {facts['vertices']} vertices, {facts['triangles']} triangles,")
        tell(options, f"  {facts['identities']} identity directions, licence {head.licence or 'not stated'}")
        tell(options, f"  {len(head.expression_names)} expressions: {', '.join(head.expression_names)}")
        tell(options, "  regions: " + ", ".join(f"{name} {count}" for name, count in facts["regions"].items()))
        for name, text in parts.items():
            tell(options, f"  {name}: {text}")
    return facts


def _flame_parts(spec: str) -> dict[str, str]:
    """Where a FLAME head's regions, texture layout, landmarks and eyelids come from; empty for other heads."""
    from ..head.flame_files import is_flame

    if spec == "standin" or not is_flame(Path(spec)):
        return {}
    from ..head.flame import flame_parts

    return asdict(flame_parts(Path(spec)))


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise LikenessError(f"{path} must end in {suffix}, for that is what is written.")
