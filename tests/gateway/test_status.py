from __future__ import annotations

import asyncio

from gatechat.gateway.status import Acknowledged, Rejected, Status, Unanswered


async def test_an_outcome_is_waited_for() -> None:
    status = Status()
    waiting = asyncio.create_task(status.outcome(3, timeout=10))
    await status.report(2, Acknowledged())
    assert not waiting.done()
    await status.report(3, Rejected("type", "why"))

    assert await waiting == Rejected("type", "why")
    assert status.latest == (3, Rejected("type", "why"))


async def test_a_newer_answer_stands_for_the_versions_it_replaced() -> None:
    status = Status()
    await status.report(5, Acknowledged())

    assert await status.outcome(4, timeout=0) == Acknowledged()


async def test_an_envoy_that_dies_when_nothing_is_unanswered_says_nothing_of_it() -> None:
    status = Status()
    status.published(1)
    await status.report(1, Acknowledged())
    for _ in range(5):
        await status.envoy_died()
    assert status.latest == (1, Acknowledged())


async def test_an_envoy_that_dies_once_gets_another_chance() -> None:
    status = Status()
    status.published(1)
    await status.envoy_died()
    assert await status.outcome(1, timeout=0.001) == Unanswered()
    await status.envoy_died()
    assert isinstance(await status.outcome(1, timeout=0.001), Rejected)


async def test_an_answer_to_an_older_version_is_no_news() -> None:
    status = Status()
    await status.report(2, Acknowledged())
    await status.report(1, Rejected("type", "late"))
    assert status.latest == (2, Acknowledged())


async def test_no_answer_in_time_is_an_outcome_too() -> None:
    assert await Status().outcome(1, timeout=0.001) == Unanswered()
