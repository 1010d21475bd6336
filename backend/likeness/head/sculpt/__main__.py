"""``python -m likeness.head.sculpt OUT [FORMER]``: make the stand-in head.

With a former one, its landmarks are kept: where only what lies off the skin changed, they are still right, while
MediaPipe would put some of them elsewhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..storage import check_head, load_head, save_head
from .assemble import make_head
from .body import body
from .landmarks import find_landmarks, with_landmarks

if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m likeness.head.sculpt OUT.safetensors [FORMER.safetensors]")
    sculpted = body()
    made = make_head(sculpted)
    if len(sys.argv) == 3:
        former = load_head(Path(sys.argv[2]))
        skin = np.unique(former.landmark_triangles)
        if not np.array_equal(former.template[skin], made.template[skin]):
            sys.exit(f"{sys.argv[2]} has another skin, so its landmarks cannot be kept.")
        made = with_landmarks(made, (former.landmark_triangles, former.landmark_barycentrics))
    else:
        made = with_landmarks(made, find_landmarks(made, sculpted))
    check_head(made, sys.argv[1])
    save_head(made, Path(sys.argv[1]))
