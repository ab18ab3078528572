from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest_asyncio

from tests.assistant import rig


@dataclass(frozen=True)
class Talk:
    """An assistant and the Admin API behind it; ``client`` calls the assistant."""

    admin: rig.AdminStandIn
    port: int
    client: httpx2.AsyncClient

    async def raw(self, request: bytes) -> rig.Answer:
        return await rig.raw(self.port, request)


@pytest_asyncio.fixture
async def talk() -> AsyncIterator[Talk]:
    """Without a token, on loopback."""
    admin = rig.AdminStandIn()
    async with (
        rig.serving(admin) as admin_port,
        rig.assistant(admin_port) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield Talk(admin, port, client)
