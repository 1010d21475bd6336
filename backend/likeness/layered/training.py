"""From a capture to an avatar: stage 1 learns the surface, baking freezes it, stage 3 learns the look, export.

A job folder holds what each stage has learnt, so that a job that is killed loses at most a minute of its last stage:

    training.json           state, preset, seed, seconds of each stage
    head.safetensors        the head model
    stage-one/              the learned surface
    proxies.safetensors     baked layers with their first textures
    decoder.safetensors     the decoder they came with
    finetuned.safetensors   textures, decoder and corrections, about once a minute and at the end
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from .. import __version__
from ..asset.layered import LayeredAvatar
from ..capture.model import Capture
from ..errors import LikenessError
from ..files import write_atomically
from ..head.model import HeadModel
from ..head.storage import load_head, save_head
from ..raster.interface import Rasteriser
from ..raster.select import rasteriser as select_rasteriser
from .bake import bake
from .core_opening import open_core
from .decoder import AppearanceDecoder
from .deformation import PoseCorrections
from .export import export_avatar
from .finetune import FineTuned, finetune
from .frames import TrainingFrames, load_frames
from .hulls import hull_proxies
from .inpainting import inpainted, seen_weights
from .presets import Preset
from .proxies import Proxies, load_proxies, save_proxies
from .stage_one import save_stage_one, train_stage_one
from .texel_surface import texel_surface

Progress = Callable[[str, float, str], None]

FINISHING_SECONDS = 15.0
"""What filling unseen texels and export take, kept back from the time budget; less where the budget is small."""


class TrainingLog:
    """``training.json``: how far a job is, in words that a person understands.

    Parameters
    ----------
    folder : Path
        The job's folder.
    facts : dict
        JSON values that stay the same.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._path, self._facts = folder / "training.json", facts
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; note it as interrupted or failed if it does not end well."""
        start = time.monotonic()
        self._write("running", name)
        try:
            yield
        except BaseException as error:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self._write(state, name)
            raise
        self.seconds[f"{name}_s"] = round(time.monotonic() - start, 2)
        self._write("done", name)

    def _write(self, state: str, stage: str) -> None:
        content = {"state": state, "stage": stage, "seconds": self.seconds, **self._facts}
        write_atomically(self._path, json.dumps(content, indent=1).encode())


def train(
    capture: Capture,
    preset: Preset,
    out: Path,
    *,
    seconds: float | None = None,
    seed: int = 0,
    progress: Progress = lambda stage, done, message: None,
) -> LayeredAvatar:
    """Learn a layered avatar from a capture's training frames.

    Parameters
    ----------
    capture : Capture
    preset : Preset
    out : Path
        Job folder; made when missing, and what an earlier job left there is overwritten.
    seconds : float, optional
        Time for everything; the preset's own by default.
    seed : int
    progress : callable
        Told the stage, the part of it that is done and a line about it.

    Raises
    ------
    LikenessError
        If the capture has no training frame, or the folder cannot be written.
    """
    if not capture.training:
        raise LikenessError(f"{capture.folder} has no frame to train on: all are held out.")
    _make_folder(out)
    begun, budget = time.monotonic(), preset.seconds if seconds is None else seconds
    if preset.threads:
        torch.set_num_threads(preset.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rasteriser = select_rasteriser(device)
    log = TrainingLog(out, {"preset": asdict(preset), "seed": seed, "capture": capture.folder.name})
    with log.stage("load"):
        save_head(capture.head, out / "head.safetensors")
        frames = load_frames(capture, preset.picture_size, device)
    proxies, decoder, corrections = _shaped(
        capture, frames, preset, out, log, budget * preset.stage_one_share, seed, progress
    )
    proxies = open_core(proxies).torch(device)
    finishing = min(FINISHING_SECONDS, 0.1 * budget)
    with log.stage("finetune"):
        tuned = finetune(
            proxies,
            frames,
            preset,
            rasteriser,
            seconds=max(0.0, budget - finishing - (time.monotonic() - begun)),
            seed=seed,
            progress=progress,
            decoder=decoder,
            corrections=corrections,
            checkpoint=lambda state: save_finetuned(state, out),
        )
        save_finetuned(tuned, out)
    with log.stage("finish"):
        progress("Finishing", 0.0, "filling what no frame has seen")
        textures = _filled(proxies, tuned, frames, preset, rasteriser)
    report = {
        "training": {
            "preset": preset.name,
            **log.seconds,
            "total_s": round(time.monotonic() - begun, 2),
            "steps": len(tuned.losses),
            "loss": float(np.mean(tuned.losses[-100:] or [0.0])),
            "frames": len(capture.training),
            "held_out_frames": len(capture.held_out),
            "picture_size": preset.picture_size,
            "seed": seed,
            "likeness_version": __version__,
        },
        "capture": dict(capture.provenance),
        "consent": capture.provenance.get("consent", "not stated"),
    }
    avatar = _exported(replace(proxies, textures=textures), tuned.decoder, capture.head, preset.gutter, report)
    progress("Finishing", 1.0, "")
    return avatar


def _shaped(
    capture: Capture,
    frames: TrainingFrames,
    preset: Preset,
    out: Path,
    log: TrainingLog,
    seconds: float,
    seed: int,
    progress: Progress,
) -> tuple[Proxies, AppearanceDecoder | None, PoseCorrections | None]:
    """Layers with their first textures: learned, or hull shells where the preset leaves no time for stage 1."""
    decoder = corrections = None
    if seconds > 0:
        with log.stage("train"):
            learned = train_stage_one(frames, capture, preset, seconds=seconds, seed=seed, progress=progress)
            save_stage_one(learned, out / "stage-one")
        with log.stage("bake"):
            proxies = bake(learned, frames, capture, preset)
            decoder, corrections = learned.decoder, learned.corrections
            save_proxies(proxies, out / "proxies.safetensors")
            _save_tensors(decoder.state_dict(), out / "decoder.safetensors")
    else:
        with log.stage("bake"):
            proxies = hull_proxies(frames, capture, preset)
            save_proxies(proxies, out / "proxies.safetensors")
    return proxies, decoder, corrections


def _filled(
    proxies: Proxies, tuned: FineTuned, frames: TrainingFrames, preset: Preset, rasteriser: Rasteriser
) -> torch.Tensor:
    """The learnt textures with unseen texels made plausible, in main memory."""
    numbers = preset.fine_tuning
    seen = seen_weights(
        proxies, tuned.table, tuned.decoder, frames, tuned.corrections, rasteriser, numbers.inspected_frames
    )
    plain = proxies.torch("cpu")
    surface = texel_surface(plain, select_rasteriser(plain.positions.device))
    return inpainted(tuned.table.textures.cpu(), plain, surface, seen.cpu(), numbers.seen_threshold)


def _exported(
    proxies: Proxies, decoder: AppearanceDecoder, head: HeadModel, gutter: int, report: dict[str, Any]
) -> LayeredAvatar:
    """The avatar of proxies whose textures are final."""
    plain = proxies.torch("cpu")
    surface = texel_surface(plain, select_rasteriser(plain.positions.device))
    return export_avatar(plain, plain.textures, decoder.cpu(), surface, head, gutter=gutter, report=report)


def save_finetuned(state: FineTuned, out: Path) -> None:
    """Write what fine-tuning has learnt so far into a job folder."""
    tensors = {
        "textures": state.table.codes.view(state.table.layer_count, state.table.size, state.table.size, -1),
        **{f"decoder.{name}": value for name, value in state.decoder.state_dict().items()},
        **{f"corrections.{name}": value for name, value in state.corrections.state_dict().items()},
    }
    _save_tensors(tensors, out / "finetuned.safetensors")


def _save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    write_atomically(path, content)


def bake_only(out: Path) -> LayeredAvatar:
    """The avatar that a job's folder holds so far: fine-tuned as far as it went, or as stage 1 left it.

    Texels that no frame has seen stay as they are.

    Raises
    ------
    LikenessError
        If the folder holds no baked layers and decoder yet.
    """
    try:
        head = load_head(out / "head.safetensors")
        proxies = open_core(load_proxies(out / "proxies.safetensors")).torch()
        tuned = out / "finetuned.safetensors"
        tensors = load_file(tuned if tuned.exists() else out / "decoder.safetensors")
        log = json.loads((out / "training.json").read_text("utf-8"))
    except (FileNotFoundError, LikenessError):
        raise LikenessError(f"{out} holds no avatar yet: go on training there until the layers are baked.") from None
    if "textures" in tensors:
        proxies = replace(proxies, textures=tensors.pop("textures").float() / 255)
    state = {name.removeprefix("decoder."): value for name, value in tensors.items() if "corrections." not in name}
    preset = log["preset"]
    decoder = AppearanceDecoder(
        9 + head.expression_count, proxies.feature_size, proxies.basis_count, hidden_size=int(preset["hidden_size"])
    )
    decoder.load_state_dict(state)
    training = {"preset": preset["name"], "state": log["state"], "stage": log["stage"], **log["seconds"]}
    return _exported(proxies, decoder, head, int(preset["gutter"]), {"training": training})


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LikenessError(f"Cannot make the job folder {out}: {error.strerror}.") from error
