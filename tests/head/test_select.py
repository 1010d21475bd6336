"""A head is chosen by a word or a path, and what cannot be chosen is answered with what can."""

from __future__ import annotations

import pytest
from likeness.errors import LikenessError
from likeness.head.select import ACCEPTED, head_from
from likeness.head.standin import standin
from likeness.head.storage import save_head


def test_the_built_in_head_has_a_name():
    assert head_from("standin").name == "standin"


def test_a_saved_head_is_read_by_its_path(tmp_path):
    save_head(standin(), tmp_path / "head.safetensors")
    assert head_from(str(tmp_path / "head.safetensors")).expression_names == standin().expression_names


def test_ict_is_read_by_its_path(shared_data):
    assert head_from(str(shared_data / "ict_facekit.npz")).name == "ict"


@pytest.mark.parametrize("spec", ["", "nobody", "head.obj", "missing.pkl", "missing.npz", "missing.safetensors"])
def test_anything_else_is_told_what_is_accepted(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LikenessError) as told:
        head_from(spec)
    assert ACCEPTED in str(told.value)


@pytest.mark.parametrize("name", ["text.npz", "text.pkl", "text.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_text("this is no head")
    with pytest.raises(LikenessError, match=name):
        head_from(str(tmp_path / name))
