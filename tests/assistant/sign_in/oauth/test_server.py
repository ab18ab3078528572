"""The whole way over real HTTP, with the MCP SDK's own OAuth client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

from gatechat.assistant.sign_in.oauth import Grants
from tests.assistant.sign_in.oauth.rig import Running, running, site

CALLBACK = "http://localhost:8787/callback"


@dataclass
class Storage:
    """Where the SDK's client keeps what it was given."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def sdk_client(
    run: Running,
    storage: Storage,
    person: str,
    role: str | None = None,
    on_the_way: dict[str, str | None] | None = None,
    **more: Any,
) -> OAuthClientProvider:
    """It knows the address of /mcp and nothing else; its person's browser opens when it asks.

    ``on_the_way``: what somebody changes in the answer to it.
    """
    said: dict[str, Any] = {}

    async def opens_browser(url: str) -> None:
        said.update(await run.browser.allow(url, person, role) | (on_the_way or {}))

    async def is_called_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=said["code"], state=said["state"], iss=said["iss"])

    metadata = OAuthClientMetadata.model_validate({"redirect_uris": [CALLBACK], "client_name": "SDK"})
    return OAuthClientProvider(run.resource, metadata, storage, opens_browser, is_called_back, **more)


@asynccontextmanager
async def connected(run: Running, auth: OAuthClientProvider, mode: str = "auto") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False) as http,
        Client(streamable_http_client(run.resource, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_registers_itself_finds_signs_in_and_calls(tmp_path: Path, mode: str) -> None:
    storage = Storage()
    async with running(tmp_path) as run:
        async with connected(run, sdk_client(run, storage, run.anna), mode) as client:
            assert len((await client.list_prompts()).prompts) == 6
        grants = Grants(run.database, run.resource).list()
    assert storage.tokens is not None
    assert storage.tokens.scope == "viewer editor"
    assert [(it.client_name, it.person, it.role.name) for it in grants] == [("SDK", "anna", "EDITOR")]


async def test_a_client_that_is_a_url_is_read_there_and_let_in(tmp_path: Path) -> None:
    storage = Storage()
    async with site() as there, running(tmp_path, there.reader()) as run:
        there.describe(redirect_uris=["http://localhost/callback"], client_name="Described")
        auth = sdk_client(run, storage, run.anna, client_metadata_url=there.id)
        async with connected(run, auth) as client:
            assert len((await client.list_prompts()).prompts) == 6
        grants = Grants(run.database, run.resource).list()
    assert [it.client for it in grants] == [there.id]
    assert there.asked == ["/client.json"]


async def test_an_expired_access_token_is_refreshed_without_the_person(tmp_path: Path) -> None:
    storage = Storage()
    async with running(tmp_path) as run:
        auth = sdk_client(run, storage, run.anna)
        async with connected(run, auth) as client:
            await client.list_prompts()
            first = storage.tokens
            with run.database.writing() as db:
                db.execute("UPDATE oauth_secrets SET expires = 0 WHERE kind = 'access'")
            auth.context.token_expiry_time = 1.0  # the client, too, sees that it is time
            assert not (await client.call_tool("history", {})).is_error
    assert first is not None
    assert storage.tokens is not None
    assert storage.tokens.access_token != first.access_token
    assert run.browser.allowed == 1


async def test_a_viewers_client_reads_and_does_not_write(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as run,
        connected(run, sdk_client(run, Storage(), run.anna, "viewer")) as client,
    ):
        refused = await client.call_tool("plan", {"reason": "x", "changes": []})
    assert refused.is_error
    assert "needs the role editor; oauth:anna is viewer" in str(refused.content)


@pytest.mark.parametrize(
    "on_the_way",
    [{"iss": "https://evil.example"}, {"iss": None}, {"state": "another"}],
    ids=["an answer of another issuer", "an answer of nobody", "an answer to another question"],
)
async def test_an_answer_that_is_not_ours_is_told_by_what_ours_carries(
    tmp_path: Path, on_the_way: dict[str, str | None]
) -> None:
    storage = Storage()
    async with running(tmp_path) as run:
        auth = sdk_client(run, storage, run.anna, on_the_way=on_the_way)
        async with httpx2.AsyncClient(auth=auth, trust_env=False) as http:
            with pytest.raises(OAuthFlowError):
                await http.post(run.resource, json={})
    assert storage.tokens is None
