"""Who is let in, as whom, and how often; asked over real HTTP at every face."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.datastructures import Headers

from gatechat.assistant.app import create_app
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.sign_in import LOCAL, Database, SignIn, Tokens
from gatechat.assistant.sign_in.authenticate import FAILURES, USUAL_RATE
from gatechat.assistant.sign_in.database import FILE
from tests.assistant import rig
from tests.assistant.faces.mcp_rig import ERAS

ROUTES = "/apisix/admin/routes"


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    with closing(Database(tmp_path / FILE)) as database:
        yield Tokens(database)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def assistant(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, rig.AdminStandIn]]:
    """A client of an assistant on this data folder, and the Admin API behind it."""
    admin = rig.AdminStandIn()
    async with (
        rig.serving(admin) as admin_port,
        rig.assistant(admin_port, data_dir=folder, **settings) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client, admin


# Who must sign in


OPEN: dict[str, dict[str, Any]] = {
    "on every address": {"host": "0.0.0.0"},
    "behind a tunnel with a public name": {"public_url": "https://gate.example.com"},
    "with another name": {"allowed_hosts": ("gate.internal",)},
    "where it is asked for": {"require_sign_in": True},
}


@pytest.mark.parametrize("settings", OPEN.values(), ids=OPEN)
def test_it_does_not_start_where_callers_must_sign_in_and_nobody_could(
    settings: dict[str, Any], tmp_path: Path, tokens: Tokens
) -> None:
    told = AssistantSettings(data_dir=tmp_path, **settings)
    ended = tokens.make("ended", Role.ADMIN, lasts=-1.0)
    assert ended
    with pytest.raises(SettingsError, match="gatechat token make NAME"):
        create_app(told)
    tokens.make("ci", Role.VIEWER)
    create_app(told)


@pytest.mark.parametrize("settings", OPEN.values(), ids=OPEN)
async def test_where_others_can_call_no_token_is_no_entry(
    settings: dict[str, Any], tmp_path: Path, tokens: Tokens
) -> None:
    token = tokens.make("ci", Role.EDITOR)
    async with assistant(tmp_path, **settings) as (client, admin):
        refused = await client.get(ROUTES)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "gatechat token make" in refused.json()["error_msg"]
        assert admin.asked == []
        assert (await client.get(ROUTES, headers=bearer(token))).status_code == 200


async def test_on_this_machine_alone_who_sends_nothing_is_an_editor_also_once_there_are_tokens(
    tmp_path: Path, tokens: Tokens
) -> None:
    viewer = tokens.make("looker", Role.VIEWER)
    async with assistant(tmp_path) as (client, _):
        assert (await client.get(ROUTES)).status_code == 200
        assert (await client.delete(f"{ROUTES}/1", headers=bearer(viewer))).status_code == 403
        assert (await client.get(ROUTES, headers=bearer("gatechat_unknown"))).status_code == 401


FORWARDED = {
    "Forwarded": "for=203.0.113.9",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "gate.example.com",
    "X-Real-IP": "127.0.0.1",
    "CF-Connecting-IP": "203.0.113.9",
}


@pytest.mark.parametrize("header", FORWARDED.items(), ids=FORWARDED)
async def test_what_a_tunnel_brings_to_loopback_must_sign_in(
    header: tuple[str, str], tmp_path: Path, tokens: Tokens
) -> None:
    token = tokens.make("ci", Role.EDITOR)
    async with assistant(tmp_path) as (client, admin):
        assert (await client.get(ROUTES, headers=dict([header]))).status_code == 401
        assert admin.asked == []
        assert (await client.get(ROUTES, headers=dict([header]) | bearer(token))).status_code == 200


# What is a credential


SENT: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "in the query": ({"access_token": "{token}"}, {}),
    "as the query's token": ({"token": "{token}"}, {}),
    "as an API key": ({}, {"x-api-key": "{token}"}),
    "as a cookie": ({}, {"cookie": "token={token}; authorization=Bearer {token}"}),
    "as a password": ({}, {"authorization": "Basic {token}"}),
    "alone": ({}, {"authorization": "{token}"}),
    "cut": ({}, {"authorization": "Bearer {cut}"}),
    "twice in one": ({}, {"authorization": "Bearer {token} {token}"}),
    "in capitals": ({}, {"authorization": "Bearer {capitals}"}),
}


@pytest.mark.parametrize(("query", "headers"), SENT.values(), ids=SENT)
async def test_a_token_counts_only_as_a_bearer_in_its_header(
    query: dict[str, str], headers: dict[str, str], tmp_path: Path, tokens: Tokens
) -> None:
    token = tokens.make("ci", Role.EDITOR)
    texts = {"token": token, "cut": token[:-1], "capitals": token.upper()}
    sent = [{name: value.format(**texts) for name, value in parts.items()} for parts in (query, headers)]
    async with assistant(tmp_path, require_sign_in=True) as (client, admin):
        answer = await client.get(ROUTES, params=sent[0], headers=sent[1])
    assert answer.status_code == 401
    assert admin.asked == []


async def test_two_credentials_are_one_too_many(tmp_path: Path, tokens: Tokens) -> None:
    header = ("authorization", f"Bearer {tokens.make('ci', Role.EDITOR)}")
    async with assistant(tmp_path) as (client, admin):
        answer = await client.get(ROUTES, headers=[header, header])
    assert answer.status_code == 400
    assert admin.asked == []


async def test_a_good_token_opens_to_no_foreign_page_and_no_foreign_name(
    tmp_path: Path, tokens: Tokens
) -> None:
    good = bearer(tokens.make("ci", Role.ADMIN))
    async with assistant(tmp_path) as (client, admin):
        for header, status in (({"origin": "https://evil.example"}, 403), ({"host": "evil.example"}, 421)):
            assert (await client.get(ROUTES, headers=good | header)).status_code == status
    assert admin.asked == []


async def test_no_token_is_ever_logged_or_passed_on(
    tmp_path: Path, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = tokens.make("ci", Role.EDITOR), "gatechat_not-a-token-of-ours"
    async with assistant(tmp_path, token=rig.TOKEN) as (client, admin):
        answers = [
            await client.get(path, headers=bearer(token))
            for path in (ROUTES, f"{ROUTES}/1", "/nothing", "/mcp")
            for token in (good, bad, rig.TOKEN)
        ]
    told = [caplog.text, *(answer.text + str(answer.headers) for answer in answers), repr(admin.asked)]
    assert not [text for text in told for token in (good, bad, rig.TOKEN) if token in text]


# What one may


WRITES = [("PUT", f"{ROUTES}/1"), ("POST", ROUTES), ("PATCH", f"{ROUTES}/1"), ("DELETE", f"{ROUTES}/1")]


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_viewer_writes_nothing_through_the_forwarder_and_nothing_is_read(
    method: str, path: str, tmp_path: Path, tokens: Tokens
) -> None:
    viewer = bearer(tokens.make("looker", Role.VIEWER))
    async with assistant(tmp_path) as (client, admin):
        answer = await client.request(method, path, headers=viewer, json={"uri": "/x"})
        assert (await client.get(ROUTES, headers=viewer)).status_code == 200
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="editor"' in answer.headers["www-authenticate"]
    assert "needs the role editor; token:looker is viewer" in answer.json()["error_msg"]
    assert {asked.method for asked in admin.asked} == {"GET"}


CALLS: dict[str, dict[str, Any]] = {
    "plan": {"reason": "x", "changes": [{"action": "delete", "kind": "routes", "id": "1"}]},
    "apply": {"plan": "p1"},
    "undo": {"change": "c1", "reason": "x"},
    "send_request": {"path": "/"},
}


@asynccontextmanager
async def mcp(client: httpx2.AsyncClient, token: str, era: str) -> AsyncIterator[Client]:
    http = httpx2.AsyncClient(headers=bearer(token), trust_env=False)
    transport = streamable_http_client(f"{client.base_url}/mcp".replace("//mcp", "/mcp"), http_client=http)
    async with http, Client(transport, mode="legacy" if era != ERAS[0] else "auto") as talk:
        yield talk


@pytest.mark.parametrize("era", ERAS)
async def test_a_viewer_over_mcp_sees_every_tool_and_is_refused_those_that_do_something(
    era: str, tmp_path: Path, tokens: Tokens
) -> None:
    viewer = tokens.make("looker", Role.VIEWER)
    async with assistant(tmp_path) as (client, admin), mcp(client, viewer, era) as talk:
        assert CALLS.keys() <= {tool.name for tool in (await talk.list_tools()).tools}
        for name, arguments in CALLS.items():
            answer = await talk.call_tool(name, arguments)
            assert answer.is_error
            assert f"{name} needs the role editor; token:looker is viewer" in answer.content[0].text  # type: ignore[union-attr]
        assert admin.asked == []


async def test_a_session_belongs_to_who_opened_it(tmp_path: Path, tokens: Tokens) -> None:
    anna, bert = bearer(tokens.make("anna", Role.EDITOR)), bearer(tokens.make("bert", Role.ADMIN))
    accept = {"accept": "application/json, text/event-stream"}
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": ERAS[1],
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    async with assistant(tmp_path) as (client, _):
        opened = await client.post("/mcp", json=hello, headers=anna | accept)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": ERAS[1]}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        for who, status in ((anna, 200), (bert, 404), ({}, 404)):
            answer = await client.post("/mcp", json=ping, headers=who | accept | session)
            assert answer.status_code == status
        tokens.revoke("anna")
        assert (await client.post("/mcp", json=ping, headers=anna | accept | session)).status_code == 401


# How often


async def authenticated(sign_in: SignIn, token: str | None, client: str = "203.0.113.9") -> Principal | int:
    """The principal, or the status of the refusal."""
    try:
        return await sign_in.authenticate(Headers(bearer(token) if token else {}), client)
    except Problem as problem:
        return problem.status


@pytest.fixture
def sign_in(tmp_path: Path) -> Iterator[SignIn]:
    with closing(SignIn(AssistantSettings(data_dir=tmp_path, token=rig.TOKEN))) as made:
        yield made


async def test_who_guesses_is_stopped_and_who_was_known_before_is_not(
    sign_in: SignIn, tokens: Tokens
) -> None:
    known, fresh = tokens.make("known", Role.EDITOR), tokens.make("fresh", Role.EDITOR)
    anna = Principal("token:known", Role.EDITOR, "")
    assert await authenticated(sign_in, known) == anna
    tries = [await authenticated(sign_in, f"guess-{number}") for number in range(FAILURES + 5)]
    assert tries == [401] * FAILURES + [429] * 5
    assert await authenticated(sign_in, rig.TOKEN) == 429
    assert await authenticated(sign_in, fresh) == 429
    assert await authenticated(sign_in, known) == anna
    assert await authenticated(sign_in, fresh, "203.0.113.10") == Principal("token:fresh", Role.EDITOR, "")


async def test_a_known_token_that_is_revoked_is_a_guess_from_then_on(sign_in: SignIn, tokens: Tokens) -> None:
    token = tokens.make("anna", Role.EDITOR)
    await authenticated(sign_in, token)
    tokens.revoke("anna")
    assert [await authenticated(sign_in, token) for _ in range(FAILURES + 1)] == [401] * FAILURES + [429]


async def test_an_attackers_ipv6_network_is_one_address(sign_in: SignIn) -> None:
    for number in range(FAILURES):
        assert await authenticated(sign_in, "guess", f"2001:db8::{number:x}") == 401
    assert await authenticated(sign_in, "guess", "2001:db8::ffff") == 429
    assert await authenticated(sign_in, "guess", "2001:db8:0:1::1") == 401


@pytest.mark.parametrize(
    "address", ["203.0.113.{}", "::ffff:203.0.113.{}", "fe80:{}::1%eth0", "2001:db8:0:{}::1"]
)
async def test_one_who_guesses_shuts_out_no_neighbour(sign_in: SignIn, address: str) -> None:
    for _ in range(FAILURES):
        assert await authenticated(sign_in, "guess", address.format(1)) == 401
    assert await authenticated(sign_in, "guess", address.format(1)) == 429
    assert await authenticated(sign_in, "guess", address.format(2)) == 401


async def test_each_principal_has_its_own_requests(sign_in: SignIn, tokens: Tokens) -> None:
    token = tokens.make("anna", Role.EDITOR)
    answers = [await authenticated(sign_in, rig.TOKEN) for _ in range(USUAL_RATE + 1)]
    assert answers[-1] == 429
    assert 429 not in answers[:-1]
    assert await authenticated(sign_in, token) == Principal("token:anna", Role.EDITOR, "")


@pytest.mark.parametrize(("limit", "refused"), [(None, False), (0, False), (3, True)])
async def test_this_machine_is_limited_only_where_the_settings_say_so(
    limit: int | None, refused: bool, tmp_path: Path
) -> None:
    with closing(SignIn(AssistantSettings(data_dir=tmp_path, rate_limit=limit))) as sign_in:
        answers = [await authenticated(sign_in, None) for _ in range(USUAL_RATE + 1)]
    assert answers[:3] == [LOCAL] * 3
    assert (answers[-1] == 429) is refused


async def test_over_http_a_caller_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with assistant(tmp_path, rate_limit=1) as (client, _):
        assert (await client.get(ROUTES)).status_code == 200
        answer = await client.get(ROUTES)
        assert (await client.get("/healthz")).status_code == 200
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert "local asked too often" in answer.json()["error_msg"]
