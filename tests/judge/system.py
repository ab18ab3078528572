"""The embedded gateway under judgement, and what the test files call 127.0.0.1:1984 mapped onto it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gatechat.gateway.app import Gateway, GatewaySettings

from .settings import Keys
from .wire import Connection, Headers, Response, request_text

NGINX_PORT = 1984
ADMIN = "/apisix/admin"
METRICS = "/apisix/prometheus/metrics"
KINDS = (
    "protos",
    "secrets",
    "ssls",
    "upstreams",
    "plugin_configs",
    "services",
    "consumer_groups",
    "consumers",
    "plugin_metadata",
    "global_rules",
    "routes",
    "stream_routes",
)
"""In the order in which they can be created."""


@dataclass(frozen=True)
class AdminCall:
    method: str
    path: str
    status: int
    answer: str

    @property
    def resource(self) -> str:
        """The path below /apisix/admin."""
        return self.path.removeprefix(ADMIN).strip("/")

    @property
    def message(self) -> str:
        """The error in it, "" if there is none."""
        try:
            body = json.loads(self.answer)
        except ValueError:
            return self.answer if self.status >= 400 else ""
        return str(body.get("error_msg", "")) if isinstance(body, dict) else ""


class System:
    """A gateway whose traffic port is 1984 unless told otherwise; its other ports are free ones."""

    def __init__(self, proxy_port: int = NGINX_PORT) -> None:
        self._proxy_port = proxy_port
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True).start()
        self._folder: Path | None = None
        self._gateway: Gateway | None = None
        self._keys: Keys | None = None
        self.calls: list[AdminCall] = []
        """What was asked of the Admin API since the list was last cleared."""
        self.control_api_asked = False
        self._counted = False

    def fresh(self) -> None:
        """Stops the gateway and forgets all that it stored."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)
        self._folder = Path(tempfile.mkdtemp(prefix="judge-"))

    def forget(self) -> None:
        """Has the gateway start anew, with what it stored and without its counters, if it has any."""
        if not self._counted:
            return
        self._counted = False
        self.stop()
        assert self._folder is not None
        for file in self._folder.glob("counters*"):
            file.unlink()

    def close(self) -> None:
        self.fresh()
        assert self._folder is not None
        shutil.rmtree(self._folder)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def stop(self) -> None:
        if self._gateway is not None:
            self._wait(self._gateway.stop())
        self._gateway = self._keys = None

    def ready(self, keys: Keys) -> None:
        """Starts the gateway with these keys, unless it runs so already."""
        if self._gateway is not None and keys == self._keys:
            return
        self.stop()
        assert self._folder is not None
        settings = GatewaySettings(
            data_dir=self._folder,
            proxy_port=self._proxy_port,
            admin_port=0,
            metrics_port=0,
            admin_key=keys.admin,
            viewer_key=keys.viewer,
            admin_key_required=keys.admin is not None,
            concurrency=1,
        )
        gateway = Gateway(settings)
        self._wait(gateway.start())
        self._gateway, self._keys = gateway, keys

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def place(self, host: str, port: int, path: str = "/") -> tuple[str, int]:
        """Where a request to ``host:port`` goes: APISIX serves all on one port here, we on three."""
        if port != NGINX_PORT or self._gateway is None:
            return host, port
        url = self._gateway.proxy_url
        if path.startswith(ADMIN):
            url = self._gateway.admin_url
        elif path.startswith(METRICS):
            url = self._gateway.metrics_url
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def send(self, method: str, url: str, headers: Headers, body: str, version: str = "1.1") -> Response:
        """Sends one request as lua-resty-http does. Raises OSError."""
        found = re.match(r"http://(\[[^\]]+\]|[^:/?]+)(?::(\d+))?([^#]*)", url)
        if found is None:
            raise OSError(f"not a plain HTTP URL: {url}")
        host, port, target = found[1].strip("[]"), int(found[2] or 80), found[3] or "/"
        if not target.startswith("/"):
            target = "/" + target
        if not any(name.lower() == "host" for name, _ in headers):
            headers = [("Host", found[1] if port == 80 else f"{found[1]}:{port}"), *headers]
        if not any(name.lower() == "user-agent" for name, _ in headers):
            headers = [*headers, ("User-Agent", "lua-resty-http/0.17 (Lua) ngx_lua/10026")]
        path = target.partition("?")[0]
        return self.exchange(method, path, request_text(method, target, headers, body, version), (host, port))

    def exchange(
        self,
        method: str,
        path: str,
        text: str,
        to: tuple[str, int] = ("127.0.0.1", NGINX_PORT),
        timeout: float = 10,
    ) -> Response:
        """Sends ``text`` on a connection of its own."""
        self.control_api_asked |= to[1] == NGINX_PORT and path.startswith("/v1/")
        self._counted |= to[1] == NGINX_PORT and not path.startswith(ADMIN)
        if to[1] == NGINX_PORT and _is_public_metrics(method, path, text):
            answer = Response(
                201, "Created", [("Content-Type", "application/json")], text.partition("\r\n\r\n")[2], ""
            )
        else:
            with Connection(*self.place(*to, path), timeout) as connection:
                connection.send(text)
                answer = connection.response(method)
        if to[1] == NGINX_PORT and path.startswith(ADMIN):
            self.calls.append(AdminCall(method, path, answer.status, answer.body))
        return answer

    def check_schema(self, plugin: str, configuration: str, kind: int) -> tuple[str, str | None]:
        """The Admin API's verdict on a plugin's configuration, and its defaults; see script.CheckSchema."""
        value = json.loads(configuration)
        shown = self.admin(
            "GET", f"/schema/plugins/{plugin}?schema_type={('', 'consumer', 'metadata')[kind]}"
        )
        schema = json.loads(shown.body) if shown.status == 200 else {}
        defaults = {
            name: field["default"]
            for name, field in schema.get("properties", {}).items()
            if name != "_meta" and isinstance(field, dict) and "default" in field
        }
        bodies: Mapping[int, dict[str, Any]] = {
            0: {"routes": [{"id": "judge", "uri": "/judge", "plugins": {plugin: value}}]},
            1: {"consumers": [{"username": "judge", "plugins": {plugin: value}}]},
            2: {"plugin_metadata": [{"id": plugin, **value} if value else {"id": plugin}]},
        }
        answer = self.admin("POST", "/configs/validate", bodies[kind])
        if answer.status < 300:
            return json.dumps(defaults), None
        errors = json.loads(answer.body).get("errors", [])
        text = str(errors[0]["error"]) if errors else self.calls[-1].message
        return json.dumps(defaults), re.sub(r".*? err: ", "", text)

    def admin(self, method: str, path: str, body: object = None) -> Response:
        """Asks the Admin API with the admin's key."""
        headers = [("Content-Type", "application/json")]
        if self._keys and self._keys.admin:
            headers.append(("X-API-KEY", self._keys.admin))
        text = "" if body is None else json.dumps(body)
        return self.send(method, f"http://127.0.0.1:{NGINX_PORT}{ADMIN}{path}", headers, text)

    def load(self, standalone: str) -> list[AdminCall]:
        """Replaces everything by the resources of an apisix.yaml; gives back the calls that were refused."""
        self.empty()
        self.calls.clear()
        resources = yaml.safe_load(standalone) or {}
        for path, value in _puts(resources):
            self.admin("PUT", path, value)
        return [call for call in self.calls if call.status >= 400]

    def empty(self) -> None:
        for kind in reversed(KINDS):
            listed = json.loads(self.admin("GET", f"/{kind}").body)
            for item in listed.get("list", []):
                self.admin("DELETE", item["key"].removeprefix("/apisix") + "?force=true")


def _puts(resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in KINDS:
        for number, value in enumerate(resources.get(kind) or []):
            value = dict(value)
            identity = value.get("username") if kind == "consumers" else value.pop("id", f"judge-{number}")
            yield f"/{kind}/{identity}", value


def _is_public_metrics(method: str, path: str, text: str) -> bool:
    """A route that shows the metrics on the traffic port: ours have a port of their own."""
    if method != "PUT" or not path.startswith(f"{ADMIN}/routes"):
        return False
    return '"public-api"' in text and METRICS in text
