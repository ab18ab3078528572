"""A gateway that is in use already: any number of routes of ten teams, put there by the Admin API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx2

if TYPE_CHECKING:
    from tests.jobs.play import Target

TEAMS: Final = ("stock", "search", "users", "mail", "media", "ads", "maps", "chat", "risk", "tax")
AT_ONCE: Final = 16


@asynccontextmanager
async def filled(target: Target, number: int) -> AsyncIterator[None]:
    """``number`` routes while it lasts: on 30 hosts, to 12 upstreams, two of three ask for a key, half are
    limited.
    """
    things = dict(_things(target.backends[0], number))
    key = {"X-API-KEY": target.admin_key} if target.admin_key else {}
    async with httpx2.AsyncClient(
        base_url=target.admin_url, headers=key, timeout=60, trust_env=False
    ) as admin:
        free = asyncio.Semaphore(AT_ONCE)

        async def put(path: str) -> None:
            async with free:
                answer = await admin.put(f"/apisix/admin/{path}", json=things[path])
            assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"

        async def delete(path: str) -> None:
            async with free:
                await admin.delete(f"/apisix/admin/{path}", params={"force": "true"})

        upstreams, routes = _kind(things, "upstreams"), _kind(things, "routes")
        try:
            await asyncio.gather(*map(put, upstreams))
            await asyncio.gather(*map(put, routes))
            yield
        finally:
            await asyncio.gather(*map(delete, routes))
            await asyncio.gather(*map(delete, upstreams))


def _kind(things: dict[str, Any], kind: str) -> list[str]:
    return [path for path in things if path.startswith(kind)]


def _things(backend: str, number: int) -> list[tuple[str, dict[str, Any]]]:
    if not number:
        return []
    upstream = {"type": "roundrobin", "nodes": {backend: 1}}
    found: list[tuple[str, dict[str, Any]]] = [
        (f"upstreams/pool-{n}", {"name": f"pool-{n}", **upstream}) for n in range(12)
    ]
    for n in range(number):
        team = TEAMS[n % 10]
        plugins: dict[str, Any] = {"key-auth": {}} if n % 3 else {}
        if n % 2:
            plugins["limit-count"] = {
                "count": 100,
                "time_window": 60,
                "key_type": "var",
                "key": "remote_addr",
                "rejected_code": 429,
            }
        value = {
            "name": f"{team} {n}",
            "uri": f"/{team}/v{n % 4}/things{n}/*",
            "hosts": [f"{team}{n % 3}.example.com"],
            "labels": {"team": team, "tier": "gold" if n % 5 == 0 else "silver"},
            "upstream_id": f"pool-{n % 12}",
            "plugins": plugins,
        }
        found.append((f"routes/{team}-{n}", value))
    return found
