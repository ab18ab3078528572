"""Traffic as the gateway counted it."""

from __future__ import annotations

import asyncio

from tests.assistant.operations.reading.rig import Reader
from tests.conftest import GatewayUnderTest


async def test_requests_are_told_by_route_and_consumer(core: Reader, gateway: GatewayUnderTest) -> None:
    upstream = {"nodes": gateway.nodes()}
    plugins = {"prometheus": {}, "key-auth": {}}
    gateway.put("routes/counted", {"uri": "/c", "name": "counting", "upstream": upstream, "plugins": plugins})
    gateway.put("consumers/traffic-jack", {"username": "traffic-jack"})
    gateway.put("consumers/traffic-jack/credentials/one", {"plugins": {"key-auth": {"key": "k-4711"}}})
    for _ in range(5):
        await asyncio.to_thread(gateway.client.get, "/c", headers={"apikey": "k-4711"})
    await asyncio.to_thread(gateway.client.get, "/c")
    outcome = await core.call("traffic", seconds=0, route="counting")
    figures = outcome.data["routes"]["counted"]
    assert figures["requests"] == 6
    assert figures["codes"] == {"200": 5, "401": 1}
    assert "counted: 6, 4xx 17%" in outcome.text
    assert "traffic-jack: 5" in outcome.text


async def test_over_a_window_only_what_came_in_it_counts(core: Reader, gateway: GatewayUnderTest) -> None:
    upstream = {"nodes": gateway.nodes()}
    gateway.put("routes/window", {"uri": "/w", "upstream": upstream, "plugins": {"prometheus": {}}})
    await asyncio.to_thread(gateway.client.get, "/w")
    watching = asyncio.create_task(core.call("traffic", seconds=1, route="window"))
    outcome = await watching
    assert outcome.data["requests"] == 0
    assert 1 <= outcome.data["seconds"] < 5
    assert "no counted request" in outcome.text


async def test_without_an_address_of_the_metrics_it_says_what_to_do(core: Reader) -> None:
    object.__setattr__(core.settings, "metrics_url", None)
    outcome = await core.call("traffic", seconds=0)
    assert outcome.is_error
    assert "--metrics-url" in outcome.text


async def test_a_page_that_is_none_is_said(core: Reader) -> None:
    object.__setattr__(core.settings, "metrics_url", f"{core.settings.admin_url}/nothing")
    outcome = await core.call("traffic", seconds=0)
    assert outcome.is_error
    assert "is no Prometheus page that can be read" in outcome.text
