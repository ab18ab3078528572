"""One screen that says what there is and what deserves a look."""

from __future__ import annotations

from tests.assistant.operations.reading.rig import Reader
from tests.conftest import GatewayUnderTest


async def test_it_counts_and_names_what_is_open_off_broken_or_unused(
    core: Reader, gateway: GatewayUnderTest
) -> None:
    gateway.put("upstreams/used", {"nodes": gateway.nodes()})
    gateway.put("upstreams/idle", {"nodes": gateway.nodes()})
    gateway.put("routes/open", {"uri": "/o", "upstream_id": "used"})
    gateway.put("routes/shut", {"uri": "/s", "upstream_id": "used", "plugins": {"key-auth": {}}})
    gateway.put("routes/off", {"uri": "/x", "upstream_id": "used", "status": 0})
    gateway.put("consumers/jack", {"username": "jack"})
    gateway.put("global_rules/g", {"plugins": {"request-id": {}}})
    outcome = await core.call("overview")
    assert outcome.data["counts"] == {
        "routes": 3,
        "upstreams": 2,
        "consumers": 1,
        "global_rules": 1,
    }
    assert outcome.data["notes"] == [
        "1 route reachable without authentication",
        "2 routes with no rate limit",
        "1 route off: off",
        "1 upstream not used: idle",
        "1 consumer without a credential: jack",
    ]
    assert "the embedded gateway (APISIX/3.18.0)" in outcome.text
    assert "Plugins: key-auth 1, request-id 1" in outcome.text
    assert "Global rules add to every route: request-id." in outcome.text
    assert len(outcome.text) < 1500


async def test_an_empty_gateway_is_said_to_be_empty(core: Reader) -> None:
    outcome = await core.call("overview")
    assert "It is empty." in outcome.text
    assert not outcome.is_error
