"""What get says is in effect is what the gateway runs: plugins on random levels, each telling its level."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import pytest

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.view.configuration import Configuration, load
from gatechat.assistant.view.effective import Applied, effective, met_by
from tests.conftest import ADMIN_KEY, GatewayUnderTest

KEY: Final = "the-key-of-jack"
LEVELS: Final = {
    "services/s": "service",
    "plugin_configs/p": "plugin-config",
    "routes/r": "route",
    "consumer_groups/g": "group",
    "consumers/jack": "consumer",
    "global_rules/1": "global",
}


def marked(plugin: str, level: str) -> dict[str, Any]:
    """A configuration of the plugin that leaves the level's name in the answer."""
    name = f"X-Global-{plugin}" if level == "global" else f"X-{plugin}"
    match plugin:
        case "response-rewrite":
            return {"headers": {"set": {name: level}}}
        case "proxy-rewrite":
            return {"headers": {"set": {name: level}}}
        case _:
            return {"header_name": f"{name}-{level}"}


PLUGINS: Final = ("response-rewrite", "proxy-rewrite", "request-id")
TWICE: Final = "request-id"
"""Works before the consumer is known and after: with both configurations, where a consumer has one."""


def plugins(dice: random.Random, level: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PLUGINS:
        if dice.random() < 0.4 and not (name == TWICE and level in ("group", "consumer")):
            found[name] = marked(name, level)
            if dice.random() < 0.25:
                found[name]["_meta"] = {"disable": dice.random() < 0.7}
    if level in ("service", "plugin-config", "route") and dice.random() < 0.4:
        found["key-auth"] = {"_meta": {"disable": True}} if dice.random() < 0.3 else {}
    return found


def expected(configuration: Configuration, with_key: bool) -> dict[str, str]:
    """plugin -> level, of those in effect; of global rules "global/plugin". {} if the request is refused."""
    route = effective(configuration).route("r")
    asks = any(one.name == "key-auth" for one in route.running)
    assert asks is not bool(route.open)
    if asks and not with_key:
        return {}
    own: Mapping[str, Applied] = met_by(route, configuration, "jack") if asks else route.plugins
    seen = {name: LEVELS[one.source] for name, one in own.items() if name in PLUGINS and not one.off}
    return seen | {f"global/{one.name}": "global" for one in route.globals_ if one.name in PLUGINS}


def seen(answer: Any) -> dict[str, str]:
    """The same, as it was left in the answer."""
    if answer.status_code == 401:
        return {}
    assert answer.status_code == 200, answer.text
    headers = {**answer.json()["headers"], **{name.lower(): value for name, value in answer.headers.items()}}
    found = {}
    for plugin in PLUGINS:
        for prefix, begin in (("", f"x-{plugin}"), ("global/", f"x-global-{plugin}")):
            for name, value in headers.items():
                if name == begin:
                    found[prefix + plugin] = value
                elif name.startswith(f"{begin}-"):
                    found[prefix + plugin] = name.removeprefix(f"{begin}-")
    return found


@pytest.mark.parametrize("seed", range(40))
async def test_each_plugin_in_effect_is_of_the_level_that_is_said(
    gateway: GatewayUnderTest, seed: int
) -> None:
    dice = random.Random(seed)
    own = {level: plugins(dice, level) for level in LEVELS.values()}
    gateway.put("upstreams/u", {"nodes": gateway.nodes()})
    gateway.put("services/s", {"plugins": own["service"], "upstream_id": "u"})
    gateway.put("plugin_configs/p", {"plugins": own["plugin-config"]})
    gateway.put("consumer_groups/g", {"plugins": own["group"]})
    jack = {"username": "jack", "plugins": {"key-auth": {"key": KEY}, **own["consumer"]}}
    gateway.put("consumers/jack", jack | ({"group_id": "g"} if dice.random() < 0.7 else {}))
    gateway.put("global_rules/1", {"plugins": own["global"]})
    route = {"uri": "/r", "plugins": own["route"], "upstream_id": "u"}
    route |= {"service_id": "s"} if dice.random() < 0.8 else {}
    route |= {"plugin_config_id": "p"} if dice.random() < 0.7 else {}
    gateway.put("routes/r", route)
    admin = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 5)
    configuration = await load(admin)
    await admin.close()
    for headers in ({}, {"apikey": KEY}):
        said = expected(configuration, bool(headers))
        assert seen(gateway.client.get("/r", headers=headers)) == said, (own, route)
