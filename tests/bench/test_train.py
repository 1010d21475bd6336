"""The comparison of the fast path with the reference search, on a ball that takes no time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from balls import GEOMETRY, PRESET, RADIUS, ball_capture
from likeness.bench import train
from likeness.layered.geometry_preset import NetworkFieldPreset, StageOnePreset
from likeness.layered.hull_field import carved_field
from likeness.layered.presets import Preset
from likeness.layered.reference_search import SearchSettings
from likeness.layered.surface_hits import mesh_surface

SMALL_NETWORKS = NetworkFieldPreset(
    manifold_width=32, manifold_depth=3, radiance_width=32, radiance_depth=2, deformer_width=32, fit_steps=60
)


def preset(field: str) -> Preset:
    stage_one = StageOnePreset(cell=0.012, pixels=150, field=field, refinement_steps=3, network=SMALL_NETWORKS)
    geometry = replace(GEOMETRY, outline_steps=0, stage_one=stage_one)
    return replace(PRESET, geometry=geometry)


@pytest.fixture(autouse=True)
def ball(monkeypatch: pytest.MonkeyPatch):
    capture, frames = ball_capture(turns=4, size=64)
    monkeypatch.setattr(train, "load_frames", lambda *_: frames)
    monkeypatch.setattr(train, "THOROUGH", SearchSettings(samples=96, secant_steps=10))
    before = torch.get_num_threads()
    yield capture
    torch.set_num_threads(before)


@pytest.mark.parametrize("field", ["grid", "mlp"])
def test_both_ways_learn_and_find_the_same_places(ball, field, counted_clock):
    counted_clock(0.1)
    result = train.bench_train(ball, preset(field), seconds=0.5, rays=60, frames=2)
    marks = {name: mark["value"] for name, mark in result["marks"].items()}
    assert marks["speedup"] == pytest.approx(marks["fast_rays_per_s"] / marks["reference_rays_per_s"])
    assert marks["fast_steps"] >= marks["reference_steps"] > 1
    # A ball has no folds; what is left are rays that graze it between the corners of triangles a centimetre wide.
    assert marks["hits_agree_percent"] > 97
    assert marks["reference_agree_percent"] > 97
    assert marks["hits_median_mm"] < 0.001
    assert marks["hits_compared"] > 2 * 60
    assert len(result["table"]) == 2
    for row in result["table"]:
        assert 3 < row["all"] < 40 and 3 < row["held_out"] < 40
    # Both ways show the same ball, after a few steps.
    assert abs(marks["fast_psnr_equal_time"] - marks["reference_psnr_equal_time"]) < 3


def test_hits_that_are_off_do_not_agree(ball, monkeypatch):
    def shifted(state, view, settings):
        surface = mesh_surface(state, view, settings)
        return replace(surface, hits=replace(surface.hits, uv=surface.hits.uv + 0.002))

    monkeypatch.setattr(train, "mesh_surface", shifted)
    marks = train.bench_train(ball, preset("grid"), seconds=0.1, rays=40, frames=1)["marks"]
    assert marks["hits_agree_percent"]["value"] < 5
    assert marks["hits_median_mm"]["value"] > 1


def test_the_heads_size_is_from_chin_to_crown(ball):
    _, frames = ball_capture(turns=4, size=64)
    start = train.initial(carved_field(frames, ball, preset("grid").geometry), frames, preset("grid"))
    # The ball is a head without a neck; half open, its lower end is 1 cm lower.
    assert train.head_size(start) == pytest.approx(2 * RADIUS + 0.01, abs=1e-4)
