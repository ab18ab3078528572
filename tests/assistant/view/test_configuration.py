"""Everything that an Admin API holds is read, from gateways of any age."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.configuration import Configuration, Memory, load
from tests.assistant.rig import serving
from tests.assistant.view.rig import configuration
from tests.conftest import ADMIN_KEY, GatewayUnderTest

EMPTY = (200, {"list": {}, "total": 0})


def listed(*rows: tuple[str, Mapping[str, Any]]) -> tuple[int, dict[str, Any]]:
    items = [
        {"key": f"/apisix/{key}", "value": value, "createdIndex": 5, "modifiedIndex": 7}
        for key, value in rows
    ]
    return 200, {"list": items, "total": len(items)}


class AdminApi:
    """Answers each path below /apisix/admin/ as told, every other kind as empty."""

    def __init__(self, answers: Mapping[str, tuple[int, Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix("/apisix/admin/")
        self.asked.append(path)
        status, body = self.answers.get(path, EMPTY)
        headers = [(b"content-type", b"application/json"), (b"server", b"APISIX/3.3.0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@asynccontextmanager
async def admin_api(answers: Mapping[str, tuple[int, Any]]) -> AsyncIterator[tuple[AdminApi, AdminClient]]:
    api = AdminApi(answers)
    async with serving(api) as port:
        client = AdminClient(f"http://127.0.0.1:{port}", "key", 5)
        yield api, client
        await client.close()


async def read(answers: Mapping[str, tuple[int, Any]]) -> Configuration:
    async with admin_api(answers) as (_, client):
        return await load(client)


async def test_a_real_gateway_is_read_whole(gateway: GatewayUnderTest) -> None:
    gateway.put("upstreams/u", {"nodes": gateway.nodes()})
    gateway.put("routes/b", {"uri": "/b", "upstream_id": "u", "name": "bee"})
    gateway.put("routes/a", {"uri": "/a", "upstream_id": "u"})
    gateway.put("consumers/jack", {"username": "jack"})
    gateway.put("consumers/jill", {"username": "jill"})
    gateway.put("consumers/jack/credentials/one", {"plugins": {"key-auth": {"key": "k"}}})
    gateway.put("plugin_metadata/prometheus", {"disabled_labels": {}})
    admin = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 10)
    found = await load(admin)
    await admin.close()
    assert list(found.all("routes")) == ["a", "b"]
    assert list(found.all("credentials")) == ["jack/credentials/one"]
    assert list(found.all("plugin_metadata")) == ["prometheus"]
    bee = found.all("routes")["b"]
    assert bee.value == {"uri": "/b", "upstream_id": "u", "name": "bee", **_defaults(gateway, "routes/b")}
    assert (bee.name, 0 < bee.created_index <= bee.modified_index) == ("bee", True)
    assert (found.embedded, found.server, found.absent) == (True, "APISIX/3.18.0", frozenset())
    assert {kind for kind, _, _ in found} == {
        "upstreams",
        "routes",
        "consumers",
        "credentials",
        "plugin_metadata",
    }


def _defaults(gateway: GatewayUnderTest, path: str) -> dict[str, Any]:
    value = httpx2.Response.json(gateway.admin.get(f"/apisix/admin/{path}"))["value"]
    return {name: value[name] for name in ("priority", "status") if name in value}


async def test_kinds_that_an_older_gateway_has_not_are_empty_and_named() -> None:
    found = await read(
        {
            "secrets": (404, {"error_msg": "Unsupported resource type: secrets"}),
            "stream_routes": (400, {"error_msg": "stream mode is disabled, can not get stream routes"}),
            "consumers": listed(("consumers/jack", {"username": "jack"})),
            "consumers/jack/credentials": (
                200,
                {"key": "/apisix/consumers/jack", "value": {"username": "jack"}},
            ),
        }
    )
    assert found.absent == {"secrets", "stream_routes", "credentials"}
    assert set(found.kinds) == set(KINDS)
    assert not found.all("credentials")
    assert (found.server, found.embedded) == ("APISIX/3.3.0", False)


async def test_the_secrets_of_plugin_metadata_are_read_one_by_one_as_only_so_they_are_decrypted() -> None:
    found = await read(
        {
            "plugin_metadata": listed(("plugin_metadata/p", {"token": "sealed"})),
            "plugin_metadata/p": (200, {"key": "/apisix/plugin_metadata/p", "value": {"token": "plain"}}),
        }
    )
    assert found.all("plugin_metadata")["p"].value == {"token": "plain"}


@pytest.mark.parametrize(
    ("status", "body", "in_words"),
    [
        (401, {"error_msg": "failed to check token"}, "--admin-key"),
        (503, {"error_msg": "etcd is away"}, "routes cannot be read from the Admin API: 503 etcd is away"),
        (200, ["no object"], "routes cannot be read"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_and_never_an_empty_configuration(
    status: int, body: Any, in_words: str
) -> None:
    async with admin_api({"routes": (status, body)}) as (_, client):
        with pytest.raises(ExceptionGroup) as raised:
            await load(client)
    (problem,) = raised.value.exceptions
    assert isinstance(problem, Problem)
    assert in_words in problem.message


async def test_what_did_not_change_is_not_taken_apart_again() -> None:
    memory = Memory()
    answers = {
        "routes": listed(("routes/1", {"uri": "/a"})),
        "services": listed(("services/1", {})),
        "plugin_metadata": listed(("plugin_metadata/p", {})),
        "plugin_metadata/p": (200, {"key": "/apisix/plugin_metadata/p", "value": {"a": 1}}),
    }
    async with admin_api(answers) as (_, client):
        first = await load(client, memory)
        assert await load(client, memory) is first
        answers["routes"] = listed(("routes/1", {"uri": "/b"}))
        second = await load(client, memory)
        assert second.all("routes")["1"].value == {"uri": "/b"}
        assert second.all("services")["1"] is first.all("services")["1"]
        answers["plugin_metadata/p"] = (200, {"key": "/apisix/plugin_metadata/p", "value": {"a": 2}})
        third = await load(client, memory)
        assert third.all("plugin_metadata")["p"].value == {"a": 2}
        answers["services"] = (404, {})
        assert "services" in (await load(client, memory)).absent


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("1", "1"),
        ("talks", "2"),
        ("twin", "409 2 routes are named 'twin'; say which id: 3, 4"),
        ("talk", "404 routes: there is none with the id or name 'talk'. Did you mean talks?"),
        ("zzz", "404 routes: there is none with the id or name 'zzz'. There are 4: 1, 2, 3, 4"),
    ],
)
def test_a_name_means_an_id_unless_several_have_it(word: str, wanted: str) -> None:
    found = configuration(
        routes={"1": {}, "2": {"name": "talks"}, "3": {"name": "twin"}, "4": {"name": "twin"}}
    )
    try:
        got = found.resolve("routes", word)
    except Problem as problem:
        got = f"{problem.status} {problem.message}"
    assert got == wanted
