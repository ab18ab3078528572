"""What lies between two pages that the gateway makes when it likes."""

from __future__ import annotations

import pytest

from gatechat.assistant.problem import Problem
from gatechat.assistant.view.window import PATIENCE, Window, at_once, between_refreshes


class Gateway:
    """Makes its page every ``interval`` seconds of a clock that only sleeping moves; 0: whenever asked."""

    def __init__(self, interval: float, age: float = 0.0) -> None:
        self.interval = interval
        self.now = self.begun = age
        self.asked = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def read(self) -> bytes:
        self.asked += 1
        return str(int(self.now // self.interval) if self.interval else self.asked).encode()

    @property
    def passed(self) -> float:
        return self.now - self.begun


async def test_a_page_made_when_it_is_asked_for_is_read_twice() -> None:
    gateway = Gateway(0)
    assert await at_once(gateway.read, 10, gateway.clock, gateway.sleep) == Window(b"1", b"2", 10)


@pytest.mark.parametrize(
    ("interval", "age", "seconds", "window", "passed"),
    [
        pytest.param(15, 0, 10, Window(b"1", b"2", 15), 30, id="both refreshes are waited for"),
        pytest.param(15, 14, 10, Window(b"1", b"2", 15), 16, id="also when the first comes soon"),
        pytest.param(5, 1, 20, Window(b"1", b"4", 15), 20, id="all that appear within the time count"),
        pytest.param(0, 0, 10, Window(b"2", b"11", 9), 10, id="of an old APISIX each page is new"),
    ],
)
async def test_of_a_page_made_now_and_then_the_time_between_two_counts(
    interval: float, age: float, seconds: float, window: Window, passed: float
) -> None:
    gateway = Gateway(interval, age)
    assert await between_refreshes(gateway.read, seconds, gateway.clock, gateway.sleep) == window
    assert gateway.passed == passed


@pytest.mark.parametrize(("interval", "times"), [(30, "once"), (3600, "not once")])
async def test_a_page_that_is_not_made_anew_tells_of_no_window(interval: float, times: str) -> None:
    gateway = Gateway(interval)
    with pytest.raises(Problem, match=f"anew {times} in .*refresh_interval"):
        await between_refreshes(gateway.read, 5, gateway.clock, gateway.sleep)
    assert gateway.passed == PATIENCE
