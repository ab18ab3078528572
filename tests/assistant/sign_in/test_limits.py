"""Token buckets: so many at once, then one each part of a minute; each name has its own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gatechat.assistant.sign_in import limits
from gatechat.assistant.sign_in.limits import Limiter


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_each_time_a_part_of_the_minute_has_passed() -> None:
    clock = Clock()
    limiter = Limiter(6, clock)
    assert [limiter.take("a") for _ in range(6)] == [0.0] * 6
    assert limiter.take("a") == pytest.approx(10)
    clock.now += 4
    assert limiter.wait("a") == pytest.approx(6)
    clock.now += 6
    assert [limiter.take("a") for _ in range(2)] == [0.0, pytest.approx(10)]


def test_a_refused_try_costs_nothing() -> None:
    clock = Clock()
    limiter = Limiter(1, clock)
    assert limiter.take("a") == 0.0
    for _ in range(100):
        clock.now += 0.5
        assert limiter.take("a") > 0
    clock.now += 10
    assert limiter.take("a") == 0.0


def test_after_a_long_rest_there_are_no_more_than_a_minutes() -> None:
    clock = Clock()
    limiter = Limiter(3, clock)
    limiter.take("a")
    clock.now += 86_400
    assert [limiter.take("a") == 0.0 for _ in range(4)] == [True, True, True, False]


def test_one_name_does_not_wait_for_another() -> None:
    limiter = Limiter(1, Clock())
    assert limiter.take("a") == 0.0
    assert limiter.take("a") > 0
    assert limiter.take("b") == 0.0


def test_memory_is_bounded_and_who_goes_on_asking_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_NAMES", 3)
    limiter = Limiter(10, Clock())
    for _ in range(10):
        limiter.take("busy")
    for name in "abcdefgh":
        limiter.take(name)
        assert limiter.take("busy") > 0
    assert len(limiter._buckets) <= 3
