"""Writes to the Admin API that are passed through: understood, judged, recorded, and answered as the Admin
API does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.model import State, Target
from gatechat.assistant.change.plan import Drafts
from gatechat.assistant.change.policy import Policy, parse
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.setup import open_changes
from gatechat.assistant.change.write_through import Waiting, Write, read
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.live import Live
from tests.assistant.change.ledger_rig import ANNA, AdminInMemory, Bench
from tests.conftest import ADMIN_KEY, GatewayUnderTest

UNDERSTOOD: dict[str, tuple[str, str, str, tuple[str, str, tuple[str, ...]] | None]] = {
    "a route is put": ("PUT", "routes/1", '{"uri": "/a"}', ("routes", "1", ())),
    "a route is put by the id in its body": ("PUT", "routes", '{"id": 7, "uri": "/a"}', ("routes", "7", ())),
    "the gateway chooses the id": ("POST", "routes", '{"uri": "/a"}', ("routes", "", ())),
    "a slash at the end is no id": ("POST", "routes/", '{"uri": "/a"}', ("routes", "", ())),
    "a consumer is put by its name": ("PUT", "consumers", '{"username": "jack"}', ("consumers", "jack", ())),
    "a credential": (
        "PUT",
        "consumers/jack/credentials/c1",
        "{}",
        ("credentials", "jack/credentials/c1", ()),
    ),
    "a secret manager": ("PUT", "secrets/vault/1", "{}", ("secrets", "vault/1", ())),
    "a part is patched": ("PATCH", "routes/1/plugins/cors", "{}", ("routes", "1", ("plugins", "cors"))),
    "a text is patched": ("PATCH", "routes/1/desc", '"x"', ("routes", "1", ("desc",))),
    "a route is deleted": ("DELETE", "routes/1", "", ("routes", "1", ())),
    "an encoded id": ("DELETE", "routes/a%3Ab", "", ("routes", "a:b", ())),
    "a check is no write": ("POST", "schema/validate/routes", "{}", None),
    "a check of all is no write": ("POST", "configs/validate", "{}", None),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_write_is_understood(name: str) -> None:
    method, path, body, wanted = UNDERSTOOD[name]
    write = read(method, path.encode(), b"", body.encode())
    got = None if write is None else (write.target.kind, write.target.id, write.sub_path)
    assert got == wanted


NOT_UNDERSTOOD: dict[str, tuple[str, str, bytes]] = {
    "no JSON": ("PUT", "routes/1", b"{"),
    "no UTF-8": ("PUT", "routes/1", b'{"uri": "\xff"}'),
    "a name that is given twice": ("PUT", "routes/1", b'{"uri": "/a", "uri": "/b"}'),
    "a number that is none": ("PUT", "routes/1", b'{"priority": NaN}'),
    "a list": ("PUT", "routes/1", b"[]"),
    "no body": ("PUT", "routes/1", b""),
    "deeper than anyone reads": ("PUT", "routes/1", b"[" * 100_000),
    "two ids": ("PUT", "routes/1", b'{"id": "2"}'),
    "two names": ("PUT", "consumers/jack", b'{"username": "jill"}'),
    "no id": ("PUT", "routes", b"{}"),
    "an id of a strange kind": ("PUT", "routes", b'{"id": true}'),
    "an id where the gateway chooses": ("POST", "routes/1", b"{}"),
    "nothing to delete": ("DELETE", "routes", b""),
    "an unknown kind": ("PUT", "machines/1", b"{}"),
    "credentials without their consumer": ("PUT", "credentials/1", b"{}"),
    "a method that the kind does not have": ("PATCH", "consumers/jack", b"{}"),
    "a time that the gateway sets": ("PUT", "routes/1", b'{"create_time": 1}'),
    "a write to a plugin": ("PUT", "plugins/cors", b"{}"),
    "a part that is put": ("PUT", "routes/1/plugins", b"{}"),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_not_passed_on(name: str) -> None:
    method, path, body = NOT_UNDERSTOOD[name]
    with pytest.raises(Problem):
        read(method, path.encode(), b"", body)


def test_of_the_query_only_what_a_write_takes_is_passed_on() -> None:
    write = read("DELETE", b"routes/1", b"force=true&api_key=x&ttl=5&x=y", b"")
    assert write is not None
    assert write.query == b"ttl=5&force=true"


@pytest.mark.parametrize(
    ("server", "method"),
    [("APISIX/3.17.0", "PUT"), ("APISIX/3.3.0", "PUT"), ("APISIX/3.18.0", "PATCH"), ("other", "PATCH")],
)
async def test_a_patch_that_would_encrypt_twice_becomes_a_put(
    tmp_path: Path, server: str, method: str
) -> None:
    bench = Bench(tmp_path)
    bench.admin.server = server
    bench.admin.hold("routes", "1", {"uri": "/a", "plugins": {"csrf": {"key": "k"}}})
    write = read("PATCH", b"routes/1", b"", b'{"desc": "x"}')
    assert write is not None
    with bench.changes() as changes:
        answer = await changes.write_through(write, ANNA)
        assert isinstance(answer, Answer)
        assert answer.status == 200
        assert [entry.what for entry in changes.records.ledger.entries()] == ["change", "begun", "plan"]
    assert bench.admin.writes == [(method, "routes/1")]
    assert bench.admin.values["routes", "1"] == {"uri": "/a", "plugins": {"csrf": {"key": "k"}}, "desc": "x"}


async def test_what_the_admin_api_refuses_is_answered_in_its_words_and_recorded(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        answer = await changes.write_through(_write("PUT", "routes/1", '{"bad": true}'), ANNA)
        assert isinstance(answer, Answer)
        assert (answer.status, b"bad is not allowed" in answer.body) == (400, True)
        [entry] = await changes.history()
        assert entry.state == State.FAILED.value


async def test_a_kind_that_the_gateway_has_switched_off_is_answered_in_its_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.admin.without = frozenset({"stream_routes"})
    with bench.changes() as changes:
        answer = await changes.write_through(_write("PUT", "stream_routes/1", '{"server_port": 9100}'), ANNA)
        assert isinstance(answer, Answer)
        assert (answer.status, b"stream mode is disabled" in answer.body) == (400, True)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_what_is_not_there_is_not_found(tmp_path: Path, method: str) -> None:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        answer = await changes.write_through(_write(method, "routes/1", "{}"), ANNA)
        assert isinstance(answer, Answer)
        assert answer.status == 404
        assert changes.records.ledger.entries() == []


class SwitchedOff(AdminInMemory):
    """As an APISIX without stream routes answers."""

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        if b"stream_routes" in target:
            return Answer(400, {}, b'{"error_msg":"stream mode is disabled, can not add stream routes"}')
        return await super().send(method, target, headers, body)


async def test_what_the_gateway_has_switched_off_is_refused_in_its_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SwitchedOff())
    with bench.changes() as changes:
        answer = await changes.write_through(_write("PUT", "stream_routes/1", '{"server_port": 1}'), ANNA)
        assert isinstance(answer, Answer)
        assert answer.status == 400
        assert b"stream mode is disabled" in answer.body


@pytest.mark.parametrize(("lost", "state"), [(True, State.APPLIED), (False, State.FAILED)])
async def test_a_write_whose_answer_was_lost_is_looked_up(tmp_path: Path, lost: bool, state: State) -> None:
    bench = Bench(tmp_path)

    def die(number: int, method: str, path: str) -> None:
        raise Problem(502, "it broke off")

    if lost:
        bench.admin.after = die
    else:
        bench.admin.before = die
    with bench.changes() as changes:
        with pytest.raises(Problem, match="broke off"):
            await changes.write_through(_write("PUT", "routes/1", '{"uri": "/a"}'), ANNA)
        [change] = await changes.recover()
        assert change.state is state


async def test_a_caller_that_goes_away_keeps_its_turn_until_its_write_is_done(tmp_path: Path) -> None:
    under_way, go_on = asyncio.Event(), asyncio.Event()

    class Slow(AdminInMemory):
        async def send(self, method: str, *rest: Any) -> Answer:
            if method == "PUT":
                under_way.set()
                await go_on.wait()
            return await super().send(method, *rest)

    bench = Bench(tmp_path, Slow())
    with bench.changes() as changes:
        first = asyncio.create_task(changes.write_through(_write("PUT", "routes/1", '{"uri": "/a"}'), ANNA))
        await under_way.wait()
        second = asyncio.create_task(changes.write_through(_write("DELETE", "routes/1", ""), ANNA))
        first.cancel()
        await asyncio.wait([first])
        go_on.set()
        answer = await second
    assert isinstance(answer, Answer)
    assert answer.status == 200
    assert [method for method, _ in bench.admin.writes] == ["PUT", "DELETE"]


async def test_what_must_wait_is_planned_and_nothing_of_it_done(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        waiting = await changes.write_through(_write("PUT", "routes/1", '{"uri": "/a"}'), ANNA)
        assert isinstance(waiting, Waiting)
        assert (await changes.state(waiting.plan.id)).state is State.WAITING
    assert bench.admin.writes == []


def _write(method: str, path: str, body: str) -> Write:
    write = read(method, path.encode(), b"", body.encode())
    assert write is not None
    return write


# -- against the embedded gateway ----------------------------------------------------------------------------

LOCAL = Principal("local", Role.EDITOR, "admin-api")


class Road:
    """Everything real: planner, policy, Admin API, traffic."""

    def __init__(self, folder: Path, gateway: GatewayUnderTest, policy: Policy) -> None:
        self.admin = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 30)
        live = Live(self.admin)
        self.drafts = Drafts(self.admin, live, policy)
        self.changes: Changes = open_changes(
            folder,
            self.admin,
            live,
            self.drafts,
            redactor=Redactor,
            page=lambda id: f"http://localhost:5000/plans/{id}",
            gateway=gateway.gateway.proxy_url,
        )

    async def write(self, method: str, path: str, body: str = "") -> Answer | Waiting:
        return await self.changes.write_through(_write(method, path, body), LOCAL)

    async def close(self) -> None:
        await self.changes.close()
        await self.admin.close()


@pytest_asyncio.fixture
async def road(tmp_path: Path, gateway: GatewayUnderTest) -> AsyncIterator[Road]:
    whole = Road(tmp_path, gateway, Policy())
    yield whole
    await whole.close()


def _route(gateway: GatewayUnderTest, **more: Any) -> str:
    return (
        httpx2.Request(
            "PUT", "http://x", json={"uri": "/speaker/*", "upstream": {"nodes": gateway.nodes()}} | more
        )
        .read()
        .decode()
    )


async def test_a_new_route_passes_at_once_and_is_answered_as_by_the_admin_api(
    road: Road, gateway: GatewayUnderTest
) -> None:
    answer = await road.write("PUT", "routes/1", _route(gateway))
    assert isinstance(answer, Answer)
    assert answer.status == 201
    assert b'"key":"/apisix/routes/1"' in answer.body
    assert gateway.client.get("/speaker/1/sessions").status_code == 200
    again = await road.write("PUT", "routes/1", _route(gateway))
    assert isinstance(again, Answer)
    assert again.status == 200


async def test_the_id_that_the_gateway_chose_is_recorded(road: Road, gateway: GatewayUnderTest) -> None:
    answer = await road.write("POST", "routes", _route(gateway))
    assert isinstance(answer, Answer)
    [entry] = await road.changes.history()
    target = entry.body["steps"][0]["target"]
    assert f"/apisix/routes/{target['id']}".encode() in answer.body
    change = await road.changes.state(entry.subject)
    back = await road.changes.undo(change.id, LOCAL, "")
    assert back.edits[0].target == Target("routes", target["id"])


async def test_a_policy_that_always_asks_makes_a_write_wait(
    tmp_path: Path, gateway: GatewayUnderTest
) -> None:
    road = Road(tmp_path, gateway, parse('[policy]\nmode = "ask-always"'))
    waiting = await road.write("PUT", "routes/1", _route(gateway))
    assert isinstance(waiting, Waiting)
    assert gateway.admin.get("/apisix/admin/routes/1").status_code == 404
    wrong = await road.write("PUT", "routes/2", '{"uri": 5}')
    assert isinstance(wrong, Answer)
    assert wrong.status == 400
    await road.close()


async def test_a_policy_that_reads_only_refuses_a_write(tmp_path: Path, gateway: GatewayUnderTest) -> None:
    road = Road(tmp_path, gateway, parse('[policy]\nmode = "read-only"'))
    with pytest.raises(Problem) as refused:
        await road.write("PUT", "routes/1", _route(gateway))
    assert refused.value.status == 403
    await road.close()


async def test_admin_in_memory_answers_as_the_gateway_does(gateway: GatewayUnderTest) -> None:
    """What the other tests stand on."""
    memory = AdminInMemory()
    real = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 30)
    body = _route(gateway, name="r").encode()
    for method, path in (
        ("PUT", "routes/1"),
        ("PUT", "routes/1"),
        ("GET", "routes/1"),
        ("DELETE", "routes/1"),
        ("DELETE", "routes/1"),
    ):
        target = f"/apisix/admin/{path}".encode()
        headers = {"content-type": "application/json"}
        one = await memory.send(method, target, headers, body if method == "PUT" else b"")
        other = await real.send(method, target, headers, body if method == "PUT" else b"")
        assert one.status == other.status, (method, path)
    await real.close()
