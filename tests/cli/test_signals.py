"""A signal stops what runs, which cleans up first."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from gatechat.cli.signals import forever, until_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_work_which_cleans_up_first(number: signal.Signals) -> None:
    ended = []

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
            await forever()
        finally:
            ended.append(number)

    async with asyncio.timeout(5):
        await until_signal(work())
    assert ended == [number]


async def test_after_the_first_signal_the_second_means_what_it_always_does() -> None:
    async def work() -> None:
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            await forever()
        finally:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    async with asyncio.timeout(5):
        await until_signal(work())


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await until_signal(work())


async def test_a_cancellation_that_no_signal_asked_for_is_passed_on() -> None:
    task = asyncio.create_task(until_signal(forever()))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
