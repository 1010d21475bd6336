"""The validator tells what a file holds, and notices what no rule forbids but nobody wants."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from avatars import encode_png, tiny_avatar
from likeness.asset import validate, write_layered_avatar
from likeness.asset.validation import find_warnings, summary
from likeness.errors import LikenessError


def change_layer(avatar, index, **changes):
    layers = list(avatar.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(avatar, layers=tuple(layers))


def test_the_facts_are_those_of_the_file(tmp_path):
    avatar, path = tiny_avatar(), tmp_path / "avatar.glb"
    write_layered_avatar(avatar, path)
    facts = validate(path)
    assert facts["bytes"] == path.stat().st_size == sum(facts["bytes_by_part"].values())
    assert [layer["triangles"] for layer in facts["layers"]] == [len(layer.faces) for layer in avatar.layers]
    assert facts["textures"] == {"bases": 4, "features": 8, "tile_size": 48, "gutter": 4, "atlas": [112, 112]}
    assert facts["correctives"] == ["corrective_neck_02", "corrective_jaw_12", "corrective_jaw_21"]
    assert facts["warnings"] == []
    assert json.loads(json.dumps(facts)) == facts


def test_the_summary_is_for_people(tmp_path):
    path = tmp_path / "avatar.glb"
    write_layered_avatar(tiny_avatar(), path)
    text = summary(validate(path))
    assert "a sound layered avatar" in text and "layer 2 at +0.0 mm: 473 vertices (410 welded), 816 triangles" in text
    assert "no warnings" in text


def test_a_broken_file_is_an_error_not_a_warning(tmp_path):
    path = tmp_path / "avatar.glb"
    path.write_bytes(b"glTF")
    with pytest.raises(LikenessError):
        validate(path)


def empty(side: int) -> bytes:
    return encode_png(np.zeros((side, side, 4), np.uint8))


AVATAR = tiny_avatar()
OUTER = AVATAR.layers[2]
SUSPECT = {
    "levels": (change_layer(AVATAR, 0, level=0.5), "the layers' levels do not rise"),
    "order": (replace(AVATAR, layers=AVATAR.layers[::-1]), "layer 1 is smaller than layer 0"),
    "winding": (change_layer(AVATAR, 2, faces=OUTER.faces[:, ::-1].copy()), "layer 2 is inside out"),
    "unused": (
        change_layer(AVATAR, 2, faces=OUTER.faces[(OUTER.faces != 0).all(1)]),
        "layer 2 has 1 vertices that no triangle uses",
    ),
    "flat": (
        change_layer(AVATAR, 2, faces=np.concatenate([OUTER.faces, [np.flatnonzero(OUTER.weld == 0)[:3]]])),
        "layer 2 has 1 triangles without area",
    ),
    "torn": (
        change_layer(AVATAR, 2, expression_targets=np.where(np.arange(473)[:, None] == 0, 1, OUTER.expression_targets)),
        "layer 2 tears at texture seams: its expression_targets",
    ),
    "invisible": (change_layer(AVATAR, 1, bases=empty(112)), "layer 1 is wholly transparent"),
    "equal": (change_layer(AVATAR, 1, bases=empty(112)), "layer 1 has 4 equal basis textures"),
    "no preview": (change_layer(AVATAR, 1, preview=empty(48)), "layer 1 has a wholly transparent preview"),
    "still": (
        replace(
            AVATAR,
            layers=tuple(
                replace(layer, expression_targets=layer.expression_targets * [[[0]], [[1]], [[1]]])
                for layer in AVATAR.layers
            ),
        ),
        "the expression smile moves nothing",
    ),
    "consent": (replace(AVATAR, report={"metrics": {"psnr": 1}, "provenance": {"a": 1}}), "the report has no consent"),
}


@pytest.mark.parametrize("name", SUSPECT)
def test_a_suspect_avatar_gives_a_warning(name):
    avatar, message = SUSPECT[name]
    assert any(warning.startswith(message) for warning in find_warnings(avatar))


def test_a_sound_avatar_gives_none():
    assert list(find_warnings(AVATAR)) == []
