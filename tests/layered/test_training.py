"""From pictures on disk to an avatar, all stages, within a time that somebody chose."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import balls
import cv2
import numpy as np
import pytest
from balls import SIZE, ball_capture
from likeness.asset import write_layered_avatar
from likeness.capture.model import Capture
from likeness.errors import LikenessError
from likeness.layered import training
from likeness.layered.frames import face_mask, load_frames, without_background
from likeness.layered.playback import Player
from likeness.layered.training import bake_only, train
from likeness.runtime.colour import linear_to_srgb

PRESET = replace(
    balls.PRESET, stage_one_share=0.0, fine_tuning=replace(balls.PRESET.fine_tuning, steps=150, pixels=1000)
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Capture:
    """A ball filmed from seven sides; the one held out lies between two others."""
    folder = tmp_path_factory.mktemp("ball")
    plain, frames = ball_capture(turns=7, size=SIZE)
    for index in range(len(plain)):
        picture = cv2.cvtColor(frames.pictures[index].numpy(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
        cv2.imwrite(str(folder / f"matte{index}.png"), frames.mattes[index].numpy())
    mattes = tuple(f"matte{index}.png" for index in range(len(plain)))
    return replace(plain, folder=folder, mattes=mattes, held_out=(3,), provenance={"consent": "A ball."})


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
    matte = frames.mattes[index].numpy()[..., None] / 255
    truth = frames.pictures[index].numpy() / 255 * matte + 1 - matte
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


def test_stage_one_fits_into_the_time_too(capture, tmp_path):
    start = time.monotonic()
    learned = replace(PRESET, stage_one_share=0.4)
    avatar = train(capture, learned, tmp_path, seconds=12)
    # Stages look at the clock between their steps; fields, meshes and charts of this size take about a second each.
    assert time.monotonic() - start < 24
    assert {"train_s", "bake_s", "finetune_s"} <= set(avatar.report["training"])
    assert (tmp_path / "decoder.safetensors").exists()


def test_an_interrupt_leaves_a_clear_state(capture, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "finetune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(capture, PRESET, tmp_path, seconds=60)
    log = json.loads((tmp_path / "training.json").read_text())
    assert (log["state"], log["stage"]) == ("interrupted", "finetune")
    assert (tmp_path / "proxies.safetensors").exists()


def test_an_empty_folder_holds_no_avatar(tmp_path):
    with pytest.raises(LikenessError, match="no avatar yet"):
        bake_only(tmp_path)


def test_without_training_frames_there_is_nothing_to_learn(capture, tmp_path):
    with pytest.raises(LikenessError, match="held out"):
        train(replace(capture, held_out=tuple(range(len(capture)))), PRESET, tmp_path)


def test_pictures_are_resized_by_area_with_their_cameras(capture):
    whole, half = load_frames(capture, SIZE), load_frames(capture, SIZE // 2)
    assert half.size == (SIZE // 2, SIZE // 2)
    blocks = whole.mattes[0].float().view(SIZE // 2, 2, SIZE // 2, 2).mean((1, 3))
    assert (half.mattes[0].float() - blocks).abs().max() <= 0.51
    assert half.cameras[0].fx == pytest.approx(whole.cameras[0].fx / 2)
    assert load_frames(capture, 10 * SIZE).size == (SIZE, SIZE)


def test_a_missing_picture_is_named(capture):
    broken = replace(capture, frames=("gone.png", *capture.frames[1:]))
    with pytest.raises(LikenessError, match=r"gone\.png"):
        load_frames(broken, SIZE)


def test_outlines_have_the_persons_colour():
    # A red person before a white wall, half mixed in the column between.
    picture = np.full((4, 5, 3), 255, np.uint8)
    matte = np.zeros((4, 5), np.uint8)
    picture[:, :2] = [200, 0, 0]
    matte[:, :2] = 255
    picture[:, 2] = [227, 127, 127]
    matte[:, 2] = 120
    cleaned = without_background(picture, matte)
    np.testing.assert_array_equal(cleaned, np.broadcast_to(np.array([200, 0, 0], np.uint8), picture.shape))
    np.testing.assert_array_equal(without_background(picture, np.zeros_like(matte)), picture)


def test_a_face_is_inside_its_landmarks():
    corners = np.array([[2.0, 2.0], [7.9, 2.0], [7.9, 5.9], [2.0, 5.9], [np.nan, 3.0]])
    mask = face_mask(corners, 10, 10)
    assert mask[2:6, 2:8].all()
    assert mask.sum() == 24
    assert not face_mask(np.full((5, 2), np.nan), 10, 10).any()
