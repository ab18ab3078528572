from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.assistant.operations.reading.rig import Reader, reader
from tests.conftest import GatewayUnderTest


@pytest_asyncio.fixture
async def core(gateway: GatewayUnderTest) -> AsyncIterator[Reader]:
    """The reading tools in front of the real gateway."""
    async with reader(gateway) as made:
        yield made
