"""From a capture to an avatar: stage 1 learns the surface, baking freezes it, stage 3 learns the look, export.

A job folder holds what each stage has learnt. A job that is killed at any moment goes on from its last checkpoint, and
where steps alone decide when it ends, it ends as if nothing had happened, bit for bit on a CPU:

    training.json           state, preset, seed, time, the capture's fingerprint, seconds of each finished stage
    head.safetensors        the head model
    stage-one/              the learned surface
    proxies.safetensors     baked layers with their first textures
    decoder.safetensors     the decoder and corrections they came with, where the learned look is kept
    finetuned.safetensors   textures, decoder and corrections as fine-tuning left them
    checkpoint.safetensors  the state of the stage at work, about twice a minute
    progress.json           how far the job is, once a second
    curve.csv               the learning curve
    preview.png             a training frame: filmed, and as learnt so far
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..asset.layered import LayeredAvatar
from ..capture.model import Capture
from ..errors import LikenessError
from ..head.model import HeadModel
from ..head.storage import load_head, save_head
from ..jobs.checkpoint import Checkpoint, read_checkpoint, stage_of_checkpoint
from ..jobs.fingerprint import capture_fingerprint
from ..jobs.folder import make_folder, opened_record
from ..jobs.following import Follower
from ..jobs.lock import locked
from ..jobs.record import CAPTURE, Record, read_record
from ..jobs.session import CHECKPOINT, KEPT_EVERY, Session
from ..raster.interface import Rasteriser
from ..raster.select import rasteriser as select_rasteriser
from .bake import bake
from .core_opening import open_core
from .decoder import AppearanceDecoder, new_decoder
from .deformation import PoseCorrections
from .export import export_avatar
from .finetune import FineTuned, finetune
from .finetune_state import textures_of
from .frames import TrainingFrames, load_frames, working_size
from .hulls import hull_proxies
from .inpainting import inpainted, seen_texels
from .learning_state import array, in_own_memory, load_arrays, module_arrays, restore_modules, save_arrays, tensor
from .preset_limits import check_pictures
from .presets import Preset
from .proxies import Proxies, load_proxies, save_proxies
from .repeatability import repeatable_sums
from .stage_one import load_stage_one, save_stage_one, train_stage_one
from .stage_one_state import StageOne
from .team import Team, joined_team
from .texel_surface import texel_surface
from .texels import TexelTable

Progress = Callable[[str, float, str], None]

FINISHING_SECONDS = 2.5e-6
"""What filling unseen texels and export take for each basis of a texel, kept back from the time budget: 10 s of the
preset preview, 63 s of ``standard``."""

FINISHING_SHARE = 0.5
"""Most of a small budget that is kept back for it."""

STAGE_ONE = "stage-one"
"""Folder within a job's that holds what stage 1 has learnt."""

_HEAD, _PROXIES = "head.safetensors", "proxies.safetensors"
_DECODER, _FINETUNED = "decoder.safetensors", "finetuned.safetensors"
_RESULTS = (_HEAD, f"{STAGE_ONE}/stage_one.safetensors", _PROXIES, _DECODER, _FINETUNED)


def train(
    capture: Capture,
    preset: Preset,
    out: Path,
    *,
    seconds: float | None = None,
    seed: int = 0,
    progress: Progress = lambda stage, done, message: None,
    resume: bool = False,
    kept_every: float = KEPT_EVERY,
) -> LayeredAvatar:
    """Learn a layered avatar from a capture's training frames.

    Parameters
    ----------
    capture : Capture
    preset : Preset
    out : Path
        Job folder; made when missing. An earlier job there makes room if it is finished, and is moved aside if not.
    seconds : float, optional
        Time for everything; the preset's own by default. An infinite one leaves the end to the preset's steps, so that
        the result depends on the seed alone, not on the machine's speed.
    seed : int
    progress : callable
        Told the stage, the part of it that is done and a line about it.
    resume : bool
        Go on with the job that lies in the folder, if there is one.
    kept_every : float
        Seconds between checkpoints; zero is after every step.

    Raises
    ------
    LikenessError
        If the capture has no training frame or too small pictures, the folder cannot be written or another process
        works there, or the job that shall go on was begun with something else or lacks what it had finished.
    JobStoppedError
        If somebody asked the job to stop.
    """
    if not capture.training:
        raise LikenessError(f"{capture.folder} has no frame to train on: all are held out.")
    check_pictures(preset, working_size(capture, preset.picture_size))
    budget = preset.seconds if seconds is None else seconds
    if preset.threads:
        torch.set_num_threads(preset.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with repeatable_sums(device), joined_team(preset.frames_per_step) as team:
        if not team.leads:
            team.wait()
            following = Follower(out, budget)
            team.wait()
            return _trained(capture, preset, following, seed, lambda stage, done, message: None, team, device)
        aside = make_folder(out, _RESULTS, resume=resume)
        if aside is not None:
            progress("Loading", 0.0, f"the unfinished job that was here is kept in {aside}")
        with locked(out, f"`likeness job stop {out}` ends it"):
            made_of = {
                "preset": asdict(preset),
                "seed": seed,
                "time": budget if math.isfinite(budget) else None,
                CAPTURE: capture_fingerprint(capture),
            }
            about = {"capture": capture.folder.name, "origin": _origin(capture)}
            record = opened_record(out, made_of, about, resume=resume)
            _check_results(record, out)
            session = Session(out, record, budget, kept_every)
            session.begin()
            # The others read the record while it does not change.
            team.wait()
            team.wait()
            avatar = _trained(capture, preset, session, seed, progress, team, device)
            session.finished()
    progress("Finishing", 1.0, "")
    return avatar


def _check_results(record: Record, out: Path) -> None:
    """Make sure that what finished stages left, and later ones read, is still in the folder."""
    needed = {"train": f"{STAGE_ONE}/stage_one.safetensors"} if not record.finished("bake") else {"bake": _PROXIES}
    for stage, name in {**needed, "finetune": _FINETUNED}.items():
        if record.finished(stage) and not (out / name).exists():
            raise LikenessError(f"{out / name}, which this job had finished, is gone; begin anew without --resume.")


def _trained(
    capture: Capture,
    preset: Preset,
    session: Session | Follower,
    seed: int,
    progress: Progress,
    team: Team,
    device: torch.device,
) -> LayeredAvatar:
    """All stages in turn; of those that are finished, what they have left in the folder."""
    rasteriser, record, out = select_rasteriser(device), session.record, session.job
    with session.stage("load", "Loading"):
        if team.leads:
            save_head(capture.head, out / _HEAD)
        frames = load_frames(capture, preset.picture_size, device)
    if not record.finished("bake"):
        _shape(capture, frames, preset, session, seed, progress, team)
    if record.finished("finetune"):
        proxies, _, _ = _baked(out, preset, len(frames), device)
        tuned = _load_finetuned(out, proxies, preset)
    else:
        with session.stage("finetune", "Fine-tuning") as watch:
            proxies, decoder, corrections = _baked(out, preset, len(frames), device)
            tuned = finetune(
                proxies,
                frames,
                preset,
                rasteriser,
                seconds=max(0.0, session.budget - _finishing_seconds(proxies, session.budget) - record.worked),
                seed=seed,
                progress=progress,
                decoder=decoder,
                corrections=corrections,
                watch=watch,
                team=team,
            )
            if team.leads:
                save_finetuned(tuned, out)
    with session.stage("finish", "Finishing"):
        progress("Finishing", 0.0, "filling what no frame has seen")
        textures = _filled(proxies, tuned, frames, preset, rasteriser)
        final = replace(proxies, textures=textures)
        avatar = _exported(final, tuned.decoder, capture.head, preset.gutter, report={})
    # The report tells how long finishing took, too.
    report = {
        "training": {
            "preset": preset.name,
            **record.seconds,
            "total_s": round(record.worked, 2),
            "watching_s": round(session.watching, 2),
            "steps": len(tuned.losses),
            "frames": len(capture.training),
            "held_out_frames": len(capture.held_out),
            "picture_size": preset.picture_size,
            "perceptual_loss": _perceptual_loss(preset),
            "seed": seed,
            "likeness_version": __version__,
        },
        "metrics": {"training_loss": float(np.mean(tuned.losses[-100:] or [0.0]))},
        **_origin(capture),
    }
    return replace(avatar, report=report)


def _finishing_seconds(proxies: Proxies, budget: float) -> float:
    """What is kept back of a budget for what comes after fine-tuning."""
    codes = proxies.layer_count * proxies.tile_size**2 * proxies.basis_count
    return min(FINISHING_SECONDS * codes, FINISHING_SHARE * budget)


def _perceptual_loss(preset: Preset) -> str:
    """What was added to the loss of single pixels, in words."""
    tuning = preset.fine_tuning
    if not tuning.perceptual_weight:
        return "none"
    return f"{tuning.perceptual_loss} on {tuning.perceptual_side} pixels, weight {tuning.perceptual_weight:g}"


def _origin(capture: Capture) -> dict[str, Any]:
    """Where an avatar comes from, and how the person shown has agreed."""
    return {
        "provenance": dict(capture.provenance),
        "consent": capture.provenance.get("consent", "not stated"),
    }


def _shape(
    capture: Capture,
    frames: TrainingFrames,
    preset: Preset,
    session: Session | Follower,
    seed: int,
    progress: Progress,
    team: Team,
) -> None:
    """Layers with their first textures: learned, or hull shells where the preset leaves no time for stage 1."""
    out, learned = session.job, None
    # An infinite time has no share of zero.
    seconds = session.budget * preset.stage_one_share if preset.stage_one_share else 0.0
    if seconds > 0 and not session.record.finished("train"):
        with session.stage("train", "Surface") as watch:
            learned = train_stage_one(
                frames, capture, preset, seconds=seconds, seed=seed, progress=progress, watch=watch, team=team
            )
            if team.leads:
                save_stage_one(learned, out / STAGE_ONE)
    if team.leads:
        _bake(capture, frames, preset, session, learned, seconds > 0)
    team.wait()


def _bake(
    capture: Capture,
    frames: TrainingFrames,
    preset: Preset,
    session: Session | Follower,
    learned: StageOne | None,
    learns: bool,
) -> None:
    """Stage 2, from what stage 1 has learnt or left in the folder, or without it."""
    out = session.job
    with session.stage("bake", "Baking"):
        if learns:
            learned = learned or load_stage_one(out / STAGE_ONE, frames, capture, preset)
            proxies = bake(learned, frames, capture, preset)
            if preset.geometry.stage_one.keep_look:
                # Textures that pictures were projected into anew have other features than stage 1's decoder was learnt
                # with. Going on from it, and from corrections, cost faces 0.8 to 1.3 dB (docs/learning.md).
                parts = {"decoder": learned.decoder, "corrections": learned.corrections}
                save_arrays(module_arrays(parts), out / _DECODER)
        else:
            proxies = hull_proxies(frames, capture, preset)
        save_proxies(proxies, out / _PROXIES)


def _baked(
    out: Path, preset: Preset, frame_count: int, device: torch.device
) -> tuple[Proxies, AppearanceDecoder | None, PoseCorrections | None]:
    """What baking has left in the folder, read from there always, so that it is the same for a job that goes on."""
    proxies = in_own_memory(open_core(load_proxies(out / _PROXIES)).torch(device))
    if not (out / _DECODER).exists():
        return proxies, None, None
    decoder = new_decoder(proxies.expression_basis.shape[2], preset)
    corrections = PoseCorrections(frame_count, proxies.expression_basis.shape[2])
    restore_modules({"decoder": decoder, "corrections": corrections}, load_arrays(out / _DECODER))
    return proxies, decoder, corrections


def _filled(
    proxies: Proxies, tuned: FineTuned, frames: TrainingFrames, preset: Preset, rasteriser: Rasteriser
) -> torch.Tensor:
    """The learnt textures with unseen texels made plausible, in main memory."""
    numbers = preset.fine_tuning
    seen = seen_texels(
        proxies, tuned.table, tuned.decoder, frames, tuned.corrections, rasteriser, numbers.inspected_frames
    )
    plain = proxies.torch("cpu")
    surface = texel_surface(plain, select_rasteriser(plain.positions.device))
    return inpainted(tuned.table.textures.cpu(), plain, surface, seen, numbers.seen_threshold)


def _exported(
    proxies: Proxies, decoder: AppearanceDecoder, head: HeadModel, gutter: int, report: dict[str, Any]
) -> LayeredAvatar:
    """The avatar of proxies whose textures are final."""
    plain = proxies.torch("cpu")
    surface = texel_surface(plain, select_rasteriser(plain.positions.device))
    return export_avatar(plain, plain.textures, decoder.cpu(), surface, head, gutter=gutter, report=report)


def save_finetuned(state: FineTuned, out: Path) -> None:
    """Write what fine-tuning has learnt into a job folder."""
    table = state.table
    arrays = {
        "textures": array(table.codes.view(table.layer_count, table.size, table.size, -1)),
        "losses": np.array(state.losses, np.float32),
        **module_arrays({"decoder": state.decoder, "corrections": state.corrections}),
    }
    save_arrays(arrays, out / _FINETUNED)


def _load_finetuned(out: Path, proxies: Proxies, preset: Preset) -> FineTuned:
    """Read what :func:`save_finetuned` wrote."""
    saved, device = load_arrays(out / _FINETUNED), proxies.positions.device
    corrections = PoseCorrections(*saved.arrays["corrections.expression"].shape).to(device)
    decoder = new_decoder(proxies.expression_basis.shape[2], preset).to(device)
    restore_modules({"decoder": decoder, "corrections": corrections}, saved)
    table = TexelTable((tensor(saved.arrays["textures"]).float() / 255).to(device), proxies.layout)
    return FineTuned(table, decoder, corrections, saved.arrays["losses"].tolist(), 0.0)


def bake_only(out: Path) -> LayeredAvatar:
    """The avatar that a job's folder holds so far: fine-tuned as far as it went, or as stage 1 left it.

    Texels that no frame has seen stay as they are.

    Raises
    ------
    LikenessError
        If the folder holds no baked layers and decoder yet: without a learned look, fine-tuning must have begun. Or if
        a file in it is damaged.
    """
    nothing = LikenessError(f"{out} holds no avatar yet: go on training there until fine-tuning has begun.")
    log = read_record(out)
    if log is None:
        raise nothing
    try:
        proxies = open_core(load_proxies(out / _PROXIES)).torch()
        textures, learnt = _learnt_so_far(out, proxies)
    except FileNotFoundError:
        raise nothing from None
    head = load_head(out / _HEAD)
    decoder = AppearanceDecoder(
        9 + proxies.expression_basis.shape[2],
        proxies.feature_size,
        proxies.basis_count,
        hidden_size=int(log["preset"]["hidden_size"]),
    )
    restore_modules({"decoder": decoder}, learnt)
    training = {"preset": log["preset"]["name"], "state": log["state"], "stage": log["stage"], **log["seconds"]}
    proxies = replace(proxies, textures=textures)
    report = {"training": training, **log["origin"]}
    return _exported(proxies, decoder, head, int(log["preset"]["gutter"]), report)


def _learnt_so_far(out: Path, proxies: Proxies) -> tuple[torch.Tensor, Checkpoint]:
    """Textures and what holds the decoder: fine-tuned, or as the last checkpoint has them, or as they were baked."""
    if (out / _FINETUNED).exists():
        saved = load_arrays(out / _FINETUNED)
        return tensor(saved.arrays["textures"]).float() / 255, saved
    path = out / CHECKPOINT
    checkpoint = read_checkpoint(path) if stage_of_checkpoint(path) == "finetune" else None
    if checkpoint is not None:
        return textures_of(checkpoint, proxies), checkpoint
    return proxies.textures, load_arrays(out / _DECODER)
