"""The whole road over real MCP: an assistant plans, a person says yes in the client, the gateway serves."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult, ElicitRequestFormParams, TextContent

from tests.assistant import rig as http_rig
from tests.assistant.faces import mcp_rig as rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest

both_eras = pytest.mark.parametrize("era", rig.ERAS)


def text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def planned(client: Client, *operations: dict[str, Any]) -> str:
    made = await client.call_tool("plan", {"reason": "a test", "operations": list(operations)})
    assert not made.is_error, text(made)
    assert made.structured_content
    return str(made.structured_content["plan"])


async def assistant(gateway: GatewayUnderTest) -> Any:
    return http_rig.assistant(
        gateway.gateway.admin_url, admin_key=ADMIN_KEY, gateway_url=gateway.gateway.proxy_url
    )


@both_eras
async def test_a_route_is_published_deleted_with_a_persons_yes_and_brought_back(
    gateway: GatewayUnderTest, era: str
) -> None:
    person = rig.Person([rig.YES, rig.YES, rig.YES])
    route = {"uri": "/hello", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}}
    async with (
        await assistant(gateway) as port,
        rig.client(f"http://127.0.0.1:{port}/mcp", era, person) as client,
    ):
        plan = await planned(client, {"action": "create", "kind": "routes", "id": "hello", "value": route})
        applied = await client.call_tool("apply", {"plan": plan})
        assert not applied.is_error, text(applied)
        assert gateway.client.get("/hello").status_code == 200

        plan = await planned(client, {"action": "delete", "kind": "routes", "id": "hello"})
        deleted = await client.call_tool("apply", {"plan": plan})
        assert not deleted.is_error, text(deleted)
        assert gateway.client.get("/hello").status_code == 404

        undone = await client.call_tool("undo", {"change": plan})
        assert undone.structured_content
        back = await client.call_tool("apply", {"plan": undone.structured_content["plan"]})
        assert not back.is_error, text(back)
        assert gateway.client.get("/hello").status_code == 200
    questions = [asked.message for asked in person.asked if isinstance(asked, ElicitRequestFormParams)]
    assert any("- delete routes/hello" in question for question in questions)


@both_eras
async def test_without_a_persons_yes_nothing_risky_happens(gateway: GatewayUnderTest, era: str) -> None:
    gateway.put("routes/shop", {"uri": "/shop", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    async with await assistant(gateway) as port, rig.client(f"http://127.0.0.1:{port}/mcp", era) as client:
        plan = await planned(client, {"action": "delete", "kind": "routes", "id": "shop"})
        for _ in range(2):
            result = await client.call_tool("apply", {"plan": plan})
            assert result.structured_content == {
                "answer": text(result),
                "plan": plan,
                "state": "waiting",
                "page": f"http://localhost:{port}/plans/{plan}",
            }
        pushed = await client.call_tool("apply", {"plan": plan, "confirm": True})
        assert pushed.is_error
    assert gateway.client.get("/shop").status_code == 200


@both_eras
async def test_what_a_tool_answers_is_what_its_schema_promises(gateway: GatewayUnderTest, era: str) -> None:
    gateway.put("routes/r1", {"uri": "/r1", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    calls: dict[str, dict[str, Any]] = {
        "overview": {},
        "find": {"where": {"path": "/r1"}},
        "get": {"kind": "routes", "id": "r1", "view": "in effect"},
        "describe": {"name": "key-auth"},
        "explain_request": {"url": "/r1"},
        "send_request": {"path": "/r1"},
        "history": {},
    }
    async with await assistant(gateway) as port, rig.client(f"http://127.0.0.1:{port}/mcp", era) as client:
        await client.list_tools()  # the client holds every answer against the schemas that it has seen
        for tool, arguments in calls.items():
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, text(result)
            assert result.structured_content
            assert result.structured_content["answer"] == text(result)
        docs = await client.read_resource("plugin-docs://key-auth")
        route = await client.read_resource("route://r1")
    assert docs.contents
    assert route.contents
