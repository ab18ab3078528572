"""Callers who want more than their role: a viewer that writes, an editor that approves, nobody at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestFormParams

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in import Database, Tokens
from gatechat.assistant.sign_in.database import FILE
from tests.assistant import rig as served
from tests.assistant.faces import mcp_rig
from tests.attacks import rig
from tests.conftest import GatewayUnderTest

ROUTE: dict[str, Any] = {"uri": "/shop"}


def tokens(folder: Path) -> dict[str, str]:
    """One for each role, one that was revoked, one that has lapsed."""
    database = Database(folder / FILE)
    made = Tokens(database)
    found = {role.name.lower(): made.make(role.name.lower(), role) for role in Role}
    found["revoked"] = made.make("revoked", Role.ADMIN)
    made.revoke("revoked")
    found["expired"] = made.make("expired", Role.ADMIN, -1)
    found["made up"] = found["admin"][:-3] + "AAA"
    found["nobody"] = ""
    database.close()
    return found


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


@asynccontextmanager
async def mcp(target: rig.Target, token: str, era: str, person: Any = None) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=bearer(token), trust_env=False) as http:
        transport = streamable_http_client(f"{target.url}/mcp", http_client=http)
        async with mcp_rig.client(transport, era, person) as client:
            yield client


async def writes(target: rig.Target, token: str) -> dict[str, int]:
    """What each way of writing through plain HTTP answers."""
    operation = {"action": "create", "kind": "routes", "id": "x", "value": ROUTE}
    asked: dict[str, tuple[str, str, Any]] = {
        "PUT": ("PUT", "/apisix/admin/routes/x", ROUTE),
        "POST": ("POST", "/apisix/admin/routes", ROUTE),
        "PATCH": ("PATCH", "/apisix/admin/routes/shop", {"desc": "x"}),
        "DELETE": ("DELETE", "/apisix/admin/routes/shop", None),
        "reload": ("PUT", "/apisix/admin/plugins/reload", None),
        "plan": ("POST", "/actions/plan", {"reason": "r", "operations": [operation]}),
        "apply": ("POST", "/actions/apply", {"plan": "000000000000"}),
        "undo": ("POST", "/actions/undo", {"change": "000000000000"}),
    }
    return {
        what: (await target.http.request(method, path, json=body, headers=bearer(token))).status_code
        for what, (method, path, body) in asked.items()
    }


@pytest.mark.parametrize(
    ("who", "status"),
    [("viewer", 403), ("nobody", 401), ("revoked", 401), ("expired", 401), ("made up", 401)],
)
async def test_who_may_not_write_does_not_through_any_face(
    gateway: GatewayUnderTest, tmp_path: Path, who: str, status: int
) -> None:
    token = tokens(tmp_path)[who]
    gateway.put("routes/shop", {**ROUTE, "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    before = gateway.admin.get("/apisix/admin/routes").json()
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"', token=served.TOKEN) as target:
        assert set((await writes(target, token)).values()) == {status}
        assert (await target.http.post("/mcp", json={}, headers=bearer(token))).status_code in (400, 401, 406)
        page = await target.http.post("/plans/p1/approve", headers=bearer(token))
        assert page.status_code in (401, 403)
    assert gateway.admin.get("/apisix/admin/routes").json() == before


@pytest.mark.parametrize("era", rig.ERAS)
async def test_a_viewer_writes_with_no_tool_and_a_yes_of_theirs_counts_for_nothing(
    gateway: GatewayUnderTest, tmp_path: Path, era: str
) -> None:
    known = tokens(tmp_path)
    gateway.put("routes/shop", {**ROUTE, "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    person = mcp_rig.Person([mcp_rig.YES] * 9)
    async with rig.target(gateway, tmp_path) as target:
        async with mcp(target, known["editor"], era, person) as editor:
            plan = await rig.planned(editor, rig.deletion("shop"))
            waits = await editor.call_tool("apply", {"plan": plan})
            assert (waits.structured_content or {})["state"] == "waiting", "an editor's yes is none"
        async with mcp(target, known["viewer"], era, person) as viewer:
            for tool, arguments in (
                ("plan", {"reason": "r", "operations": [rig.deletion("shop")]}),
                ("apply", {"plan": plan}),
                ("undo", {"change": plan}),
            ):
                refused = await viewer.call_tool(tool, arguments)
                assert refused.is_error
                assert "needs the role editor" in rig.said(refused)
            assert not (await viewer.call_tool("overview", {})).is_error
        assert not any(isinstance(asked, ElicitRequestFormParams) for asked in person.asked), (
            "they are at most sent to the page, whose door is another"
        )
    assert "shop" in target.routes()


async def test_a_plan_is_for_who_asked_and_for_approvers(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    known = tokens(tmp_path)
    database = Database(tmp_path / FILE)
    foreign = Tokens(database).make("other-editor", Role.EDITOR)
    database.close()
    gateway.put("routes/shop", {**ROUTE, "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    async with rig.target(gateway, tmp_path) as target, target.browser() as owner:
        async with mcp(target, known["editor"], rig.ERAS[0]) as editor:
            plan = await rig.planned(editor, rig.deletion("shop"))
        await owner.post(f"/plans/{plan}/approve", data=await target.form(owner, plan))
        async with mcp(target, foreign, rig.ERAS[0]) as other:
            refused = await other.call_tool("apply", {"plan": plan})
            assert refused.is_error
            assert "may be applied by token:editor only" in rig.said(refused)
        assert "shop" in target.routes()
        async with mcp(target, known["editor"], rig.ERAS[0]) as editor:
            assert not (await editor.call_tool("apply", {"plan": plan})).is_error
        assert "shop" not in target.routes()


async def test_an_approver_at_the_client_says_yes_and_nobody_below(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    known = tokens(tmp_path)
    gateway.put("routes/shop", {**ROUTE, "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    person = mcp_rig.Person([mcp_rig.YES])
    async with (
        rig.target(gateway, tmp_path) as target,
        mcp(target, known["approver"], rig.ERAS[0], person) as approver,
    ):
        plan = await rig.planned(approver, rig.deletion("shop"))
        assert not (await approver.call_tool("apply", {"plan": plan})).is_error
        assert len(person.asked) == 1
    assert "shop" not in target.routes()
