"""The documents, /token, /register and /revoke over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gatechat.assistant.sign_in.oauth import Grants
from gatechat.assistant.sign_in.oauth.endpoints import REGISTRATIONS
from tests.assistant import rig as assistant_rig
from tests.assistant.sign_in.oauth.rig import BACK, Running, running

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as found:
        yield found


async def test_a_401_leads_to_the_documents_and_they_agree(run: Running) -> None:
    refused = await run.http.post("/mcp", json={})
    assert refused.status_code == 401
    where = f"{run.url}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
    resource = (await run.http.get(where)).json()
    assert resource == (await run.http.get("/.well-known/oauth-protected-resource")).json()
    assert resource == {
        "resource": run.resource,
        "authorization_servers": [run.url],
        "scopes_supported": ["viewer", "editor", "approver"],
        "bearer_methods_supported": ["header"],
        "resource_name": "gatechat",
    }
    server = (await run.http.get("/.well-known/oauth-authorization-server")).json()
    assert server == {
        "issuer": run.url,
        "authorization_endpoint": f"{run.url}/authorize",
        "token_endpoint": f"{run.url}/token",
        "registration_endpoint": f"{run.url}/register",
        "revocation_endpoint": f"{run.url}/revoke",
        "scopes_supported": ["viewer", "editor", "approver", "admin"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
    }


async def test_below_a_path_the_documents_are_where_their_addresses_say(tmp_path: Path) -> None:
    async with running(tmp_path, public_url="https://example.com/gate", allowed_hosts=("localhost",)) as run:
        for path in ("oauth-protected-resource/gate/mcp", "oauth-authorization-server/gate"):
            assert (await run.http.get(f"/.well-known/{path}")).status_code == 200, path


async def test_where_the_internet_cannot_be_read_programs_are_told_to_register(tmp_path: Path) -> None:
    async with running(tmp_path, oauth_offline=True) as run:
        server = (await run.http.get("/.well-known/oauth-authorization-server")).json()
        assert server["client_id_metadata_document_supported"] is False
        await run.browser.open(run.authorize("https://chat.example/client.json"))
        refused = await run.browser.press("token", token=run.anna)
    assert refused.status_code == 400
    assert "--oauth-offline" in refused.text


@pytest.mark.parametrize(
    ("settings", "resource", "server"),
    [
        ({}, 404, 404),
        ({"oauth": True}, 200, 200),
        ({"issuer": "https://login.example.com"}, 200, 404),
    ],
)
async def test_the_documents_name_the_issuers_that_there_are(
    tmp_path: Path, settings: dict[str, Any], resource: int, server: int
) -> None:
    async with (
        assistant_rig.assistant(1, data_dir=tmp_path, **settings) as port,
        httpx2.AsyncClient(base_url=f"http://localhost:{port}", trust_env=False) as http,
    ):
        answer = await http.get("/.well-known/oauth-protected-resource/mcp")
        assert answer.status_code == resource
        if "issuer" in settings:
            assert answer.json()["authorization_servers"] == ["https://login.example.com"]
        assert (await http.get("/.well-known/oauth-authorization-server")).status_code == server
        for path in ("/authorize", "/token", "/register", "/revoke"):
            there = (await http.post(path)).status_code != 404
            assert there is bool(settings.get("oauth"))


async def test_tokens_are_handed_out_as_the_rfc_has_it(run: Running) -> None:
    client = await run.client_id()
    code = (await run.browser.allow(run.authorize(client), run.anna))["code"]
    answer = await run.exchange(client, code)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 3600, "viewer editor")
    assert await run.status(told["access_token"]) == 200
    again = (await run.refresh(client, told["refresh_token"])).json()
    assert await run.status(again["access_token"]) == 200
    assert await run.status(again["refresh_token"]) == 401


@pytest.mark.parametrize("redirect_uri", [BACK, None])
async def test_a_code_is_exchanged_with_or_without_the_address_that_pkce_made_needless(
    run: Running, redirect_uri: str | None
) -> None:
    client = await run.client_id()
    code = (await run.browser.allow(run.authorize(client), run.anna))["code"]
    assert (await run.exchange(client, code, redirect_uri=redirect_uri)).status_code == 200


@pytest.mark.parametrize(
    ("status", "error", "changed"),
    [
        (400, "invalid_grant", {"code_verifier": "w" * 50}),
        (400, "invalid_request", {"code_verifier": None}),
        (400, "invalid_request", {"code": None}),
        (400, "invalid_grant", {"code": "made-up"}),
        (400, "invalid_grant", {"redirect_uri": f"{BACK}/"}),
        (400, "invalid_target", {"resource": "https://other.example/mcp"}),
        (401, "invalid_client", {"client_id": "made-up"}),
        (400, "invalid_grant", {"client_id": "https://another.example/client.json"}),
        (400, "invalid_request", {"client_id": None}),
        (400, "unsupported_grant_type", {"grant_type": "client_credentials"}),
        (400, "unsupported_grant_type", {"grant_type": "password"}),
        (400, "unsupported_grant_type", {"grant_type": None}),
    ],
)
async def test_a_code_is_given_for_nothing_less(
    run: Running, status: int, error: str, changed: dict[str, str | None]
) -> None:
    client = await run.client_id()
    code = (await run.browser.allow(run.authorize(client), run.anna))["code"]
    answer = await run.exchange(client, code, **changed)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert (await run.exchange(client, code)).status_code == 200


async def test_another_registered_clients_code_is_not_known(run: Running) -> None:
    client, thief = await run.client_id(), await run.client_id()
    code = (await run.browser.allow(run.authorize(client), run.anna))["code"]
    answer = await run.exchange(thief, code)
    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_used_twice_revokes_what_the_first_got(run: Running) -> None:
    client = await run.client_id()
    code = (await run.browser.allow(run.authorize(client), run.anna))["code"]
    access = (await run.exchange(client, code)).json()["access_token"]
    assert await run.status(access) == 200
    assert (await run.exchange(client, code)).json()["error"] == "invalid_grant"
    assert await run.status(access) == 401


async def test_a_refresh_token_used_twice_revokes_its_family(run: Running) -> None:
    client = await run.client_id()
    first = await run.tokens_of(client, run.anna)
    second = (await run.refresh(client, first["refresh_token"])).json()
    assert (await run.refresh(client, first["refresh_token"])).json()["error"] == "invalid_grant"
    assert await run.status(second["access_token"]) == 401
    assert (await run.refresh(client, second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_what_rests_on_a_token_ends_with_it(run: Running) -> None:
    told = await run.tokens_of(await run.client_id(), run.anna)
    run.tokens.revoke("anna")
    assert await run.status(told["access_token"]) == 401


@pytest.mark.parametrize("path", ["/token", "/revoke", "/register", "/authorize"])
@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (415, {"content-type": "text/plain"}, b"x"),
        (413, FORM, b"x" * 70_000),
        (400, FORM, b"a=%ff"),
        (400, FORM, b"a=\xff"),
        (400, FORM, b"&".join(b"a%d=1" % number for number in range(200))),
    ],
)
async def test_what_is_no_form_is_refused(
    run: Running, path: str, status: int, headers: dict[str, str], content: bytes
) -> None:
    if path == "/register":
        headers = {"content-type": "application/json"} if headers == FORM else headers
    answer = await run.http.post(path, headers=headers, content=content)
    assert answer.status_code == status


async def test_a_parameter_that_comes_twice_is_refused(run: Running) -> None:
    content = b"grant_type=authorization_code&client_id=a&client_id=b"
    answer = await run.http.post("/token", headers=FORM, content=content)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "asks_for", [None, "none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
)
async def test_every_client_that_registers_is_public(run: Running, asks_for: str | None) -> None:
    answer = await run.register(token_endpoint_auth_method=asks_for, scope="openid mcp", logo_uri="x")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.pop("client_id")
    assert told == {
        "client_name": "Chat",
        "redirect_uris": [BACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


@pytest.mark.parametrize(
    ("error", "metadata"),
    [
        ("invalid_redirect_uri", {"redirect_uris": ["javascript:alert(1)"]}),
        ("invalid_redirect_uri", {"redirect_uris": ["http://chat.example/back"]}),
        ("invalid_redirect_uri", {"redirect_uris": []}),
        ("invalid_client_metadata", {"redirect_uris": "https://chat.example/back"}),
        ("invalid_client_metadata", {"redirect_uris": None}),
        ("invalid_client_metadata", {"client_name": {"x": "y"}}),
        ("invalid_client_metadata", {"grant_types": ["implicit"]}),
    ],
)
async def test_a_registration_that_cannot_be_is_refused(
    run: Running, error: str, metadata: dict[str, Any]
) -> None:
    answer = await run.register(**metadata)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_who_registers_without_end_is_soon_made_to_wait(run: Running) -> None:
    answers = [(await run.register()).status_code for _ in range(REGISTRATIONS + 1)]
    assert answers == [201] * REGISTRATIONS + [429]


async def test_a_client_gives_back_its_token(run: Running) -> None:
    client = await run.client_id()
    told = await run.tokens_of(client, run.anna)
    for of, left in (("another", 200), (client, 401)):
        answer = await run.http.post("/revoke", data={"token": told["access_token"], "client_id": of})
        assert (answer.status_code, answer.content) == (200, b"")
        assert await run.status(told["access_token"]) == left
    assert Grants(run.database, run.resource).list() == []
