"""A write to /apisix/admin/ on the assistant's port goes the same road as a plan, end to end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in import Database, Tokens
from gatechat.assistant.sign_in.database import FILE
from tests.assistant import rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest


@asynccontextmanager
async def assistant(
    gateway: GatewayUnderTest, folder: Path, policy: str = "", **more: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    if policy:
        (folder / "policy.toml").write_text(f"[policy]\n{policy}\n")
    settings = {"admin_key": ADMIN_KEY, "data_dir": folder, "gateway_url": gateway.gateway.proxy_url} | more
    async with (
        rig.assistant(gateway.gateway.admin_url, **settings) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


def route(gateway: GatewayUnderTest) -> dict[str, Any]:
    return {"uri": "/speaker/*", "upstream": {"nodes": gateway.nodes()}}


async def test_a_new_route_passes_at_once_with_the_admin_apis_own_answer(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with assistant(gateway, tmp_path) as client:
        own = gateway.admin.put("/apisix/admin/routes/own", json=route(gateway))
        answer = await client.put("/apisix/admin/routes/1", json=route(gateway))
        assert (answer.status_code, answer.headers["content-type"]) == (201, own.headers["content-type"])
        assert set(answer.json()) == set(own.json())
        assert set(answer.json()["value"]) == set(own.json()["value"])
        assert gateway.client.get("/speaker/1/sessions").status_code == 200
        deleted = await client.delete("/apisix/admin/routes/1")
        assert deleted.status_code in (200, 202)
        assert (await client.delete("/apisix/admin/routes/none")).status_code == 404
        assert (await client.put("/apisix/admin/routes/1", json={"uri": 5})).status_code == 400
        assert (await client.put("/apisix/admin/consumers/a", json={"username": "b"})).status_code == 400
        assert (await client.patch("/apisix/admin/consumers/a", json={})).status_code == 405


async def test_what_must_wait_is_answered_with_202_and_its_page_and_is_done_from_there(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with assistant(gateway, tmp_path, 'mode = "ask-always"') as client:
        answer = await client.put("/apisix/admin/routes/1", json=route(gateway))
        assert answer.status_code == 202
        body = answer.json()
        assert body["page"] == answer.headers["location"]
        assert body["page"].endswith(f"/plans/{body['plan']}")
        assert "/speaker/*" in body["message"]
        assert gateway.admin.get("/apisix/admin/routes/1").status_code == 404

        path = f"/plans/{body['plan']}"
        assert (await client.get(path)).status_code == 401
        doors = Doors(approver_key(tmp_path), lambda code, until: False)
        await client.get("/approver", params={"code": doors.code()})
        page = (await client.get(path)).text
        form = dict(re.findall(r'name="(token|digest)" value="([^"]*)"', page))
        origin = {"origin": str(client.base_url).rstrip("/")}
        done = await client.post(f"{path}/approve-and-apply", data=form, headers=origin)
        assert done.status_code == 303
        assert gateway.client.get("/speaker/1/sessions").status_code == 200


RISKS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "low": ("routes/2", {"uri": "/two", "plugins": {"key-auth": {}}}),
    "medium": ("routes/2", {"uri": "/two"}),
    "high": ("routes/1", None),
}
"""A write of each risk; without a value it deletes."""


@pytest.mark.parametrize("passes", RISKS)
@pytest.mark.parametrize("risk", RISKS)
async def test_pass_through_says_how_much_a_write_may_risk_and_pass_at_once(
    passes: str, risk: str, gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    gateway.put("routes/1", route(gateway))
    path, value = RISKS[risk]
    levels = list(RISKS)
    async with assistant(gateway, tmp_path, f'pass_through = "{passes}"') as client:
        if value is None:
            answer = await client.delete(f"/apisix/admin/{path}")
        else:
            body = value | {"upstream": {"nodes": gateway.nodes()}}
            answer = await client.put(f"/apisix/admin/{path}", json=body)
    waits = levels.index(risk) > levels.index(passes)
    assert (answer.status_code == 202) is waits, answer.text


@pytest.mark.parametrize(
    "policy", ['mode = "ask-always"', 'mode = "never-ask"\n[policy.protected]\nids = ["routes/*"]']
)
async def test_pass_through_lets_nothing_pass_that_is_asked_for_another_reason(
    policy: str, gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with assistant(gateway, tmp_path, f'pass_through = "high"\n{policy}') as client:
        assert (await client.put("/apisix/admin/routes/1", json=route(gateway))).status_code == 202


async def test_a_viewer_may_have_a_resource_checked_and_may_not_write_it(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    database = Database(tmp_path / FILE)
    bearer = {"authorization": f"Bearer {Tokens(database).make('viewer', Role.VIEWER)}"}
    database.close()
    async with assistant(gateway, tmp_path) as client:
        check = "/apisix/admin/schema/validate/routes"
        assert (await client.post(check, json=route(gateway), headers=bearer)).status_code == 200
        refused = await client.put("/apisix/admin/routes/1", json=route(gateway), headers=bearer)
        assert (refused.status_code, "viewer" in refused.json()["error_msg"]) == (403, True)
        assert (await client.put("/apisix/admin/plugins/reload", headers=bearer)).status_code == 403


@pytest.mark.parametrize(("method", "query"), [("PUT", "ttl=60"), ("DELETE", "force=true")])
async def test_what_a_plan_cannot_keep_is_refused_where_it_would_wait(
    method: str, query: str, gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    gateway.put("routes/1", route(gateway))
    async with assistant(gateway, tmp_path, 'mode = "ask-always"') as client:
        body = route(gateway) if method == "PUT" else None
        answer = await client.request(method, f"/apisix/admin/routes/1?{query}", json=body)
    assert answer.status_code == 400
    assert "leave them out" in answer.json()["error_msg"]


async def test_without_a_data_folder_writes_go_the_same_road(gateway: GatewayUnderTest) -> None:
    settings = {"admin_key": ADMIN_KEY, "data_dir": None}
    async with (
        rig.assistant(gateway.gateway.admin_url, **settings) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        code = {"serverless-pre-function": {"functions": ["return function() end"]}}
        answer = await client.put("/apisix/admin/routes/1", json=route(gateway) | {"plugins": code})
        assert answer.status_code == 400
        assert "forbidden by the policy" in answer.json()["error_msg"]
        assert (await client.put("/apisix/admin/routes/1", json=route(gateway))).status_code == 201


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ('mode = "read-only"', 403),
        ('mode = "ask-always"\n[policy.protected]\nids = ["routes/*"]\nrefuse = true', 403),
    ],
)
async def test_what_the_policy_refuses_is_refused(
    gateway: GatewayUnderTest, tmp_path: Path, policy: str, status: int
) -> None:
    async with assistant(gateway, tmp_path, policy) as client:
        answer = await client.put("/apisix/admin/routes/1", json=route(gateway))
        assert (answer.status_code, "error_msg" in answer.json()) == (status, True)
        assert (await client.get("/apisix/admin/routes")).status_code == 200
    assert gateway.admin.get("/apisix/admin/routes/1").status_code == 404


async def test_the_assistants_token_is_no_leave_to_approve(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with assistant(gateway, tmp_path, 'mode = "ask-always"', token=rig.TOKEN) as client:
        bearer = {"authorization": f"Bearer {rig.TOKEN}"}
        answer = await client.put("/apisix/admin/routes/1", json=route(gateway), headers=bearer)
        path = f"/plans/{answer.json()['plan']}"
        assert (await client.get(path, headers=bearer)).status_code == 401
        assert (await client.post(f"{path}/approve", headers=bearer, data={})).status_code == 401
