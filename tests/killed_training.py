"""Runs a tiny training job again and again, each time killed somewhere else: only a process of its own can be.

    python killed_training.py CAPTURE JOB MOMENT ...

A moment is ``MODULE:FUNCTION:N``: the process is killed, as by ``kill -9``, when it calls the function for the N-th
time. Each run goes on with what the one before has left; after the last moment one run may end. The avatar is written
into the job's folder, without its report, which tells of times.
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import balls
import torch
from likeness.asset import write_layered_avatar
from likeness.capture.storage import load_capture
from likeness.layered.geometry_preset import StageOnePreset
from likeness.layered.training import train

SIZE = balls.SIZE
AVATAR = "avatar.glb"
PRESET = replace(
    balls.PRESET,
    tile_size=48,
    geometry=replace(
        balls.GEOMETRY,
        cell=0.01,
        extraction_cell=0.01,
        core_faces=400,
        head_faces=300,
        shell_faces=500,
        hull_frames=4,
        outline_steps=2,
        stage_one=StageOnePreset(steps=24, cell=0.014, pixels=300, extraction_steps=(0.3, 0.6), geometry_start=0.1),
    ),
    fine_tuning=replace(balls.PRESET.fine_tuning, steps=40, pixels=600),
)
"""Small, and yet with everything that a job goes through: extraction on the way, corrections, several rounds."""


def run(capture: Path, job: Path, moment: str | None, kept_every: float = 0.0) -> None:
    """One process's work on the job, up to the moment."""
    torch.set_num_threads(1)
    if moment is not None:
        _kill_at(moment)
    avatar = train(load_capture(capture), PRESET, job, seconds=math.inf, resume=True, kept_every=kept_every)
    write_layered_avatar(replace(avatar, report={}), job / AVATAR)


def _kill_at(moment: str) -> None:
    module_name, name, number = moment.split(":")
    module, left = importlib.import_module(module_name), int(number)
    function = getattr(module, name)

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    setattr(module, name, counted)


def main() -> None:
    """Each run is a fork, so that what takes seconds to import is imported once."""
    capture, job = Path(sys.argv[1]), Path(sys.argv[2])
    for moment in [*sys.argv[3:], None]:
        process = os.fork()
        if process == 0:
            try:
                run(capture, job, moment)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        ended = os.waitstatus_to_exitcode(status)
        if ended != (0 if moment is None else -signal.SIGKILL):
            sys.exit(f"at {moment} the run ended with {ended}")


if __name__ == "__main__":
    main()
