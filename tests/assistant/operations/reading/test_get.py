"""One resource, as stored or in effect, without its secrets."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.operations.reading.get import chosen
from tests.assistant.operations.reading.rig import Reader
from tests.conftest import GatewayUnderTest


@pytest.fixture
def filled(gateway: GatewayUnderTest) -> GatewayUnderTest:
    gateway.put("upstreams/u", {"nodes": gateway.nodes()})
    gateway.put(
        "services/s",
        {"upstream_id": "u", "hosts": ["a.com"], "plugins": {"cors": {}, "key-auth": {}}},
    )
    limit = {"count": 9, "time_window": 60}
    gateway.put("plugin_configs/p", {"plugins": {"limit-count": limit}})
    gateway.put(
        "routes/r",
        {
            "uri": "/r",
            "name": "the route",
            "service_id": "s",
            "plugin_config_id": "p",
            "plugins": {"key-auth": {"hide_credentials": True}},
        },
    )
    gateway.put("consumer_groups/g", {"plugins": {"limit-count": {**limit, "count": 5}}})
    gateway.put("consumers/jack", {"username": "jack", "group_id": "g"})
    gateway.put("consumers/jack/credentials/one", {"plugins": {"key-auth": {"key": "canary-4711"}}})
    gateway.put("global_rules/g", {"plugins": {"request-id": {}}})
    return gateway


async def test_as_stored_by_id_or_by_name(core: Reader, filled: GatewayUnderTest) -> None:
    by_id = await core.call("get", kind="routes", id="r")
    by_name = await core.call("get", kind="routes", id="the route")
    assert by_id == by_name
    assert by_id.data["value"]["plugins"] == {"key-auth": {"hide_credentials": True}} | {
        "key-auth": by_id.data["value"]["plugins"]["key-auth"]
    }
    assert by_id.data["from"] == {}
    assert by_id.data["modified_index"] > 0


async def test_in_effect_says_where_each_part_came_from(core: Reader, filled: GatewayUnderTest) -> None:
    outcome = await core.call("get", kind="routes", id="r", view="in effect")
    value = outcome.data["value"]
    assert set(value["plugins"]) == {"cors", "key-auth", "limit-count"}
    assert value["plugins"]["key-auth"]["hide_credentials"] is True
    assert value["hosts"] == ["a.com"]
    assert value["upstream"]["nodes"] == filled.nodes()
    assert outcome.data["from"] == {
        "plugins.cors": "services/s",
        "plugins.limit-count": "plugin_configs/p",
        "upstream": "upstreams/u",
        "hosts": "services/s",
        "global_plugins.request-id": "global_rules/g",
    }
    assert "plugins.cors from services/s" in outcome.text


async def test_in_effect_for_a_consumer_its_own_and_its_groups_plugins_come_first(
    core: Reader, filled: GatewayUnderTest
) -> None:
    outcome = await core.call("get", kind="routes", id="r", consumer="jack")
    assert outcome.data["value"]["plugins"]["limit-count"]["count"] == 5
    assert outcome.data["from"]["plugins.limit-count"] == "consumer_groups/g"
    nobody = await core.call("get", kind="routes", id="r", consumer="jak")
    assert (nobody.is_error, "Did you mean jack?" in nobody.text) == (True, True)


@pytest.mark.parametrize(
    ("kind", "id"), [("credentials", "jack/credentials/one"), ("consumers", "jack"), ("routes", "r")]
)
@pytest.mark.parametrize("view", ["stored", "in effect"])
async def test_no_secret_is_told(
    core: Reader, filled: GatewayUnderTest, kind: str, id: str, view: str
) -> None:
    outcome = await core.call("get", kind=kind, id=id, view=view)
    assert not outcome.is_error
    assert "canary-4711" not in outcome.text + str(outcome.data)


async def test_who_uses_it_and_what_belongs_to_it_is_said(core: Reader, filled: GatewayUnderTest) -> None:
    assert "Used by services/s." in (await core.call("get", kind="upstreams", id="u")).text
    assert "Credentials: jack/credentials/one." in (await core.call("get", kind="consumers", id="jack")).text


async def test_chosen_fields_come_alone_and_wrong_ones_are_named(
    core: Reader, filled: GatewayUnderTest
) -> None:
    outcome = await core.call("get", kind="routes", id="r", fields=["uri", "plugins.key-auth", "hsot"])
    assert list(outcome.data["value"]) == ["uri", "plugins.key-auth"]
    assert "Not there: hsot. Fields: name, plugin_config_id, plugins" in outcome.text


async def test_of_a_large_one_the_fields_are_told(core: Reader, gateway: GatewayUnderTest) -> None:
    nodes = {f"10.0.{n // 250}.{n % 250}:80": 1 for n in range(900)}
    gateway.put("upstreams/big", {"nodes": nodes})
    outcome = await core.call("get", kind="upstreams", id="big")
    assert "Ask with fields" in outcome.text
    assert len(outcome.text) < 1000


async def test_what_is_not_there_is_an_error_with_the_nearest(core: Reader, filled: GatewayUnderTest) -> None:
    outcome = await core.call("get", kind="routes", id="the rout")
    assert outcome.is_error
    assert "Did you mean the route?" in outcome.text


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("a.b.c", 1), ("x.y", 2), ("list.1.n", 3), ("list.0", {"n": 0}), ("list.7", None), ("a.z", None)],
)
def test_a_path_leads_through_names_with_dots_and_lists(path: str, wanted: Any) -> None:
    found, missing = chosen({"a": {"b.c": 1}, "x.y": 2, "list": [{"n": 0}, {"n": 3}]}, [path])
    assert found.get(path) == wanted
    assert (path in missing) is (wanted is None)
