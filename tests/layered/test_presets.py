"""Every number of a preset can be changed, and nothing else."""

from __future__ import annotations

import pytest
from likeness.errors import LikenessError
from likeness.layered import perceptual
from likeness.layered.geometry_preset import SHELL_CURVE
from likeness.layered.preset_limits import check_pictures
from likeness.layered.presets import FULL, PRESETS, PREVIEW, preset_named, with_overrides


def test_numbers_change_by_name():
    changed = with_overrides(PREVIEW, ["tile_size=128", "fine_tuning.pixels=100", "seconds=30"])
    assert (changed.tile_size, changed.fine_tuning.pixels, changed.seconds) == (128, 100, 30.0)
    assert changed.geometry == PREVIEW.geometry
    assert PREVIEW.tile_size != 128


def test_tuples_change_as_a_whole():
    changed = with_overrides(PREVIEW, ["geometry.shell_levels=(0.001, 0.002)"])
    assert changed.geometry.shell_levels == (0.001, 0.002)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("tile_size", "NAME=VALUE"),
        ("tiles=3", "tiles"),
        ("tile_size=large", "tile_size"),
        ("tile_size=2.5", "tile_size"),
        ("fine_tuning=3", r"fine_tuning\.steps"),
        ("name=best", "no 'name'"),
        ("tile_sise=3", "did you mean 'tile_size'"),
        ("geometry.stage_one.step=3", "did you mean 'steps'"),
        ("geometry.stage_one=3", r"geometry\.stage_one\.steps"),
        ("layers=many", "layers"),
        ("layers=0", "1 to 64"),
        ("layers=65", "1 to 64"),
        ("fine_tuning.speed=3", "speed"),
        ("tile_size.x=3", "tile_size"),
        ("geometry.shell_levels=3", "shell_levels"),
        ("tile_size=__import__('os').getpid()", "tile_size"),
    ],
)
def test_other_changes_are_refused_in_words(change, words):
    with pytest.raises(LikenessError, match=words):
        with_overrides(PREVIEW, [change])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["feature_size=6"], "multiple of 4"),
        (["feature_size=0"], "feature_size"),
        (["basis_count=0"], "basis_count"),
        (["basis_count=65"], "1 to 64"),
        (["tile_size=1024", "basis_count=64"], "smaller tiles"),
        (["tile_size=8"], "at least 16"),
        (["picture_size=3"], "picture_size"),
        (["hidden_size=0"], "hidden_size"),
        (["geometry.shell_levels=()"], "shell_levels"),
        (["geometry.shell_levels=(0.002, 0.001)"], "ascending"),
        (["geometry.core_level=0.001"], "core_level"),
        (["geometry.initial_alpha=(0.9,)"], "initial_alpha"),
        (["geometry.cell=0"], r"geometry\.cell"),
        (["geometry.shell_faces=3"], "shell_faces"),
        (["fine_tuning.texture_rate=-1"], r"fine_tuning\.texture_rate"),
        (["stage_one_share=2"], "share"),
        (["fine_tuning.perceptual_loss=vgg"], "pyramid, structure, lpips"),
        (["fine_tuning.perceptual_weight=1", "fine_tuning.perceptual_side=4"], "at least 8"),
        (["fine_tuning.turned_interval=0"], "turned_interval is 0; 1 or more"),
        (["fine_tuning.turned_start=2"], "turned_start is 2.*share"),
        (["fine_tuning.turned_yaw=120"], "turned_yaw is 120.*0 to 90 degrees"),
        (["seconds=1e999"], "seconds is inf; it must be finite"),
        (["geometry.core_level=1e999"], "core_level is inf; it must be finite"),
        (["geometry.core_level=-1e999"], "core_level is -inf; it must be finite"),
        (["geometry.core_level=-3.5"], r"core_level is -3\.5; -0\.05 to 0 metres"),
        (["geometry.shell_levels=(1, 2.5)"], r"shell_levels is \(1\.0, 2\.5\); these are metres"),
        (["geometry.stage_one.field=foam"], "field is 'foam'; choose one of grid, mlp"),
        (["geometry.stage_one.network.manifold_width=0"], "manifold_width is 0; 1 or more"),
        (["geometry.stage_one.network.manifold_depth=0"], "manifold_depth is 0; 1 or more"),
        (["geometry.stage_one.network.radiance_width=0"], "radiance_width is 0; 1 or more"),
        (["geometry.stage_one.network.radiance_depth=0"], "radiance_depth is 0; 1 or more"),
        (["geometry.stage_one.network.deformer_width=0"], "deformer_width is 0; 1 or more"),
        (["picture_size=16", "fine_tuning.perceptual_weight=1", "fine_tuning.perceptual_loss=structure"], "needs at l"),
        ([f"tile_size={10**400}"], "tile_size has too many digits"),
        ([f"seconds={10**400}"], "seconds has too many digits"),
        ([f"geometry.shell_levels=(0.001, {10**400})"], "shell_levels has too many digits"),
        ([f"layers={10**400}"], "layers has too many digits"),
    ],
)
def test_what_nothing_can_be_learnt_with_is_refused_before_the_work(changes, words):
    with pytest.raises(LikenessError, match=words):
        with_overrides(PREVIEW, changes)


def test_missing_weights_of_a_loss_are_told_before_the_work(monkeypatch):
    monkeypatch.setattr(perceptual, "load_lpips", lambda: None)
    changes = ["fine_tuning.perceptual_loss=lpips", "fine_tuning.perceptual_side=64"]
    with pytest.raises(LikenessError, match="lpips needs weights at"):
        with_overrides(PREVIEW, [*changes, "fine_tuning.perceptual_weight=1"])
    # Whoever does not use it needs none.
    assert with_overrides(PREVIEW, changes).fine_tuning.perceptual_loss == "lpips"


def test_pictures_must_hold_a_patch_of_the_loss_that_is_used():
    preset = with_overrides(PREVIEW, ["fine_tuning.perceptual_weight=1", "fine_tuning.perceptual_loss=structure"])
    check_pictures(preset, (256, 22))
    check_pictures(PREVIEW, (256, 21))
    with pytest.raises(LikenessError, match=r"256x21 pixels with picture_size=256, but .* needs 22 a side"):
        check_pictures(preset, (256, 21))


@pytest.mark.parametrize("count", [*range(1, 13), 64])
def test_any_number_of_layers_is_one_number(count):
    geometry = with_overrides(PREVIEW, [f"layers={count}"]).geometry
    assert len(geometry.levels) == len(geometry.opacities) == count
    assert list(geometry.levels) == sorted(set(geometry.levels))
    # Whatever is left out, something solid is left.
    assert max(geometry.opacities) >= 0.95


def test_eight_layers_are_the_presets_own():
    assert PREVIEW.geometry.with_layers(8) == PREVIEW.geometry
    assert PREVIEW.geometry.with_layers(5).shell_levels == SHELL_CURVE[::2]


def test_opacities_follow_the_layers():
    assert PREVIEW.geometry.opacities == (0.98, 0.95, 0.1, 0.08, 0.05, 0.05, 0.05, 0.05)
    alone = PREVIEW.geometry.with_layers(1)
    assert (alone.levels, alone.opacities) == ((0.001,), (0.95,))


def test_triangles_are_scaled_together():
    halved = PREVIEW.geometry.with_faces(0.5)
    assert (halved.core_faces, halved.head_faces, halved.shell_faces) == (2000, 4000, 3000)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_possible(name):
    assert with_overrides(preset_named(name), []) is PRESETS[name]


def test_full_has_the_papers_sizes():
    assert (len(FULL.geometry.levels), FULL.basis_count, FULL.feature_size, FULL.tile_size) == (8, 16, 8, 1024)
    assert FULL.picture_size == 512
    assert {FULL.geometry.core_faces, FULL.geometry.head_faces, FULL.geometry.shell_faces} == {10000}


def test_presets_have_names():
    assert preset_named("preview") is PREVIEW
    with pytest.raises(LikenessError, match="preview"):
        preset_named("fast")
