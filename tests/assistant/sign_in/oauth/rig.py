"""An assistant with the authorization server on, a browser that fills in its page, and clients to let in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import trustme

from gatechat.assistant.app import create_app
from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.principal import Role
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.sign_in import Database, Tokens
from gatechat.assistant.sign_in.database import FILE
from gatechat.assistant.sign_in.oauth import Documents
from tests.assistant import rig

BACK = "https://chat.example/callback"
VERIFIER = "a-verifier-of-the-tests-that-is-long-enough-for-it"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")

_ERA = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": _ERA,
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": _META}}
ASKING = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": _ERA,
    "mcp-method": "tools/list",
}


class Page(HTMLParser):
    """What a person reads, on one line, and what the page's forms would send."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden: dict[str, str] = {}
        self.choices: list[str] = []
        self.chosen = ""
        self.links: list[str] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.scripts += tag == "script" or any(name.startswith("on") for name in told)
        if tag == "input" and told.get("type") == "hidden":
            self.hidden[told["name"] or ""] = told["value"] or ""
        if tag == "input" and told.get("type") == "radio":
            self.choices.append(told["value"] or "")
            self.chosen = (told["value"] or "") if "checked" in told else self.chosen
        if tag == "a":
            self.links.append(told.get("href") or "")

    def handle_data(self, data: str) -> None:
        if not data.startswith(":root"):  # the style
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass
class Browser:
    """One person's browser at the sign-in page. It keeps cookies and follows nobody by itself."""

    http: httpx2.AsyncClient
    url: str = ""
    allowed: int = 0

    async def open(self, url: str) -> httpx2.Response:
        self.url = url
        return await self.http.get(url)

    async def press(self, button: str, **fields: str) -> httpx2.Response:
        """Sends the page's form with this button; a relative redirect, as after signing in, is followed."""
        answer = await self.http.post(
            self.url, data={"do": button} | fields, headers={"origin": origin(self.url)}
        )
        if answer.status_code == 303 and answer.headers["location"].startswith("?"):
            return await self.open(self.url)
        return answer

    async def sign_in(self, token: str) -> Page:
        """From the first page to the second."""
        answer = await self.press("token", token=token)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    async def allow(self, url: str, token: str, role: str | None = None) -> dict[str, str]:
        """The whole way; what the client is told at its redirect URI."""
        return told(await self.allow_at(url, token, role))

    async def allow_at(self, url: str, token: str, role: str | None = None) -> httpx2.Response:
        """The same; the redirect itself."""
        assert (await self.open(url)).status_code == 200
        page = await self.sign_in(token)
        answer = await self.press("allow", form=page.hidden["form"], role=role or page.chosen)
        assert answer.status_code == 303, answer.text
        self.allowed += 1
        return answer


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def told(answer: httpx2.Response) -> dict[str, str]:
    """The parameters at the end of a redirect to a client."""
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


@dataclass
class Running:
    """``url`` is the assistant's. ``anna`` is an editor's token, ``vera`` a viewer's, ``ada`` an admin's."""

    url: str
    data_dir: Path
    http: httpx2.AsyncClient
    browser: Browser
    tokens: Tokens
    database: Database
    anna: str = ""
    vera: str = ""
    ada: str = ""

    @property
    def resource(self) -> str:
        return f"{self.url}/mcp"

    async def register(self, **metadata: Any) -> httpx2.Response:
        return await self.http.post(
            "/register", json={"client_name": "Chat", "redirect_uris": [BACK]} | metadata
        )

    async def client_id(self, **metadata: Any) -> str:
        answer = await self.register(**metadata)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    def authorize(self, client_id: str, /, **changed: Any) -> str:
        """An authorization request. A parameter that is None is left out."""
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "state": "s t/ate",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": self.resource,
        } | changed
        return (
            f"{self.url}/authorize?{urlencode({k: v for k, v in asked.items() if v is not None}, doseq=True)}"
        )

    async def token(self, **form: Any) -> httpx2.Response:
        return await self.http.post("/token", data={k: v for k, v in form.items() if v is not None})

    async def exchange(self, client_id: str, code: str, /, **changed: Any) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "code_verifier": VERIFIER,
            "redirect_uri": BACK,
            "resource": self.resource,
        }
        return await self.token(**(form | changed))

    async def refresh(self, client_id: str, token: str, **changed: Any) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
        return await self.token(**(form | changed))

    async def tokens_of(self, client_id: str, person: str, role: str | None = None) -> dict[str, Any]:
        """The token endpoint's answer after a person said yes."""
        code = (await self.browser.allow(self.authorize(client_id), person, role))["code"]
        answer = await self.exchange(client_id, code)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def status(self, access: str) -> int:
        """How /mcp takes an access token."""
        answer = await self.http.post(
            "/mcp", json=ASK, headers=ASKING | {"authorization": f"Bearer {access}"}
        )
        return answer.status_code

    async def open_owners_link(self) -> None:
        used = Doors(approver_key(self.data_dir), lambda code, until: True)
        answer = await self.browser.http.get(f"{self.url}/approver", params={"code": used.code()})
        assert answer.status_code == 303, answer.text


@asynccontextmanager
async def running(
    data_dir: Path, documents: Documents | None = None, **settings: Any
) -> AsyncIterator[Running]:
    """In front of an Admin API that answers with empty lists."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    async with rig.serving(rig.AdminStandIn()) as admin:
        told_us = AssistantSettings(
            **{"admin_url": f"http://127.0.0.1:{admin}", "port": port, "data_dir": data_dir, "oauth": True}
            | settings
        )
        app = create_app(told_us, documents)
        async with rig.serving(app, bound):
            url = f"http://localhost:{port}"
            database = Database(data_dir / FILE)
            tokens = Tokens(database)
            async with (
                httpx2.AsyncClient(base_url=url, trust_env=False) as http,
                httpx2.AsyncClient(trust_env=False) as browser,
            ):
                run = Running(url, data_dir, http, Browser(browser), tokens, database)
                run.anna = tokens.make("anna", Role.EDITOR)
                run.vera = tokens.make("vera", Role.VIEWER)
                run.ada = tokens.make("ada", Role.ADMIN)
                yield run
            database.close()


@dataclass
class Site:
    """A web site over TLS, whose name only our own resolver knows, with a certificate of our own authority.
    ``documents``: path -> (status, headers, body).
    """

    host: str
    port: int
    trust: ssl.SSLContext
    documents: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"https://{self.host}:{self.port}/client.json"

    def describe(self, headers: dict[str, str] | None = None, **changed: Any) -> None:
        """Puts a client's description where its id says. A field that is None is left out."""
        client = {
            "client_id": self.id,
            "client_name": "Chat",
            "redirect_uris": [BACK],
            "token_endpoint_auth_method": "none",
        } | changed
        body = json.dumps({k: v for k, v in client.items() if v is not None}).encode()
        self.documents["/client.json"] = (200, {"content-type": "application/json"} | (headers or {}), body)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        self.asked.append(path)
        status, headers, body = self.documents.get(path, (404, {}, b""))
        lines = [
            f"HTTP/1.1 {status} so",
            *(f"{k}: {v}" for k, v in headers.items()),
            "connection: close",
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        writer.close()

    def reader(self, resolves_to: str = "127.0.0.1", **more: Any) -> Documents:
        """Reads the site: our authority is trusted, and its address may be reached."""

        async def resolver(name: str) -> tuple[Any, ...]:
            return (ip_address(resolves_to),)

        async def anything(address: Any, port: int) -> None:
            return None

        return Documents(**({"trust": self.trust, "resolver": resolver, "refusal": anything} | more))


@asynccontextmanager
async def site(host: str = "chat.example", certified: str | None = None) -> AsyncIterator[Site]:
    """``certified``: the name in its certificate; None: its own."""
    authority = trustme.CA()
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified or host).configure_cert(ours)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    here = Site(host, 0, trust)
    async with await asyncio.start_server(here.answer, "127.0.0.1", 0, ssl=ours) as server:
        here.port = server.sockets[0].getsockname()[1]
        yield here
