"""The Admin API over an Apply that keeps its State in memory, and cases written as steps of requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from gatechat.gateway.admin import AdminSettings, create_admin_app
from gatechat.gateway.model import Edit, State
from gatechat.gateway.store import stage

KEY = "the-admin-key"
NODES = {"nodes": {"127.0.0.1:1980": 1}, "type": "roundrobin"}
ROUTE = {"uri": "/hello", "upstream": NODES}


@dataclass
class Written:
    state: State
    acknowledged: bool


@dataclass
class MemoryApply:
    """Writes as the real one does, without a store and without Envoy."""

    now: Callable[[], float]
    state: State = field(default_factory=State)
    acknowledges: bool = True

    async def write(self, plan: Callable[[State], Sequence[Edit]]) -> Written:
        self.state = stage(self.state, plan(self.state), self.now()).after
        return Written(self.state, self.acknowledges)


@dataclass
class Clock:
    seconds: float = 1_700_000_000.5

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Step:
    """One request. ``answer`` is a part of the JSON answer, or a text that the answer holds."""

    method: str
    path: str
    body: Any = None
    status: int = 200
    answer: dict[str, Any] | list[Any] | str | None = None


Case = tuple[str, list[Step]]


class Admin:
    """A client of the Admin API under test; paths are below /apisix/admin."""

    def __init__(self, settings: AdminSettings | None = None, address: str = "127.0.0.1") -> None:
        self.clock = Clock()
        self.apply = MemoryApply(self.clock)
        app = create_admin_app(self.apply, settings or AdminSettings(admin_key=KEY), self.clock)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=(address, 40000))
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:9180")

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """With the admin's key, unless other ``headers`` are given."""
        content = {"content": body} if isinstance(body, str | bytes) else {"json": body}
        return await self._client.request(
            method,
            f"/apisix/admin{path}",
            headers={"X-API-KEY": KEY} if headers is None else headers,
            **(content if body is not None else {}),
        )

    async def walk(self, steps: Sequence[Step]) -> None:
        for number, step in enumerate(steps, start=1):
            answer = await self.send(step.method, step.path, step.body)
            place = f"step {number}: {step.method} {step.path} answered {answer.status_code} {answer.text}"
            assert answer.status_code == step.status, place
            if isinstance(step.answer, str):
                assert step.answer in answer.text, place
            elif step.answer is not None:
                assert holds(answer.json(), step.answer), f"{place}\nwithout {step.answer}"


def holds(value: Any, part: Any) -> bool:
    """Whether everything in ``part`` is in ``value``; None stands for what must not be there."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(
            name not in value if item is None else name in value and holds(value[name], item)
            for name, item in part.items()
        )
    return bool(value == part)
