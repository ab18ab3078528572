"""Servers that start, answer and end with each other."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette

from gatechat.cli.ports import Port, bind
from gatechat.cli.serving import HttpServer, forever, until_signal, url_of
from gatechat.demo import create_app

ANY = Port("demo", "127.0.0.1", 0, "--demo-port")


async def test_it_answers_when_start_returns_and_no_longer_when_stop_does() -> None:
    server = HttpServer(create_app(), bind(ANY))
    await server.start()
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"{server.url}/speaker/1")).status_code == 200
        await server.stop()
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{server.url}/speaker/1")


@pytest.mark.parametrize(
    ("host", "seen"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_its_address_is_one_that_can_be_called(host: str, seen: str) -> None:
    with bind(Port("demo", host, 0, "--demo-port")) as bound:
        assert url_of(bound) == f"http://{seen}:{bound.getsockname()[1]}"


async def test_an_app_that_cannot_start_is_not_taken_for_one_that_runs() -> None:
    @asynccontextmanager
    async def broken(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    server = HttpServer(Starlette(lifespan=broken), bind(ANY))
    with pytest.raises(RuntimeError, match="could not start"):
        await server.start()


async def test_stopping_what_never_started_is_nothing() -> None:
    with bind(ANY) as bound:
        await HttpServer(create_app(), bound).stop()


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
