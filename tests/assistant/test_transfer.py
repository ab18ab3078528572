"""Configurations out of one Admin API and into another, as those of several APISIX releases behave."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatechat.assistant import transfer
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.declarative import Configuration, from_yaml
from gatechat.assistant.problem import Problem
from gatechat.assistant.transfer import TransferProblem
from gatechat.ports import Port, bind
from gatechat.serving import serving

EVERYTHING: dict[str, dict[str, Any]] = {
    "secrets": {"vault/1": {"uri": "http://127.0.0.1:8200", "prefix": "kv", "token": "t"}},
    "ssls": {"1": {"cert": "PEM", "key": "PRIVATE", "snis": ["a.test"]}},
    "protos": {"1": {"content": "syntax = 'proto3';"}},
    "upstreams": {"1": {"nodes": {"127.0.0.1:1": 1}, "type": "roundrobin"}},
    "services": {"1": {"upstream_id": "1"}},
    "plugin_configs": {"1": {"plugins": {"cors": {}}}},
    "consumer_groups": {"g": {"plugins": {}}},
    "consumers": {"jack": {"username": "jack", "group_id": "g"}},
    "credentials": {"jack/credentials/laptop": {"plugins": {"key-auth": {"key": "k"}}}},
    "plugin_metadata": {"http-logger": {"log_format": {"host": "$host"}}},
    "global_rules": {"1": {"plugins": {"prometheus": {}}}},
    "routes": {"1": {"uri": "/a", "service_id": "1"}, "a.b-c_d": {"uri": "/b/*"}},
    "stream_routes": {"1": {"server_port": 9100, "upstream_id": "1"}},
}


@dataclass
class AdminApi:
    """An APISIX in memory. It refuses resources with a field "wrong", and hides private keys."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    without_kinds: tuple[str, ...] = ()
    without_checks: tuple[str, ...] = ()
    refuses_writes_of: tuple[str, ...] = ()
    writes: list[str] = field(default_factory=list)
    checked_bodies: list[int] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        if request.headers.get("x-api-key") != "right":
            return JSONResponse({"description": "wrong apikey", "error_msg": "failed to check token"}, 401)
        if request.method == "POST":
            return self._check(path, await request.body())
        kind, id = _split(path)
        if kind in self.without_kinds:
            return JSONResponse({"error_msg": f"Unsupported resource type: {kind}"}, 404)
        if request.method == "PUT":
            return self._put(kind, id, path, await request.json())
        if id:
            return JSONResponse(self._row(kind, id))
        under = path.removeprefix("consumers/")
        rows = [
            self._row(kind, id)
            for id in self.held.get(kind, {})
            if kind != "credentials" or id.startswith(under)
        ]
        return JSONResponse({"list": rows or {}, "total": len(rows)})

    def _row(self, kind: str, id: str) -> dict[str, Any]:
        value = {k: v for k, v in self.held[kind][id].items() if kind != "ssls" or k != "key"}
        key = f"/apisix/consumers/{id}" if kind == "credentials" else f"/apisix/{kind}/{id}"
        times = {"id": id.rpartition("/")[2], "create_time": 1, "update_time": 2}
        return {"key": key, "value": value | times, "createdIndex": 7, "modifiedIndex": 8}

    def _put(self, kind: str, id: str, path: str, value: dict[str, Any]) -> Response:
        if path in self.refuses_writes_of or "wrong" in value:
            return JSONResponse({"error_msg": "invalid configuration"}, 400)
        created = id not in self.held.get(kind, {})
        self.held.setdefault(kind, {})[id] = value
        self.writes.append(path)
        return JSONResponse(self._row(kind, id), 201 if created else 200)

    def _check(self, path: str, body: bytes) -> Response:
        if path in self.without_checks:
            return JSONResponse({"error_msg": "not found"}, 404)
        document = json.loads(body)
        self.checked_bodies.append(len(body))
        if path == "configs/validate":
            errors = [
                {
                    "resource_type": kind,
                    "resource_id": row.get("id", ""),
                    "index": index,
                    "error": "wrong is wrong",
                }
                for kind, rows in document.items()
                for index, row in enumerate(rows)
                if "wrong" in row
            ]
            return (
                JSONResponse({"error_msg": "failed", "errors": errors}, 400) if errors else JSONResponse({})
            )
        return JSONResponse({"error_msg": "wrong is wrong"}, 400) if "wrong" in document else JSONResponse({})


def _split(path: str) -> tuple[str, str]:
    kind, _, id = path.partition("/")
    if kind == "consumers" and "/credentials" in id:
        return "credentials", id if not id.endswith("/credentials") else ""
    return kind, id


@dataclass
class Side:
    """An Admin API and a client of it."""

    api: AdminApi
    client: AdminClient


@pytest_asyncio.fixture
async def sides() -> AsyncIterator[tuple[Side, Side]]:
    """An Admin API that holds everything, and one that holds nothing."""
    apis = AdminApi(held=json.loads(json.dumps(EVERYTHING))), AdminApi()
    async with _side(apis[0]) as full, _side(apis[1]) as empty:
        yield full, empty


@asynccontextmanager
async def _side(api: AdminApi) -> AsyncIterator[Side]:
    app = Starlette(routes=[Route("/apisix/admin/{path:path}", api.answer, methods=["GET", "PUT", "POST"])])
    with bind(Port("Admin API", "127.0.0.1", 0, "--admin-port")) as bound:
        async with serving(app, bound) as url:
            client = AdminClient(url, "right", 5)
            yield Side(api, client)
            await client.close()


def readable() -> dict[str, dict[str, Any]]:
    """Everything, as far as an Admin API shows it."""
    shown: dict[str, dict[str, Any]] = json.loads(json.dumps(EVERYTHING))
    del shown["ssls"]["1"]["key"]
    return shown


async def put(side: Side, wanted: Configuration) -> int:
    """Compares, checks, writes; how many were written."""
    changes = transfer.compare(wanted, await transfer.read(side.client)).changes
    await transfer.check(side.client, changes)
    return len([change async for change in transfer.write(side.client, changes)])


async def test_everything_is_read_without_ids_and_times(sides: tuple[Side, Side]) -> None:
    assert (await transfer.read(sides[0].client)).kinds == readable()


async def test_an_empty_gateway_is_an_empty_configuration(sides: tuple[Side, Side]) -> None:
    configuration = await transfer.read(sides[1].client)
    assert len(configuration) == 0
    assert transfer.to_file(configuration) == "#END\n"


async def test_an_older_apisix_without_a_kind_has_none_of_it(sides: tuple[Side, Side]) -> None:
    sides[0].api.without_kinds = ("credentials", "secrets")
    assert set((await transfer.read(sides[0].client)).kinds) == set(EVERYTHING) - {"credentials", "secrets"}


async def test_a_wrong_key_is_said_to_be_wrong(sides: tuple[Side, Side]) -> None:
    client = AdminClient(str(sides[0].client._url), "wrong", 5)
    with pytest.raises(Problem, match="refuses the admin key"):
        await transfer.read(client)
    await client.close()


async def test_a_file_holds_what_was_read_and_says_what_it_could_not_read(sides: tuple[Side, Side]) -> None:
    configuration = await transfer.read(sides[0].client)
    text = transfer.to_file(configuration)
    assert from_yaml(("all.yaml", text)).configuration.kinds == configuration.kinds
    assert "add `key` to:\n#   ssls/1\n" in text
    assert text.endswith("#END\n")
    assert "- username: jack\n" in text
    assert "- id: jack/credentials/laptop\n" in text


async def test_everything_arrives_in_an_order_in_which_references_are_there_first(
    sides: tuple[Side, Side],
) -> None:
    assert await put(sides[1], Configuration(EVERYTHING)) == 14
    assert sides[1].api.held == EVERYTHING
    assert sides[1].api.writes == [
        "secrets/vault/1",
        "ssls/1",
        "protos/1",
        "upstreams/1",
        "services/1",
        "plugin_configs/1",
        "consumer_groups/g",
        "consumers/jack",
        "consumers/jack/credentials/laptop",
        "plugin_metadata/http-logger",
        "global_rules/1",
        "routes/1",
        "routes/a.b-c_d",
        "stream_routes/1",
    ]


async def test_a_second_time_nothing_is_left_to_write(sides: tuple[Side, Side]) -> None:
    await put(sides[1], Configuration(EVERYTHING))
    assert await put(sides[1], Configuration(EVERYTHING)) == 0


async def test_only_what_differs_is_written_and_what_is_only_there_stays(sides: tuple[Side, Side]) -> None:
    sides[1].api.held = json.loads(json.dumps(EVERYTHING))
    sides[1].api.held["routes"] |= {"1": {"uri": "/old", "service_id": "1"}, "mine": {"uri": "/mine"}}
    del sides[1].api.held["global_rules"]
    difference = transfer.compare(Configuration(EVERYTHING), await transfer.read(sides[1].client))
    assert [str(change) for change in difference.changes] == ["+ global_rules/1", "~ routes/1 (uri)"]
    assert difference.same == 12
    assert difference.extra == ("routes/mine",)
    assert await put(sides[1], Configuration(EVERYTHING)) == 2
    assert sides[1].api.held["routes"]["mine"] == {"uri": "/mine"}


async def test_a_certificate_whose_key_cannot_be_read_stops_it_before_anything_is_written(
    sides: tuple[Side, Side],
) -> None:
    with pytest.raises(TransferProblem, match=r"ssls/1: no Admin API shows a private key"):
        await put(sides[1], await transfer.read(sides[0].client))
    assert sides[1].api.writes == []
    sides[1].api.held["ssls"] = json.loads(json.dumps(EVERYTHING["ssls"]))
    assert await put(sides[1], await transfer.read(sides[0].client)) == 13


WRONG = Configuration({"routes": {"1": {"uri": "/a"}, "2": {"wrong": 1}, "3": {"wrong": 1}}})


@pytest.mark.parametrize(
    "without", [(), ("configs/validate",)], ids=["checked at once", "checked one by one"]
)
async def test_all_that_is_wrong_is_said_before_anything_is_written(
    sides: tuple[Side, Side], without: tuple[str, ...]
) -> None:
    sides[1].api.without_checks = without
    with pytest.raises(TransferProblem) as caught:
        await put(sides[1], WRONG)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["routes/2", "routes/3"]
    assert sides[1].api.writes == []


async def test_an_admin_api_that_cannot_check_is_written_nothing(sides: tuple[Side, Side]) -> None:
    sides[1].api.without_checks = ("configs/validate", "schema/validate/routes")
    with pytest.raises(TransferProblem, match=r"cannot check .*APISIX 3\.17"):
        await put(sides[1], WRONG)
    assert sides[1].api.writes == []


async def test_a_large_configuration_is_checked_in_bodies_that_apisix_takes(sides: tuple[Side, Side]) -> None:
    large = Configuration({"routes": {str(n): {"uri": f"/{n}", "desc": "x" * 1000} for n in range(3000)}})
    await transfer.check(sides[1].client, transfer.compare(large, Configuration({})).changes)
    assert len(sides[1].api.checked_bodies) == 3
    assert max(sides[1].api.checked_bodies) <= 1_572_864


async def test_a_refusal_on_the_way_names_the_resource_and_keeps_what_was_written(
    sides: tuple[Side, Side],
) -> None:
    sides[1].api.refuses_writes_of = ("services/1",)
    with pytest.raises(TransferProblem, match=r"services/1 was refused: 400 invalid configuration"):
        await put(sides[1], Configuration(EVERYTHING))
    assert sides[1].api.writes[-1] == "upstreams/1"
    sides[1].api.refuses_writes_of = ()
    assert await put(sides[1], Configuration(EVERYTHING)) == 10


def test_no_value_is_shown_with_a_difference() -> None:
    wanted = Configuration(
        {"consumers": {"jack": {"username": "jack", "plugins": {"key-auth": {"key": "s3cret"}}}}}
    )
    for there in (Configuration({}), Configuration({"consumers": {"jack": {"username": "jack"}}})):
        for change in transfer.compare(wanted, there).changes:
            assert "s3cret" not in f"{change} {change!r}"
