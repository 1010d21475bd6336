"""Every number of a preset can be changed, and nothing else."""

from __future__ import annotations

import pytest
from likeness.errors import LikenessError
from likeness.layered.presets import PREVIEW, preset_named, with_overrides


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
        ("fine_tuning=3", "fine_tuning"),
        ("fine_tuning.speed=3", "speed"),
        ("tile_size.x=3", "tile_size"),
        ("geometry.shell_levels=3", "shell_levels"),
        ("tile_size=__import__('os').getpid()", "tile_size"),
    ],
)
def test_other_changes_are_refused_in_words(change, words):
    with pytest.raises(LikenessError, match=words):
        with_overrides(PREVIEW, [change])


def test_presets_have_names():
    assert preset_named("preview") is PREVIEW
    with pytest.raises(LikenessError, match="preview"):
        preset_named("fast")
