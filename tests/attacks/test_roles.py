"""A viewer that writes, and callers who use what is another's: at every face, on a real gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in import Database, Tokens
from gatechat.assistant.sign_in.database import FILE
from tests.assistant.faces import mcp_rig
from tests.attacks import rig
from tests.conftest import GatewayUnderTest

both_eras = pytest.mark.parametrize("era", rig.ERAS)


def signed_in(folder: Path, name: str, role: Role) -> dict[str, str]:
    """The header of somebody with a token of this role."""
    with closing(Database(folder / FILE)) as database:
        return {"authorization": f"Bearer {Tokens(database).make(name, role)}"}


@asynccontextmanager
async def mcp(
    target: rig.Target, who: dict[str, str], era: str = rig.ERAS[0], person: Any = None
) -> AsyncIterator[Client]:
    http = httpx2.AsyncClient(headers=who, trust_env=False)
    transport = streamable_http_client(f"{target.url}/mcp", http_client=http)
    mode = "auto" if era == rig.ERAS[0] else "legacy"
    async with http, Client(transport, mode=mode, elicitation_callback=person) as client:
        yield client


def shop(gateway: GatewayUnderTest) -> Any:
    gateway.put("routes/shop", {"uri": "/shop", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    return everything(gateway)


def everything(gateway: GatewayUnderTest) -> Any:
    kinds = ("routes", "upstreams", "services", "consumers", "global_rules")
    return [gateway.admin.get(f"/apisix/admin/{kind}").json() for kind in kinds]


WRITES: dict[str, tuple[str, str, Any]] = {
    "creates": ("POST", "routes", {"uri": "/x", "upstream_id": "1"}),
    "replaces": ("PUT", "routes/shop", {"uri": "/x", "upstream_id": "1"}),
    "merges": ("PATCH", "routes/shop", {"status": 0}),
    "merges a part": ("PATCH", "routes/shop/status", 0),
    "deletes": ("DELETE", "routes/shop", None),
    "deletes by force": ("DELETE", "routes/shop?force=true", None),
    "opens everything": ("PUT", "global_rules/1", {"plugins": {"cors": {}}}),
    "lets somebody in": ("PUT", "consumers", {"username": "eve"}),
    "reloads plugins": ("PUT", "plugins/reload", None),
    "sends what is no JSON": ("PUT", "routes/shop", "{"),
}


@pytest.mark.parametrize(("method", "path", "body"), WRITES.values(), ids=WRITES)
async def test_a_viewer_writes_nothing_at_port_5000(
    gateway: GatewayUnderTest, tmp_path: Path, method: str, path: str, body: Any
) -> None:
    before = shop(gateway)
    viewer = signed_in(tmp_path, "looker", Role.VIEWER)
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"') as target:
        content = {"content": body} if isinstance(body, str) else {"json": body}
        answer = await target.http.request(method, f"/apisix/admin/{path}", headers=viewer, **content)
        history = await target.http.get("/apisix/admin/routes/shop", headers=viewer)
    assert answer.status_code == 403
    assert "needs the role editor" in answer.json()["error_msg"]
    assert history.status_code == 200
    assert everything(gateway) == before


@both_eras
async def test_a_viewer_writes_nothing_over_mcp_also_with_an_editors_plan(
    gateway: GatewayUnderTest, tmp_path: Path, era: str
) -> None:
    before = shop(gateway)
    viewer, editor = signed_in(tmp_path, "looker", Role.VIEWER), signed_in(tmp_path, "anna", Role.EDITOR)
    person = mcp_rig.Person([])
    async with (
        rig.target(gateway, tmp_path, 'mode = "never-ask"') as target,
        mcp(target, editor, era) as anna,
        mcp(target, viewer, era, person) as looker,
    ):
        plan = await rig.planned(anna, rig.deletion("shop"))
        for tool, arguments in (
            ("plan", {"reason": "x", "operations": [rig.deletion("shop")]}),
            ("apply", {"plan": plan}),
            ("undo", {"change": plan}),
            ("send_request", {"path": "/shop"}),
        ):
            answer = await looker.call_tool(tool, arguments)
            assert answer.is_error
            assert f"{tool} needs the role editor; token:looker is viewer" in rig.said(answer)
        assert not (await looker.call_tool("plan_state", {"plan": plan})).is_error
    assert person.asked == []
    assert everything(gateway) == before


@pytest.mark.parametrize("action", ["plan", "apply", "undo"])
async def test_a_viewer_writes_nothing_as_an_action(
    gateway: GatewayUnderTest, tmp_path: Path, action: str
) -> None:
    before = shop(gateway)
    viewer = signed_in(tmp_path, "looker", Role.VIEWER)
    body = {"reason": "x", "operations": [rig.deletion("shop")], "plan": "p", "change": "c"}
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"') as target:
        answer = await target.http.post(f"/actions/{action}", headers=viewer, json=body)
    assert answer.status_code == 403
    assert f"{action} needs the role editor" in answer.json()["error_msg"]
    assert everything(gateway) == before


@both_eras
async def test_nobody_applies_anothers_plan_and_an_editors_own_yes_is_none(
    gateway: GatewayUnderTest, tmp_path: Path, era: str
) -> None:
    before = shop(gateway)
    editor, admin = signed_in(tmp_path, "anna", Role.EDITOR), signed_in(tmp_path, "bert", Role.ADMIN)
    person = mcp_rig.Person([mcp_rig.YES] * 4)
    async with (
        rig.target(gateway, tmp_path, 'mode = "ask-always"') as target,
        mcp(target, editor, era, person) as anna,
        mcp(target, admin, era) as bert,
    ):
        plan = await rig.planned(anna, rig.deletion("shop"))
        for client in (anna, bert):
            await client.call_tool("apply", {"plan": plan})
            assert everything(gateway) == before
    assert {it.mode for it in person.asked} <= {"url"}, "an editor is shown the page, and no form"


async def test_an_approvers_yes_in_their_own_client_counts(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    shop(gateway)
    approver = signed_in(tmp_path, "cleo", Role.APPROVER)
    person = mcp_rig.Person([mcp_rig.YES])
    async with (
        rig.target(gateway, tmp_path, 'mode = "ask-always"') as target,
        mcp(target, approver, person=person) as cleo,
    ):
        answer = await cleo.call_tool("apply", {"plan": await rig.planned(cleo, rig.deletion("shop"))})
    assert not answer.is_error, rig.said(answer)
    assert len(person.asked) == 1
    assert gateway.admin.get("/apisix/admin/routes/shop").status_code == 404
