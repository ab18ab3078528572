"""One reading answers many questions, until it is too old or something was written."""

from __future__ import annotations

import asyncio

import pytest

from gatechat.assistant.problem import Problem
from gatechat.assistant.view.configuration import Item
from gatechat.assistant.view.live import Live
from tests.assistant.view.test_configuration import admin_api, listed


async def test_those_who_ask_at_the_same_time_share_one_reading() -> None:
    async with admin_api({}) as (api, client):
        live = Live(client)
        found = await asyncio.gather(*(live.configuration() for _ in range(5)))
    assert api.asked.count("routes") == 1
    assert all(one is found[0] for one in found)


async def test_after_a_write_it_is_read_again() -> None:
    answers = {"routes": listed(("routes/1", {"uri": "/a"}))}
    async with admin_api(answers) as (_, client):
        live = Live(client)
        first = await live.configuration(max_age=3600)
        answers["routes"] = listed(("routes/2", {"uri": "/b"}))
        assert await live.configuration(max_age=3600) is first
        live.invalidate()
        assert list((await live.configuration(max_age=3600)).all("routes")) == ["2"]


async def test_a_reading_that_a_write_overtook_is_not_used_again() -> None:
    async with admin_api({}) as (api, client):
        live = Live(client)
        reading = asyncio.create_task(live.configuration())
        while not api.asked:
            await asyncio.sleep(0)
        live.invalidate()
        await reading
        await live.configuration(max_age=3600)
    assert api.asked.count("routes") == 2


async def test_age_nought_always_reads() -> None:
    async with admin_api({}) as (api, client):
        live = Live(client)
        await live.configuration()
        await live.configuration(max_age=0)
    assert api.asked.count("routes") == 2


async def test_an_admin_api_that_is_away_is_one_problem() -> None:
    async with admin_api({kind: (500, {}) for kind in ("routes", "services")}) as (_, client):
        with pytest.raises(Problem, match="cannot be read from the Admin API: 500"):
            await Live(client).configuration()


async def test_credentials_are_read_less_often_but_at_once_after_a_write() -> None:
    answers = {
        "consumers": listed(
            ("consumers/jack", {"username": "jack"}), ("consumers/jill", {"username": "jill"})
        ),
        "consumers/jack/credentials": listed(("consumers/jack/credentials/one", {"plugins": {}})),
        "consumers/jill/credentials": (404, {"message": "Key not found"}),
    }
    async with admin_api(answers) as (api, client):
        live = Live(client)
        await live.configuration()
        again = await live.configuration(max_age=1e-9)
        assert list(again.all("credentials")) == ["jack/credentials/one"]
        assert api.asked.count("consumers") == 2
        assert api.asked.count("consumers/jack/credentials") == 1
        live.invalidate()
        await live.configuration()
        assert api.asked.count("consumers/jack/credentials") == 2
        await live.configuration(max_age=0)
        assert api.asked.count("consumers/jill/credentials") == 3


async def test_what_we_wrote_ourselves_is_known_without_a_reading() -> None:
    answers = {"routes": listed(("routes/1", {"uri": "/a"}), ("routes/2", {"uri": "/b"}))}
    async with admin_api(answers) as (api, client):
        live = Live(client)
        before = await live.configuration(max_age=3600)
        live.wrote({("routes", "1"): Item({"uri": "/c"}, 9), ("routes", "2"): None})
        after = await live.configuration(max_age=3600)
    assert {id: item.value for id, item in after.all("routes").items()} == {"1": {"uri": "/c"}}
    assert list(before.all("routes")) == ["1", "2"]
    assert api.asked.count("routes") == 1
