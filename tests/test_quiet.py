"""What native code says on the standard error stream is dropped for a while, and only then."""

from __future__ import annotations

import os
import sys

import pytest
from likeness.quiet import silenced


def test_only_the_block_is_silent(capfd):
    os.write(2, b"before\n")
    with silenced():
        os.write(2, b"native chatter\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_the_stream_comes_back_after_an_error(capfd):
    with pytest.raises(ValueError), silenced():
        raise ValueError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_a_process_without_the_stream_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with silenced():
        pass


def test_without_the_stream_its_number_belongs_to_whatever_file_has_it(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", None)
    with silenced():
        os.write(2, b"somebody's file\n")
    assert capfd.readouterr().err == "somebody's file\n"
