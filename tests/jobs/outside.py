"""What is outside of the tools: the Admin API, the traffic port, the ledger's file, the person's browser."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.ledger import Entry, Ledger

KINDS: Final = (
    "routes",
    "consumers",
    "global_rules",
    "plugin_configs",
    "consumer_groups",
    "services",
    "upstreams",
    "ssls",
)
"""What the jobs make, in the order in which it can be deleted."""
PATIENCE: Final = 10.0
"""Seconds until the gateway must serve what was written: APISIX's workers hear of it over etcd."""


@dataclass
class Outside:
    """``backends``: two "host:port" that answer everything, the same one twice where there is one."""

    admin: httpx2.AsyncClient
    traffic: httpx2.AsyncClient
    browser: httpx2.AsyncClient
    backends: tuple[str, str]
    data_dir: Path
    metrics_url: str | None = None
    plugins: frozenset[str] = frozenset()
    credentials: bool = True
    _before: dict[str, dict[str, Any]] = field(default_factory=dict)

    # -- the Admin API -------------------------------------------------------------------------------------

    async def put(self, path: str, value: dict[str, Any]) -> None:
        answer = await self.admin.put(f"/apisix/admin/{path}", json=value)
        assert answer.status_code in (200, 201), f"PUT {path}: {answer.status_code} {answer.text}"

    async def route(self, id: str, uri: str, **more: Any) -> None:
        """A route to the first backend."""
        upstream = {} if {"upstream_id", "service_id"} & more.keys() else {"upstream": self.upstream()}
        await self.put(f"routes/{id}", {"name": id, "uri": uri, **upstream, **more})

    def upstream(self, *weights: int) -> dict[str, Any]:
        """The first backend with weight 1, or as many as there are weights."""
        nodes = dict(zip(self.backends, weights or (1,), strict=False))
        return {"type": "roundrobin", "nodes": nodes}

    async def stored(self, path: str) -> dict[str, Any] | None:
        answer = await self.admin.get(f"/apisix/admin/{path}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        value: dict[str, Any] = answer.json()["value"]
        return value

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """path -> value."""
        answer = await self.admin.get(f"/apisix/admin/{kind}")
        if answer.status_code in (400, 404):
            return {}
        listed = answer.json().get("list") or []
        found = listed if isinstance(listed, list) else []
        return {str(item["key"]).partition("/apisix/")[2]: item["value"] for item in found}

    async def remember(self) -> None:
        """What is there now is what `clean` leaves."""
        self._before = {kind: await self.all(kind) for kind in KINDS}

    async def clean(self) -> None:
        """Takes away what was made since, and puts back what was changed or deleted."""
        for kind in KINDS:
            before, now = self._before[kind], await self.all(kind)
            for path in now.keys() - before.keys():
                await self._delete(path)
        for kind in reversed(KINDS):
            before, now = self._before[kind], await self.all(kind)
            for path, value in before.items():
                if _plain(now.get(path)) != _plain(value):
                    await self.put(path, _plain(value) or {})

    async def _delete(self, path: str) -> None:
        """Workers of APISIX may take a moment to agree that nobody uses it any more."""

        async def gone() -> bool:
            answer = await self.admin.delete(f"/apisix/admin/{path}")
            return answer.status_code in (200, 404)

        await self.until(gone, f"{path} cannot be deleted")

    # -- the traffic ---------------------------------------------------------------------------------------

    async def get(self, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.traffic.request(method, path, headers=named)

    async def answers(self, path: str, status: int, method: str = "GET", **headers: str) -> httpx2.Response:
        """Waits until the gateway answers so."""
        last: list[httpx2.Response] = []

        async def so() -> bool:
            last[:] = [await self.get(path, method, **headers)]
            return last[0].status_code == status

        await self.until(so, f"{method} {path} does not answer {status}")
        return last[0]

    async def counted(self, path: str, route: str) -> bool:
        """Asks for the path, and whether the metrics name the route: APISIX writes them every 15 s."""
        await self.get(path)
        page = await self.traffic.get(self.metrics_url or "")
        return f'route="{route}"' in page.text

    async def until(self, so: Callable[[], Any], otherwise: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not await so():
            assert time.monotonic() < end, otherwise
            await asyncio.sleep(0.05)

    # -- the ledger ----------------------------------------------------------------------------------------

    def changes(self) -> list[Entry]:
        """How changes ended, the newest first."""
        ledger = Ledger(self.data_dir / "ledger.db")
        try:
            return ledger.entries(what=("change",), before=None, touching=None, limit=50)
        finally:
            ledger.close()

    def recorded(self, change: str) -> Entry:
        """The ledger's entry of a change that was applied."""
        found = [entry for entry in self.changes() if entry.subject == change]
        assert [entry.state for entry in found] == ["applied"], f"{change} in the ledger: {found}"
        return found[0]

    def written_down(self) -> str:
        """All that the ledger's file holds, for looking for what must not be there."""
        files = (self.data_dir / name for name in ("ledger.db", "ledger.db-wal"))
        return "".join(file.read_bytes().decode("latin-1") for file in files if file.exists())

    # -- the person at the plan's page ---------------------------------------------------------------------

    async def approves(self, page: str, secrets: dict[str, str] | None = None) -> str:
        """Opens the page, enters what it asks for, says yes and applies. Returns the page that showed what
        was made up, or "".
        """
        code = Doors(approver_key(self.data_dir), lambda code, until: False).code()
        entered = await self.browser.get("/approver", params={"code": code})
        assert entered.status_code in (200, 303), entered.text
        path = urlsplit(page).path
        shown = ""
        forms = _forms((await self.browser.get(path)).text)
        asks = next((form for form in forms if form.action.endswith("/secrets")), None)
        if asks is not None:
            shown = (await self._send(asks, secrets or {})).text
            forms = _forms((await self.browser.get(path)).text)
        yes = next((form for form in forms if form.action.endswith("/approve-and-apply")), None)
        assert yes is not None, f"no button to approve on {page}"
        answer = await self._send(yes, {})
        assert answer.status_code in (200, 303), answer.text
        return shown

    async def _send(self, form: _Form, typed: dict[str, str]) -> httpx2.Response:
        fields = form.fields | {
            name: value for name in form.fields for part, value in typed.items() if name.endswith(part)
        }
        headers = {"origin": str(self.browser.base_url).rstrip("/")}
        return await self.browser.post(form.action, data=fields, headers=headers)


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form":
            self.forms.append(_Form(named.get("action") or ""))
        elif tag == "button" and named.get("formaction") and self.forms:
            self.forms.append(_Form(named["formaction"] or "", self.forms[-1].fields))
        elif tag in ("input", "textarea") and named.get("name") and self.forms:
            self.forms[-1].fields[named["name"] or ""] = named.get("value") or ""


def _forms(page: str) -> list[_Form]:
    parser = _Parser()
    parser.feed(page)
    return parser.forms


def _plain(value: dict[str, Any] | None) -> dict[str, Any] | None:
    times = ("create_time", "update_time")
    return None if value is None else {name: part for name, part in value.items() if name not in times}


@asynccontextmanager
async def outside(
    admin_url: str,
    admin_key: str | None,
    gateway_url: str,
    assistant_url: str,
    backends: tuple[str, str],
    data_dir: Path,
    metrics_url: str | None,
) -> AsyncIterator[Outside]:
    key = {"X-API-KEY": admin_key} if admin_key else {}
    async with (
        httpx2.AsyncClient(base_url=admin_url, headers=key, timeout=30, trust_env=False) as admin,
        httpx2.AsyncClient(base_url=gateway_url, timeout=30, trust_env=False) as traffic,
        httpx2.AsyncClient(base_url=assistant_url, timeout=60, trust_env=False) as browser,
    ):
        world = Outside(admin, traffic, browser, backends, data_dir, metrics_url)
        listed = await admin.get("/apisix/admin/plugins/list")
        assert listed.status_code == 200, f"{admin_url} is no Admin API for this key: {listed.text}"
        world.plugins = frozenset(json.loads(listed.text))
        world.credentials = (await admin.get("/apisix/admin/schema/credential")).status_code == 200
        await world.remember()
        yield world


def key_on(page: str) -> str:
    """The key that a page shows once."""
    found = re.search(r">([A-Za-z0-9_-]{32})<", page)
    assert found, f"no key is shown: {page}"
    return found[1]
