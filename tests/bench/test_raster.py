"""The benchmark of the kernels, on sizes that take no time."""

import pytest
from likeness.bench import raster


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch):
    sizes = {"LAYERS": 2, "FACES": 600, "SAMPLES": 600, "TILE": 16, "CHANNELS": (12,), "POINTS": 200}
    for name, value in sizes.items():
        monkeypatch.setattr(raster, name, value)


def test_every_kernel_is_timed_beside_a_plain_way():
    marks = raster.bench_raster()["marks"]
    assert all(mark["value"] > 0 and mark["unit"] == "ms" for mark in marks.values())
    ours = {name.removesuffix("_warp") for name in marks if name.endswith("_warp")}
    assert ours == {"raster_256", "raster_512", "texture_12", "hash_grid"}
    for kernel in ours:
        others = {name for name in marks if name.startswith(f"{kernel}_") and "warp" not in name}
        assert others, kernel


def test_ways_that_disagree_are_not_compared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        raster, "_by_gather", lambda textures, layer, uv: raster._by_embedding_bag(textures, layer, uv) + 1
    )
    with pytest.raises(RuntimeError, match="gather differ"):
        raster.bench_raster()
