"""``python -m likeness.head.sculpt OUT``: make the stand-in head."""

from __future__ import annotations

import sys
from pathlib import Path

from ..storage import check_head, save_head
from .assemble import make_head
from .body import body
from .landmarks import find_landmarks, with_landmarks

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m likeness.head.sculpt OUT.safetensors")
    sculpted = body()
    made = make_head(sculpted)
    made = with_landmarks(made, find_landmarks(made, sculpted))
    check_head(made, sys.argv[1])
    save_head(made, Path(sys.argv[1]))
