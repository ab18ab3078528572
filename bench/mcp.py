"""Reads per second through /mcp."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import httpx2

from bench.tools import Row, accepts, free_port, process, wait_for

REVISION: Final = "2026-07-28"
CALLERS: Final = 4
READS: Final[Mapping[str, Mapping[str, Any]]] = {
    "overview": {},
    "find": {"where": {"path": "/bench/0"}},
    "get": {"kind": "routes", "id": "0"},
    "explain_request": {"url": "/bench/0"},
}
"""Tools and their arguments, over a gateway with a route 0 at /bench/0."""


@contextmanager
def assistant(admin_url: str, key: str, cpu: str, *flags: str) -> Iterator[tuple[httpx2.Client, int]]:
    """`gatechat serve` on ``cpu``: a client that calls it, and its pid."""
    port = free_port()
    command = [sys.executable, "-m", "gatechat", "serve", "--admin-url", admin_url, "--admin-key", key]
    with process([*command, "--port", str(port), *flags], cpu) as child:
        wait_for("the assistant", lambda: child.poll() is not None or accepts(port), 60)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, child.pid


def rows(admin_url: str, key: str, seconds: float, cpu: str) -> list[Row]:
    """``cpu``: where the assistant runs; the callers run elsewhere."""
    with assistant(admin_url, key, cpu) as (client, _):
        return [
            (f"{tool} through /mcp, {CALLERS} callers", f"{rate:,.0f} reads per second", "", "")
            for tool, rate in ((tool, _rate(str(client.base_url), tool, seconds)) for tool in READS)
        ]


def _rate(url: str, tool: str, seconds: float) -> float:
    with ThreadPoolExecutor(CALLERS) as callers:
        done = list(callers.map(lambda _: _reads(url, tool, seconds), range(CALLERS)))
    return sum(done) / seconds


def _reads(url: str, tool: str, seconds: float) -> int:
    done, end = 0, time.monotonic() + seconds
    with httpx2.Client(base_url=url, timeout=60) as client:
        while time.monotonic() < end:
            result = ask(client, "tools/call", name=tool, arguments=READS[tool])
            if result.get("isError"):
                raise SystemExit(f"{tool}: {result['content'][0]['text']}")
            done += 1
    return done


def ask(client: httpx2.Client, method: str, **params: Any) -> dict[str, Any]:
    """The result of one call."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": REVISION,
        "mcp-method": method,
    }
    if "name" in params:
        headers["mcp-name"] = params["name"]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    answer = client.post("/mcp", json=body, headers=headers)
    answer.raise_for_status()
    result: dict[str, Any] = answer.json()["result"]
    return result
