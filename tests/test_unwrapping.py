"""An atlas rests before it goes: xatlas hangs now and then when one goes right after its use."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from itertools import count

import pytest
from likeness import unwrapping


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(unwrapping.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def gone(monkeypatch):
    """Numbers of the atlases that have gone, in the order of their going."""
    numbers, numbers_gone = count(), []

    class Watched:
        def __init__(self):
            self.number = next(numbers)

        def __del__(self):
            numbers_gone.append(self.number)

    monkeypatch.setattr(unwrapping.xatlas, "Atlas", Watched)
    monkeypatch.setattr(unwrapping, "_resting", deque())
    return numbers_gone


def use_one():
    with unwrapping.new_atlas():
        pass


def test_an_atlas_goes_only_after_a_rest(clock, gone):
    use_one()
    clock[0] = 0.5 * unwrapping.REST
    use_one()
    assert gone == []
    clock[0] = 1.2 * unwrapping.REST
    use_one()
    assert gone == [0]


def test_it_rests_after_a_mistake_too(clock, gone):
    with pytest.raises(ValueError), unwrapping.new_atlas():
        raise ValueError
    assert gone == []


def test_the_end_of_a_program_waits_for_the_last_one():
    # What is registered first is called last.
    code = """
import atexit, time
atexit.register(lambda: print(time.monotonic()))
from likeness.unwrapping import new_atlas
with new_atlas():
    pass
print(time.monotonic())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    used, ended = map(float, ran.stdout.split())
    assert ended - used > 0.9 * unwrapping.REST
