"""Servers that start, answer and end with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gatechat.demo import create_app
from gatechat.ports import Port, bind
from gatechat.serving import serving
from tests.assistant.rig import raw

ANY = Port("demo", "127.0.0.1", 0, "--demo-port")


async def test_it_answers_from_the_beginning_and_no_longer_at_the_end() -> None:
    async with httpx2.AsyncClient() as client:
        async with serving(create_app(), bind(ANY)) as url:
            assert (await client.get(f"{url}/speaker/1")).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{url}/speaker/1")


async def test_an_app_that_cannot_start_is_not_taken_for_one_that_runs() -> None:
    @asynccontextmanager
    async def broken(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    with pytest.raises(RuntimeError, match="could not start"):
        async with serving(Starlette(lifespan=broken), bind(ANY)):
            raise AssertionError("it runs")


async def test_an_app_is_told_who_connects_and_a_whole_url_as_it_came() -> None:
    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            told = [scope["client"][0], scope["raw_path"].decode()]
            await JSONResponse(told)(scope, receive, send)

    with bind(ANY) as bound:
        async with serving(tell, bound):
            request = b"GET http://other.test/x HTTP/1.1\nHost: localhost\nX-Forwarded-For: 192.0.2.1\n\n"
            answer = await raw(bound.getsockname()[1], request)
    assert answer.body == b'["127.0.0.1","http://other.test/x"]'
