"""One reading answers many questions, until it is too old or something was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.configuration import Item
from gatechat.assistant.view.live import Live, Revision
from tests.assistant.view.test_configuration import admin_api, listed
from tests.conftest import ADMIN_KEY, GatewayUnderTest


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


# The embedded gateway counts its writes ---------------------------------------------------------------------


class Counting(AdminClient):
    """Remembers which lists of routes were asked for."""

    lists = 0

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        self.lists += target == b"/apisix/admin/routes"
        return await super().send(method, target, headers, body)


@pytest.fixture
async def counted(gateway: GatewayUnderTest) -> AsyncIterator[tuple[Counting, Live]]:
    admin = Counting(gateway.gateway.admin_url, ADMIN_KEY, 5)
    put(gateway, "1", "/a")
    yield admin, Live(admin)
    await admin.close()


def put(gateway: GatewayUnderTest, id: str, uri: str) -> tuple[dict[tuple[str, str], Item], Revision]:
    """What was written, and the revision that it was answered with."""
    value = {"uri": uri, "upstream": {"nodes": gateway.nodes()}}
    answer = gateway.put(f"routes/{id}", value)
    start, _, number = answer.headers["x-gatechat-revision"].rpartition(".")
    return {("routes", id): Item(value, int(number))}, Revision(start, int(number))


async def test_what_did_not_change_is_not_read_again(counted: tuple[Counting, Live]) -> None:
    admin, live = counted
    first = await live.configuration(max_age=0)
    assert await live.configuration(max_age=0) is first
    assert admin.lists == 1


async def test_what_others_wrote_is_read(counted: tuple[Counting, Live], gateway: GatewayUnderTest) -> None:
    _, live = counted
    await live.configuration(max_age=0)
    put(gateway, "1", "/b")
    assert (await live.configuration(max_age=0)).all("routes")["1"].value["uri"] == "/b"
    gateway.admin.delete("/apisix/admin/routes/1")
    assert not (await live.configuration(max_age=0)).all("routes")


async def test_what_we_wrote_is_known_if_nobody_else_wrote(
    counted: tuple[Counting, Live], gateway: GatewayUnderTest
) -> None:
    admin, live = counted
    await live.configuration(max_age=0)
    written = [put(gateway, "2", "/b"), put(gateway, "3", "/c")]
    live.wrote({**written[0][0], **written[1][0]}, [revision for _, revision in written])
    found = (await live.configuration(max_age=0)).all("routes")
    assert {id: (item.value["uri"], item.created_index) for id, item in found.items()} == {
        "1": ("/a", found["1"].created_index),
        "2": ("/b", written[0][1].number),
        "3": ("/c", written[1][1].number),
    }
    assert admin.lists == 1


async def test_what_others_wrote_between_is_read_too(
    counted: tuple[Counting, Live], gateway: GatewayUnderTest
) -> None:
    admin, live = counted
    for others_first in (True, False):
        await live.configuration(max_age=0)
        if others_first:
            put(gateway, "1", "/by-others-before")
        items, revision = put(gateway, "2", f"/by-us-{others_first}")
        if not others_first:
            put(gateway, "1", "/by-others-after")
        live.wrote(items, [revision])
        found = (await live.configuration(max_age=0)).all("routes")
        assert found["1"].value["uri"] == f"/by-others-{'before' if others_first else 'after'}"
    assert admin.lists == 3


async def test_a_write_whose_answer_was_lost_is_read(
    counted: tuple[Counting, Live], gateway: GatewayUnderTest
) -> None:
    admin, live = counted
    await live.configuration(max_age=0)
    items, _ = put(gateway, "2", "/b")
    live.wrote(items, [None])
    assert "2" in (await live.configuration(max_age=0)).all("routes")
    assert admin.lists == 2
