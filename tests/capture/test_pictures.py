"""A picture is looked at by its header, and a path that holds none is told in one sentence, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from likeness.capture.pictures import check_picture
from likeness.errors import LikenessError


@pytest.mark.parametrize("kind", ["nothing", "a folder", "a pipe", "a link to itself", "a name too long", "no text"])
def test_what_is_no_picture_is_refused(tmp_path: Path, kind: str):
    place = tmp_path / {"a name too long": "\u00e9" * 200 + ".png", "no text": "\ud800.png"}.get(kind, "a.png")
    match kind:
        case "a folder":
            place.mkdir()
        case "a pipe":
            os.mkfifo(place)
        case "a link to itself":
            place.symlink_to(place.name)
    with pytest.raises(LikenessError) as told:
        check_picture(place, "RGB", (24, 16))
    assert "\n" not in str(told.value) and str(place) in str(told.value)
