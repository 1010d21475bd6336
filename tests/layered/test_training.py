"""From pictures on disk to an avatar, all stages, within a time that somebody chose."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import balls
import numpy as np
import pytest
from balls import SIZE, filmed_ball
from likeness.asset import write_layered_avatar
from likeness.asset.pictures import decode_png, split_tiles
from likeness.capture.model import Capture
from likeness.errors import LikenessError
from likeness.jobs import pace
from likeness.layered import training
from likeness.layered.export import export_avatar
from likeness.layered.finetune import finetune
from likeness.layered.frames import load_frames
from likeness.layered.playback import Player
from likeness.layered.training import bake_only, train
from likeness.runtime.colour import linear_to_srgb

PRESET = replace(
    balls.PRESET, stage_one_share=0.0, fine_tuning=replace(balls.PRESET.fine_tuning, steps=150, pixels=1000)
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Capture:
    """A ball filmed from seven sides; the one held out lies between two others."""
    filmed = filmed_ball(tmp_path_factory.mktemp("ball"), turns=7, size=SIZE)
    return replace(filmed, held_out=(3,), provenance={"consent": "A ball."})


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("job") / "new"


@pytest.fixture(scope="module")
def avatar(capture, job):
    return train(capture, PRESET, job, seconds=60)


def _error(avatar, capture: Capture, index: int) -> float:
    """Mean absolute error of a frame over white, sRGB values."""
    frames = load_frames(capture, SIZE)
    picture = Player(avatar).render(capture.pose(index), capture.camera(index))
    shown = linear_to_srgb(picture[..., :3] + 1 - picture[..., 3:])
    matte = frames.film(index).matte.numpy()[..., None] / 255
    truth = frames.film(index).picture.numpy() / 255 * matte + 1 - matte
    return float(np.abs(shown - truth).mean())


def test_a_view_that_was_held_out_looks_like_what_was_filmed(avatar, capture):
    # Grey on white differs by 0.53, red by about as much; a third of the picture is the ball.
    assert _error(avatar, capture, 3) < 0.03


def test_the_avatar_can_be_written_and_says_how_it_was_made(avatar, capture, tmp_path):
    write_layered_avatar(avatar, tmp_path / "ball.glb")
    assert avatar.expression_names == capture.head.expression_names
    assert avatar.report["consent"] == "A ball."
    assert avatar.report["training"]["steps"] == PRESET.fine_tuning.steps
    assert avatar.report["training"]["held_out_frames"] == 1
    json.dumps(avatar.report)


def test_the_job_folder_holds_the_avatar_too(avatar, capture, job):
    log = json.loads((job / "training.json").read_text())
    assert log["state"] == "done"
    assert set(log["seconds"]) == {"load_s", "bake_s", "finetune_s", "finish_s"}
    again = bake_only(job)
    assert _error(again, capture, 3) < 0.03
    assert again.expression_names == avatar.expression_names


def test_bases_may_share_one_opacity(capture, tmp_path):
    """As in the paper's own code; the file has one for each basis, and they are alike."""
    steps = replace(PRESET.fine_tuning, steps=40)
    avatar = train(capture, replace(PRESET, shared_alpha=True, fine_tuning=steps), tmp_path, seconds=60)
    side = avatar.tile_size + 2 * avatar.gutter
    seen = 0
    for layer in avatar.layers:
        first, second = (tile[..., 3] for tile in split_tiles(decode_png(layer.bases), side)[:2])
        np.testing.assert_array_equal(first, second)
        seen += int(first.any())
    assert seen == len(avatar.layers)
    assert _error(avatar, capture, 3) < 0.05


def test_stage_one_fits_into_the_time_too(capture, tmp_path, counted_clock):
    now = counted_clock(0.05)
    learned = replace(PRESET, stage_one_share=0.4)
    avatar = train(capture, learned, tmp_path, seconds=12)
    # Stages look at the clock between their steps, and now and then beside them.
    assert 12 <= now() < 13
    assert {"train_s", "bake_s", "finetune_s"} <= set(avatar.report["training"])
    assert (tmp_path / "stage-one" / "stage_one.safetensors").exists()


@pytest.mark.parametrize(("per_code", "kept"), [(0.0, 0.0), (1e-4, None), (1.0, 0.5 * 40)])
def test_time_for_finishing_is_kept_back_from_fine_tuning(
    capture, tmp_path, monkeypatch, counted_clock, per_code, kept
):
    """So much for each basis of a texel, but never more than half of the time."""
    counted_clock(0.001)
    given: list[float] = []

    def watched(proxies, *arguments, seconds, **numbers):
        given.append(seconds)
        codes = proxies.layer_count * proxies.tile_size**2 * proxies.basis_count
        assert (kept is not None) or 0 < per_code * codes < 0.5 * 40
        expected = 40 - (per_code * codes if kept is None else kept)
        assert seconds == pytest.approx(expected, abs=0.1)
        return finetune(proxies, *arguments, seconds=seconds, **numbers)

    monkeypatch.setattr(training, "finetune", watched)
    monkeypatch.setattr(training, "FINISHING_SECONDS", per_code)
    train(capture, replace(PRESET, fine_tuning=replace(PRESET.fine_tuning, steps=2)), tmp_path, seconds=40)
    assert len(given) == 1


def test_an_interrupt_leaves_a_clear_state(capture, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "finetune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(capture, PRESET, tmp_path, seconds=60)
    log = json.loads((tmp_path / "training.json").read_text())
    assert (log["state"], log["stage"]) == ("interrupted", "finetune")
    assert (tmp_path / "proxies.safetensors").exists()


SHORT = replace(PRESET, fine_tuning=replace(PRESET.fine_tuning, steps=2))


def test_a_job_that_ends_during_export_is_not_taken_for_finished(capture, tmp_path, monkeypatch):
    """Whoever then begins anew without --resume finds it moved aside."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    job = tmp_path / "job"
    with monkeypatch.context() as broken:
        broken.setattr(training, "export_avatar", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(capture, SHORT, job, seconds=60)
    log = json.loads((job / "training.json").read_text())
    assert (log["state"], log["stage"]) == ("interrupted", "finish")
    train(capture, SHORT, job, seconds=60)
    assert (tmp_path / "job.1" / "finetuned.safetensors").exists()


def test_a_job_that_ended_during_export_goes_on_with_it(capture, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(training, "export_avatar", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(capture, SHORT, tmp_path, seconds=60)
    learnt = (tmp_path / "finetuned.safetensors").read_bytes()
    avatar = train(capture, SHORT, tmp_path, seconds=60, resume=True)
    assert (tmp_path / "finetuned.safetensors").read_bytes() == learnt
    assert avatar.report["training"]["steps"] == 2


def test_time_for_export_is_told_as_finishing(capture, tmp_path, monkeypatch, counted_clock):
    counted_clock(1e-3)

    def slow(*arguments, **named):
        for _ in range(100_000):
            pace.time.monotonic()
        return export_avatar(*arguments, **named)

    monkeypatch.setattr(training, "export_avatar", slow)
    told = train(capture, SHORT, tmp_path, seconds=60).report["training"]
    assert told["finish_s"] > 90
    assert told["total_s"] > told["finish_s"]


def test_an_empty_folder_holds_no_avatar(tmp_path):
    with pytest.raises(LikenessError, match="no avatar yet"):
        bake_only(tmp_path)


@pytest.mark.parametrize("name", ["proxies.safetensors", "finetuned.safetensors", "training.json"])
def test_a_damaged_file_of_a_job_is_told_by_its_name(avatar, job, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(job, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(LikenessError, match=rf"{re.escape(name)} is damaged") as told:
        bake_only(copy)
    assert "\n" not in str(told.value)


def test_a_damaged_checkpoint_is_not_taken_for_none(avatar, job, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(job, copy)
    (copy / "finetuned.safetensors").unlink()
    with pytest.raises(LikenessError, match="no avatar yet"):
        bake_only(copy)
    (copy / "checkpoint.safetensors").write_bytes(b"half")
    with pytest.raises(LikenessError, match=r"checkpoint\.safetensors is damaged"):
        bake_only(copy)


@pytest.mark.parametrize("keep_look", [False, True])
def test_only_with_its_look_stage_ones_decoder_goes_on(capture, tmp_path, monkeypatch, keep_look):
    """Textures made anew have features that stage 1's decoder has never seen."""
    begun: list[bool] = []

    def watched(*arguments, decoder, corrections, **numbers):
        begun.append(decoder is not None and corrections is not None)
        return finetune(*arguments, decoder=decoder, corrections=corrections, **numbers)

    monkeypatch.setattr(training, "finetune", watched)
    stage_one = replace(PRESET.geometry.stage_one, steps=3, keep_look=keep_look)
    geometry = replace(PRESET.geometry, stage_one=stage_one)
    preset = replace(PRESET, stage_one_share=0.4, geometry=geometry, fine_tuning=replace(PRESET.fine_tuning, steps=2))
    train(capture, preset, tmp_path, seconds=20)
    assert begun == [keep_look]


def test_without_training_frames_there_is_nothing_to_learn(capture, tmp_path):
    with pytest.raises(LikenessError, match="held out"):
        train(replace(capture, held_out=tuple(range(len(capture)))), PRESET, tmp_path)


def test_pictures_too_small_for_a_loss_are_told_before_anything_is_written(capture, tmp_path):
    tuning = replace(PRESET.fine_tuning, perceptual_loss="structure", perceptual_weight=1.0)
    with pytest.raises(LikenessError, match="needs 22 a side"):
        train(capture, replace(PRESET, picture_size=20, fine_tuning=tuning), tmp_path / "job", seconds=60)
    assert not (tmp_path / "job").exists()
