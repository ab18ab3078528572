"""Who may call: Host, Origin, CORS and the token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.assistant import rig
from tests.assistant.conftest import Talk

FRIENDS = [
    "https://chat.openai.com",
    "https://chatgpt.com",
    "http://localhost:5000",
    "http://127.0.0.1:8000",
    "http://[::1]:3000",
    "http://localhost",
]
STRANGERS = [
    "https://evil.example",
    "http://chatgpt.com",
    "https://chatgpt.com.evil.example",
    "https://chatgpt.com:8443",
    "http://localhost.evil.example",
    "http://user@localhost",
    "http://localhost/path",
    "file://",
    "null",
    "http://[::1",
]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5000", "127.0.0.1:1", "[::1]:5000"])
async def test_this_machines_own_names_are_hosts(talk: Talk, host: str) -> None:
    answer = await talk.raw(f"GET /apisix/admin/routes HTTP/1.1\nHost: {host}\n\n".encode())
    assert answer.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil", "", "["]
)
async def test_a_host_of_another_reaches_nothing(talk: Talk, host: str) -> None:
    answer = await talk.raw(f"GET /apisix/admin/routes HTTP/1.1\nHost: {host}\n\n".encode())
    assert answer.status == 421
    assert "--public-url" in json.loads(answer.body)["error_msg"]
    assert talk.admin.asked == []


@pytest.mark.parametrize("target", ["http://localhost/", "http://evil.example/apisix/admin/routes", "*"])
async def test_a_whole_url_is_refused_because_this_is_no_proxy(talk: Talk, target: str) -> None:
    answer = await talk.raw(f"GET {target} HTTP/1.1\nHost: localhost\n\n".encode())
    assert answer.status == 400
    assert "no proxy" in json.loads(answer.body)["error_msg"]


async def test_two_hosts_reach_nothing(talk: Talk) -> None:
    answer = await talk.raw(b"GET /apisix/admin/routes HTTP/1.1\nHost: localhost\nHost: evil.example\n\n")
    assert answer.status == 400
    assert talk.admin.asked == []


async def test_the_public_urls_name_is_a_host_and_its_origin_a_friend() -> None:
    admin = rig.AdminStandIn()
    async with (
        rig.serving(admin) as admin_port,
        rig.assistant(
            admin_port,
            public_url="https://gate.example.com",
            allowed_hosts=("inside",),
            token=rig.TOKEN,
        ) as port,
    ):
        for host in ("gate.example.com", "inside:5000"):
            request = (
                f"GET /apisix/admin/routes HTTP/1.1\nHost: {host}\nOrigin: https://gate.example.com\n"
                f"Authorization: Bearer {rig.TOKEN}\n\n"
            )
            assert (await rig.raw(port, request.encode())).status == 200


@pytest.mark.parametrize("origin", FRIENDS)
async def test_a_friend_is_answered_with_its_origin(talk: Talk, origin: str) -> None:
    answer = await talk.client.get("/apisix/admin/routes", headers={"origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", STRANGERS)
async def test_a_stranger_is_refused_before_the_admin_api_hears_of_it(talk: Talk, origin: str) -> None:
    answer = await talk.client.post("/apisix/admin/routes", headers={"origin": origin}, json={})
    assert answer.status_code == 403
    assert "--allowed-origins" in answer.json()["error_msg"]
    assert "access-control-allow-origin" not in answer.headers
    assert talk.admin.asked == []


@pytest.mark.parametrize("path", ["/apisix/admin/routes/1", "/.well-known/ai-plugin.json"])
async def test_a_preflight_says_what_is_allowed(talk: Talk, path: str) -> None:
    answer = await talk.client.options(
        path,
        headers={
            "origin": "https://chatgpt.com",
            "access-control-request-method": "PATCH",
            "access-control-request-headers": "content-type,openai-conversation-id",
            "access-control-request-private-network": "true",
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://chatgpt.com"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type,openai-conversation-id"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert talk.admin.asked == []


async def test_a_strangers_preflight_is_refused(talk: Talk) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "PUT"}
    assert (await talk.client.options("/apisix/admin/routes/1", headers=headers)).status_code == 403


async def test_an_error_of_ours_can_be_read_by_a_friends_page(talk: Talk) -> None:
    answer = await talk.client.get("/nothing", headers={"origin": "https://chatgpt.com"})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "https://chatgpt.com"


@pytest_asyncio.fixture
async def guarded() -> AsyncIterator[Talk]:
    """An assistant that asks for a token."""
    admin = rig.AdminStandIn()
    async with (
        rig.serving(admin) as admin_port,
        rig.assistant(admin_port, token=rig.TOKEN) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield Talk(admin, port, client)


@pytest.mark.parametrize("value", [f"Bearer {rig.TOKEN}", f"bearer {rig.TOKEN}", f"BEARER  {rig.TOKEN}"])
async def test_the_token_opens(guarded: Talk, value: str) -> None:
    answer = await guarded.client.get("/apisix/admin/routes", headers={"authorization": value})
    assert answer.status_code == 200
    assert "authorization" not in guarded.admin.asked[0].headers


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", f"Basic {rig.TOKEN}", rig.TOKEN, f"Bearer {rig.TOKEN}x", "Bearer \xe9"],
)
async def test_anything_else_does_not(guarded: Talk, value: str | None) -> None:
    headers = {} if value is None else {"authorization": value.encode("latin-1")}
    answer = await guarded.client.get("/apisix/admin/routes", headers=headers)
    assert answer.status_code == 401
    sent_one = (value or "").lower().startswith("bearer")
    assert answer.headers["www-authenticate"] == ('Bearer error="invalid_token"' if sent_one else "Bearer")
    assert "--token" in answer.json()["error_msg"]
    assert rig.TOKEN not in answer.text
    assert guarded.admin.asked == []


async def test_what_an_assistant_reads_first_needs_no_token(guarded: Talk) -> None:
    for path in ("/", "/.well-known/ai-plugin.json", "/openapi.yaml", "/openapi.json", "/logo.png", "/legal"):
        assert (await guarded.client.get(path)).status_code == 200, path
    for path in ("/nothing", "/apisix/admin", "/legal/"):
        assert (await guarded.client.get(path)).status_code == 401, path


async def test_a_preflight_needs_no_token(guarded: Talk) -> None:
    headers = {"origin": "https://chatgpt.com", "access-control-request-method": "GET"}
    assert (await guarded.client.options("/apisix/admin/routes", headers=headers)).status_code == 204
