"""/mcp over real HTTP: guarded like every face, without a session in the 2026-07-28 revision."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.assistant.faces.mcp import who
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.sign_in import SHARED_TOKEN
from tests.assistant import rig as http_rig
from tests.assistant.conftest import Talk
from tests.assistant.faces import mcp_rig as rig

MODERN = rig.ERAS[0]
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": MODERN}


def ask(method: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META}}


async def post(client: httpx2.AsyncClient, method: str, **headers: str) -> httpx2.Response:
    more = {"mcp-method": method} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/mcp", json=ask(method), headers=HEADERS | more)


@pytest.mark.parametrize("era", rig.ERAS)
async def test_both_eras_are_served_at_the_same_address(talk: Talk, era: str) -> None:
    async with rig.client(f"http://127.0.0.1:{talk.port}/mcp", era) as client:
        assert client.protocol_version == era
        assert len((await client.list_prompts()).prompts) == 6


async def test_a_request_of_today_stands_alone(talk: Talk) -> None:
    answer = await post(talk.client, "tools/list")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert answer.json()["result"]["ttlMs"] > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"host": "evil.example"}, 421),
        ({"origin": "null"}, 403),
        ({"origin": "https://chatgpt.com"}, 200),
        ({}, 200),
    ],
)
async def test_who_may_call_is_asked_as_at_every_face(
    talk: Talk, headers: dict[str, str], status: int
) -> None:
    answer = await post(talk.client, "tools/list", **headers)
    assert answer.status_code == status


async def test_a_page_may_read_the_session_of_an_older_client(talk: Talk) -> None:
    answer = await post(talk.client, "tools/list", origin="https://chatgpt.com")
    assert answer.headers["access-control-expose-headers"] == "mcp-session-id"
    assert answer.headers["access-control-allow-origin"] == "https://chatgpt.com"


@pytest.mark.parametrize(
    ("sent", "status"),
    [(None, 401), ("Bearer wrong", 401), (f"Bearer {http_rig.TOKEN}", 200)],
)
async def test_with_a_token_only_who_sends_it_is_let_in(sent: str | None, status: int) -> None:
    async with (
        http_rig.assistant(http_rig.free_port(), token=http_rig.TOKEN) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await post(client, "tools/list", **({"authorization": sent} if sent else {}))
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_older_client_with_the_token_has_a_session() -> None:
    async with http_rig.assistant(http_rig.free_port(), token=http_rig.TOKEN) as port:
        http = httpx2.AsyncClient(headers={"authorization": f"Bearer {http_rig.TOKEN}"}, trust_env=False)
        transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
        async with http, Client(transport, mode="legacy") as client:
            assert len((await client.list_prompts()).prompts) == 6


PEOPLE: dict[str, tuple[Principal, Role]] = {
    "on this machine, where nobody signs in: the owner": (who.LOCAL, Role.APPROVER),
    "with the token that all share": (replace(SHARED_TOKEN, face="mcp"), Role.EDITOR),
    "with an editor's token": (Principal("token:anna", Role.EDITOR, "mcp"), Role.EDITOR),
    "with an approver's token": (Principal("token:anna", Role.APPROVER, "mcp"), Role.APPROVER),
    "who calls a token local": (Principal("local", Role.VIEWER, "mcp"), Role.VIEWER),
}


@pytest.mark.parametrize(("principal", "role"), PEOPLE.values(), ids=PEOPLE)
def test_the_person_at_a_client_has_the_role_of_their_sign_in(principal: Principal, role: Role) -> None:
    assert who.person_behind(principal) == replace(principal, role=role, person=True)


async def test_a_body_that_is_too_large_is_not_read() -> None:
    async with (
        http_rig.assistant(http_rig.free_port()) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        large = ask("tools/list") | {"padding": "x" * LARGEST_BODY}
        answer = await client.post("/mcp", content=json.dumps(large), headers=HEADERS)
    assert answer.status_code == 413
