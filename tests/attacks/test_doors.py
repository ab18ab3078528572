"""What is thrown at every door: foreign pages, names that rebind, paths that climb, bodies that explode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route

from gatechat.assistant.app import create_app
from gatechat.assistant.settings import AssistantSettings
from tests.assistant import rig as served
from tests.attacks import rig
from tests.conftest import GatewayUnderTest

ORIGINS = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example:5000",
    "http://evil.example@127.0.0.1",
    "https://chatgpt.com.evil.example",
    "http://chatgpt.com:80@evil.example",
    "null",
    "file://",
    "chrome-extension://abc",
    "http://169.254.169.254",
    "",
]
HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "169.254.169.254",
    "evil.example:5000",
    "localhost, evil.example",
    "localhost@evil.example",
    "0.0.0.0",
    "",
]


def paths() -> list[str]:
    """One address of every route of the assistant, and some that there are not."""
    found = ["/nothing", "/plans/p1/approve", "/apisix/admin/routes"]
    for route in create_app(AssistantSettings(data_dir=None)).routes:
        if isinstance(route, Route | Mount):
            found.append(route.path.replace("{id}", "p1").replace("{action}", "approve") or "/")
    return sorted(set(found))


async def test_a_foreign_page_and_a_name_that_rebinds_are_turned_away_at_every_door(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    gateway.put("routes/1", {"uri": "/1", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    async with rig.target(gateway, tmp_path) as target, target.browser() as owner:
        doors = [*paths(), "/plans", "/approver"]
        assert {"/mcp", "/healthz", "/openapi.yaml", "/apisix/admin/routes"} <= set(doors)
        for path in doors:
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                for origin in ORIGINS:
                    answer = await owner.request(method, path, headers={"origin": origin})
                    assert answer.status_code == 403, (method, path, origin)
                    assert "access-control-allow-origin" not in answer.headers
                for host in HOSTS:
                    answer = await target.http.request(method, path, headers={"host": host})
                    assert answer.status_code in (400, 421), (method, path, host)
    assert target.routes() == {"1"}


async def test_two_origins_or_hosts_are_none(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with rig.target(gateway, tmp_path) as target:
        good = f"http://127.0.0.1:{target.port}"
        for lines in (
            f"Host: 127.0.0.1:{target.port}\nOrigin: {good}\nOrigin: https://evil.example\n",
            f"Host: 127.0.0.1:{target.port}\nHost: evil.example\n",
        ):
            answer = await served.raw(
                target.port, f"GET /apisix/admin/routes HTTP/1.1\n{lines}connection: close\n\n".encode()
            )
            assert answer.status in (400, 403, 421)


# Paths


CLIMBING = [
    "../../../control/v1/config",
    "..%2f..%2fcontrol",
    "%2e%2e/routes",
    "%2e%2e%2froutes",
    "%252e%252e/routes",
    "..\\routes",
    "..%5croutes",
    "..%c0%afroutes",
    "./1",
    "1/../2",
    "1%00",
    "1%0d%0aHost:evil",
    "//1",
    "..",
    ".",
]


@pytest.mark.parametrize("id", CLIMBING)
async def test_a_path_that_climbs_reaches_nothing(gateway: GatewayUnderTest, tmp_path: Path, id: str) -> None:
    gateway.put("routes/1", {"uri": "/1", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    gateway.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "the-key-of-jack"}}})
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"') as target:
        body = json.dumps({"uri": "/evil", "upstream": target.upstream()})
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            for before in (
                "/apisix/admin/routes/",
                "/apisix/admin/",
                "/apisix/admin/consumers/jack/credentials/",
            ):
                request = (
                    f"{method} {before}{id} HTTP/1.1\nhost: 127.0.0.1\ncontent-type: application/json\n"
                    f"connection: close\ncontent-length: {len(body)}\n\n{body}"
                )
                answer = await served.raw(target.port, request.encode())
                assert answer.status in (400, 404, 405), (method, before)
        async with target.mcp() as client:
            for door in (f"/plans/{id}", f"/plans/{id}/approve"):
                raw = f"GET {door} HTTP/1.1\nhost: 127.0.0.1\nconnection: close\n\n".encode()
                assert (await served.raw(target.port, raw)).status in (400, 401, 404, 405)
            for tool, arguments in calls(id, target.upstream()):
                answer = await client.call_tool(tool, arguments)
                assert answer.is_error, tool
                assert "the-key-of-jack" not in rig.said(answer)
    assert target.routes() == {"1"}
    assert gateway.admin.get("/apisix/admin/consumers").json()["total"] == 1


def calls(id: str, upstream: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    route = {"uri": "/evil", "upstream": upstream}
    return [
        ("get", {"kind": "routes", "id": id}),
        ("get", {"kind": "credentials", "id": f"jack/credentials/{id}"}),
        (
            "plan",
            {"reason": "r", "operations": [{"action": "create", "kind": "routes", "id": id, "value": route}]},
        ),
        ("plan", {"reason": "r", "operations": [{"action": "delete", "kind": "routes", "id": id}]}),
        (
            "plan",
            {
                "reason": "r",
                "operations": [
                    {
                        "action": "create",
                        "kind": "credentials",
                        "id": f"jack/credentials/{id}",
                        "value": {"plugins": {}},
                    }
                ],
            },
        ),
        ("plan_state", {"plan": id}),
        ("apply", {"plan": id}),
        ("undo", {"change": id}),
        ("describe", {"name": id}),
    ]


# Sizes and shapes


def deep(levels: int, kind: str = "object") -> str:
    return '{"a":' * levels + "1" + "}" * levels if kind == "object" else "[" * levels + "]" * levels


BODIES: dict[str, str] = {
    "an object 100,000 deep": deep(100_000),
    "an object 900 deep": deep(900),
    "an object 300 deep": deep(300),
    "a list 100,000 deep": f'{{"uri":"/x","vars":{deep(100_000, "list")}}}',
    "a list 400 deep": f'{{"uri":"/x","vars":{deep(400, "list")}}}',
    "a plugin 400 deep": f'{{"uri":"/x","plugins":{{"cors":{deep(400)}}}}}',
    "NaN": '{"uri":"/x","priority":NaN}',
    "Infinity": '{"uri":"/x","priority":Infinity}',
    "1e999": '{"uri":"/x","priority":1e999}',
    "a number of 10,000 digits": '{"uri":"/x","priority":' + "9" * 10_000 + "}",
    "a name twice": '{"uri":"/x","uri":"/y","plugins":{}}',
    "a name twice inside": '{"uri":"/x","plugins":{"cors":{},"cors":{"allow_origins":"*"}}}',
    "a lone surrogate": '{"uri":"/\\ud800"}',
    "no UTF-8": "\xff\xfe{}",
    "no object": "[]",
    "nothing": "",
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_readers_differ_about_or_that_explodes_is_refused(
    gateway: GatewayUnderTest, tmp_path: Path, what: str
) -> None:
    body = BODIES[what].encode("latin-1")
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"') as target:
        for method, path in (
            ("PUT", "routes/x"),
            ("POST", "routes"),
            ("PATCH", "routes/x"),
            ("PUT", "upstreams/x"),
        ):
            gateway.put("routes/x", {"uri": "/there", "upstream": target.upstream()})
            answer = await target.http.request(
                method, f"/apisix/admin/{path}", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, (method, path, answer.text[:200])
            assert "error_msg" in answer.json()
        health = await target.http.get("/healthz")
        assert health.json()["status"] == "ok"
    assert gateway.admin.get("/apisix/admin/routes/x").json()["value"]["uri"] == "/there"


@pytest.mark.parametrize("levels", [300, 900, 100_000])
@pytest.mark.parametrize("where", ["value", "where", "arguments"])
async def test_tool_arguments_that_are_too_deep_are_refused(
    gateway: GatewayUnderTest, tmp_path: Path, levels: int, where: str
) -> None:
    operation = '{"action": "create", "kind": "routes", "id": "x", "VALUE": DEEP}'.replace(
        "DEEP", deep(levels)
    )
    arguments = '{"reason": "r", "operations": [OP]}'.replace("OP", operation.replace("VALUE", where))
    if where == "arguments":
        arguments = deep(levels)
    call = (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"plan","arguments":{arguments}}}}}'
    )
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    async with rig.target(gateway, tmp_path) as target, target.mcp(rig.ERAS[1]) as client:
        answer = await target.http.post("/mcp", content=call, headers=headers)
        assert answer.status_code < 500
        assert (
            "plan was not run" in answer.text or answer.status_code >= 400 or '"isError":true' in answer.text
        )
        assert not (await client.call_tool("overview", {})).is_error, "it still works"
    assert target.routes() == set()


async def test_an_oversized_plan_is_refused_by_count(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with rig.target(gateway, tmp_path, "largest_plan = 3") as target, target.mcp() as client:
        for number in range(5):
            gateway.put(f"routes/t{number}", {"uri": f"/{number}", "upstream": target.upstream()})
        for operations in (
            [rig.deletion(f"t{number}") for number in range(4)],
            [{"action": "delete", "kind": "routes", "where": {"all": True}}],
        ):
            answer = await client.call_tool("plan", {"reason": "r", "operations": operations})
            assert answer.is_error
            assert "largest_plan" in rig.said(answer)
    assert len(target.routes()) == 5


async def test_an_oversized_plan_is_refused_by_bytes(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with rig.target(gateway, tmp_path) as target:
        value = {"uri": "/x", "upstream": target.upstream(), "desc": "x" * 2_000_000}
        assert (await target.http.put("/apisix/admin/routes/x", json=value)).status_code == 413
        call = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "plan",
                "arguments": {
                    "reason": "r",
                    "operations": [{"action": "create", "kind": "routes", "id": "x", "value": value}],
                },
            },
        }
        headers = {"accept": "application/json, text/event-stream"}
        assert (await target.http.post("/mcp", json=call, headers=headers)).status_code == 413
        form = {"digest": "x" * 100_000}
        async with target.browser() as owner:
            assert (await owner.post("/plans/p1/approve", data=form)).status_code in (404, 413)
    assert target.routes() == set()


@pytest.mark.parametrize(
    "secret", ["http://user:s3cret-pass@good.example/", "http://good.example/?api_key=s3cret"]
)
async def test_a_secret_in_a_url_is_refused_from_a_model_and_not_repeated(
    gateway: GatewayUnderTest, tmp_path: Path, secret: str
) -> None:
    value = {"uri": "/x", "plugins": {"forward-auth": {"uri": secret}}}
    operation = {"action": "create", "kind": "routes", "id": "x", "value": value}
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        answer = await client.call_tool("plan", {"reason": "r", "operations": [operation]})
        assert answer.is_error
        assert "a secret in plain text" in rig.said(answer)
        assert "s3cret" not in answer.model_dump_json()
