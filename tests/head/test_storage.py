"""A head model survives the disk, and a file that could not be shown or posed is refused by the name of its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from likeness.errors import LikenessError
from likeness.head.model import HeadModel
from likeness.head.standin import standin
from likeness.head.storage import LARGEST, REGIONS, check_head, load_head, save_head
from likeness.rig import CORRECTIVE_COUNT
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


@pytest.fixture
def written(tmp_path: Path) -> Path:
    save_head(standin(), tmp_path / "head.safetensors")
    return tmp_path / "head.safetensors"


def edit(path: Path, changes: Mapping[str, np.ndarray | None], told: Mapping[str, str] | None = None) -> None:
    """Replace tensors, or leave out those that are None, and texts of the metadata."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = {**load_file(path), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, path, {**metadata, **(told or {})})


def refusal(path: Path) -> str:
    with pytest.raises(LikenessError) as caught:
        load_head(path)
    message = str(caught.value)
    assert "\n" not in message and path.name in message and "import the head again" in message
    return message


def test_what_is_written_is_read_back(written: Path):
    before, after = standin(), load_head(written)
    for name in ("template", "faces", "skin_weights", "pose_correctives", "landmark_triangles", "expression_range"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    assert after.expression_names == before.expression_names and set(after.regions) == set(before.regions)


@pytest.mark.parametrize(
    "told",
    ["5", '"jawOpen"', "null", "{}", "[1]", "[[]]", "[" * 100_000, "[", '["one", "one"]', '["\\ud800"]', '["a\\nb"]'],
)
def test_expressions_must_be_a_list_of_names(written: Path, told: str):
    edit(written, {}, {"expression_names": told})
    refusal(written)


@pytest.mark.parametrize("told", ["nan", "inf", "-inf", "0", "-0.01", "10", "near", ""])
def test_the_iris_must_have_a_distance(written: Path, told: str):
    edit(written, {}, {"iris_distance": told})
    refusal(written)


@pytest.mark.parametrize("name", ["faces", "faces_uv", "landmark_triangles", "pose_corrective_entries"])
@pytest.mark.parametrize("code", [np.float32, np.float16, np.uint8])
def test_what_points_at_something_must_be_whole_numbers(written: Path, name: str, code: type):
    edit(written, {name: np.clip(load_file(written)[name], 0, 30).astype(code)})
    assert f"{name} is {np.dtype(code)}" in refusal(written)


@pytest.mark.parametrize("name", ["template", "skin_weights", "identity_basis", "uv", "expression_range"])
def test_what_measures_something_must_be_real_numbers(written: Path, name: str):
    edit(written, {name: np.zeros_like(load_file(written)[name], np.int32)})
    assert f"{name} is int32" in refusal(written)


@pytest.mark.parametrize(
    "name",
    [
        "template",
        "faces",
        "faces_uv",
        "uv",
        "identity_basis",
        "expression_basis",
        "pose_correctives",
        "pose_corrective_entries",
        "skin_weights",
        "landmark_barycentrics",
        "region.face",
    ],
)
def test_a_missing_or_misshapen_array_is_named(written: Path, name: str):
    good = load_file(written)[name]
    for bad in (None, good[..., None], good.reshape(-1)[0:1].reshape(())):
        edit(written, {name: bad})
        assert name.removeprefix("region.") in refusal(written)


@pytest.mark.parametrize("name", ["template", "faces", "uv", "pose_corrective_entries"])
def test_an_array_of_nothing_is_refused(written: Path, name: str):
    edit(written, {name: load_file(written)[name][:0]})
    refusal(written)


@pytest.mark.parametrize("name", ["template", "expression_basis", "pose_correctives", "joint_regressor", "uv"])
def test_nothing_lies_ten_metres_away(written: Path, name: str):
    good = load_file(written)[name].astype(np.float32)
    for far in (LARGEST, -1e38, np.inf, np.nan):
        bad = good.copy()
        bad.flat[5] = far
        edit(written, {name: bad})
        assert name in refusal(written)


@pytest.mark.parametrize("name", REGIONS)
def test_every_promised_region_must_be_there(written: Path, name: str):
    edit(written, {f"region.{name}": None})
    assert f"region {name!r} is missing" in refusal(written)


@pytest.mark.parametrize("name", REGIONS)
def test_only_skin_and_face_must_not_be_empty(written: Path, name: str):
    edit(written, {f"region.{name}": np.zeros(len(standin().faces), np.uint8)})
    if name in ("skin", "face"):
        assert f"region {name!r} is empty" in refusal(written)
    else:
        assert not load_head(written).regions[name].any()


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 1), (2, -1), (0.5, 0.498)])
def test_weights_must_be_shares(written: Path, first: float, second: float):
    weights = np.zeros_like(standin().skin_weights)
    weights[:, :2] = first, second
    edit(written, {"skin_weights": weights})
    assert "skin_weights are not shares" in refusal(written)


@pytest.mark.parametrize(
    "ends", [(np.nan, 1), (0, np.nan), (1, 0), (np.inf, np.inf), (-np.inf, -np.inf), (np.inf, -np.inf)]
)
def test_a_range_goes_from_low_to_high(written: Path, ends: tuple[float, float]):
    ranges = standin().expression_range.copy()
    ranges[3] = ends
    edit(written, {"expression_range": ranges})
    assert "expression_range" in refusal(written)


def test_principal_components_may_have_no_ends(written: Path):
    ranges = np.tile(np.array([-np.inf, np.inf], np.float32), (standin().expression_count, 1))
    edit(written, {"expression_range": ranges})
    np.testing.assert_array_equal(load_head(written).expression_range, ranges)


def test_a_corrective_must_fit_the_head(written: Path):
    good = load_file(written)
    for bad in (good["pose_correctives"][:1], good["pose_correctives"][:, :1]):
        edit(written, {"pose_correctives": np.ascontiguousarray(bad)})
        assert "pose_correctives has the shape" in refusal(written)
    entries = np.array([0, CORRECTIVE_COUNT], np.int32)
    edit(written, {"pose_correctives": good["pose_correctives"], "pose_corrective_entries": entries})
    assert "pose_corrective_entries lie outside" in refusal(written)


def test_every_head_that_is_made_here_is_accepted(ict_head: HeadModel, flame_head: HeadModel, tmp_path: Path):
    for head in (standin(), ict_head, flame_head):
        check_head(head, head.name)
        save_head(head, tmp_path / "head.safetensors")
        assert load_head(tmp_path / "head.safetensors").name == head.name


def test_a_region_of_another_mesh_is_refused():
    short = {**standin().regions, "face": standin().regions["face"][1:]}
    with pytest.raises(LikenessError, match="region 'face' has the shape"):
        check_head(replace(standin(), regions=short), "head")
