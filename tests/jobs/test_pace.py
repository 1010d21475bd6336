"""Time that counts, and how often something beside the work takes place."""

import math
import time

import pytest
from likeness.jobs import pace
from likeness.jobs.pace import Cadence, Clock, part_done


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless somebody moves it."""

    class Time:
        now = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: Time.now)
    return Time


def test_whichever_ends_first_decides():
    assert part_done(10, 100, elapsed=30.0, seconds=60.0) == 0.5
    assert part_done(80, 100, elapsed=30.0, seconds=60.0) == 0.8


def test_without_a_time_only_steps_count():
    assert part_done(10, 100, elapsed=1e9, seconds=math.inf) == 0.1
    assert part_done(10, 100, elapsed=0.0, seconds=0.0) == 1.0


def test_pauses_do_not_count_and_earlier_sessions_do(clock):
    watch = Clock()
    clock.now += 5
    with watch.held():
        clock.now += 100
    clock.now += 2
    assert watch.elapsed == pytest.approx(7)
    watch.set(40)
    clock.now += 1
    assert watch.elapsed == pytest.approx(41)


def test_what_takes_long_takes_place_less_often(clock):
    cadence = Cadence(10.0, first=3.0)
    assert not cadence.due()
    clock.now += 3
    assert cadence.due()
    with cadence.taking_place():
        clock.now += 1
    # One second is two per cent of fifty.
    clock.now += 1 / pace.SHARE - 0.5
    assert not cadence.due()
    clock.now += 1
    assert cadence.due()
    with cadence.taking_place():
        clock.now += 0.01
    clock.now += 10
    assert cadence.due()
    assert cadence.taken == pytest.approx(1.01)


def test_no_interval_is_always():
    cadence = Cadence(0.0)
    with cadence.taking_place():
        time.sleep(0.01)
    assert cadence.due()


def test_no_steps_are_done_before_the_first():
    assert part_done(0, 0, 0.0, float("inf")) == 1.0
