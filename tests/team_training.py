"""A tiny training job on a step's frames two at a time; a script, to be started once, or twice by ``torchrun``.

python team_training.py CAPTURE JOB
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

from killed_training import PRESET
from likeness.capture.storage import load_capture
from likeness.layered.training import train

STEPS = 6
TEAM_PRESET = replace(
    PRESET,
    frames_per_step=2,
    geometry=replace(
        PRESET.geometry,
        # Layers are extracted once: how a level set is cut into triangles may jump with the last digit.
        # Stage 1's look is kept, so that its decoder and corrections are compared too.
        stage_one=replace(
            PRESET.geometry.stage_one, steps=STEPS, extraction_steps=(), geometry_start=0.0, keep_look=True
        ),
    ),
    fine_tuning=replace(PRESET.fine_tuning, steps=STEPS, correction_start=0.0),
)


if __name__ == "__main__":
    train(load_capture(Path(sys.argv[1])), TEAM_PRESET, Path(sys.argv[2]), seconds=math.inf)
