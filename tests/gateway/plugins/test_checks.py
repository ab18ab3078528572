from __future__ import annotations

from typing import Any

import pytest

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugins import REGISTRY, check_duplicate_keys, check_plugins, plugin_schema
from tests.gateway.plugins.traffic import state


@pytest.mark.parametrize("name", REGISTRY)
def test_every_plugin_says_what_it_is(name: str) -> None:
    plugin = REGISTRY[name]
    assert plugin.name == name
    assert plugin.docs.strip().endswith((".", "`", "|", ")"))
    assert set(plugin.phases) <= {"rewrite", "access", "header_filter", "body_filter"}
    for field, schema in plugin.schema.get("properties", {}).items():
        assert "description" in schema or "enum" in schema or field.startswith("_"), (
            f"{name}.{field}: what is it for?"
        )


def test_the_schema_of_every_side_has_meta() -> None:
    assert "_meta" in plugin_schema(REGISTRY["key-auth"], "route")["properties"]
    consumer = plugin_schema(REGISTRY["key-auth"], "consumer")
    assert set(consumer["properties"]) == {"key", "_meta"}


@pytest.mark.parametrize(
    ("plugins", "side"),
    [
        ({}, "route"),
        ({"key-auth": {}}, "route"),
        ({"key-auth": {"key": "x"}}, "consumer"),
        ({"ip-restriction": {"whitelist": ["::1"]}}, "consumer"),
        (
            {"key-auth": {"_meta": {"priority": 1, "filter": [["arg_a", "1"]], "error_response": {"a": 1}}}},
            "route",
        ),
        ({"ip-restriction": {"whitelist": 1, "_meta": {"disable": True}}}, "route"),
        ({"cors": {"allow_origins": "$env://ORIGINS"}}, "route"),
    ],
)
def test_right_configurations_pass(plugins: dict[str, JSON], side: Any) -> None:
    check_plugins(plugins, "", side)


@pytest.mark.parametrize(
    ("plugins", "side", "message"),
    [
        ({"no-such": {}}, "route", r"^unknown plugin \[no-such\]$"),
        ({"key-auth": "x"}, "route", r'^invalid plugin conf "x" for plugin \[key-auth\]$'),
        (
            {"key-auth": {"header": 1}},
            "route",
            '^failed to check the configuration of plugin key-auth err: property "header" validation failed: '
            "wrong type: expected string, got number$",
        ),
        (
            {"limit-count": {"time_window": 60}},
            "route",
            'err: value should match only one schema, but matches none: property "count" is required or ',
        ),
        ({"key-auth": {"realm": 'a"b'}}, "route", "plugin key-auth err: "),
        ({"key-auth": {}}, "consumer", "plugin key-auth err: .*key"),
        ({"key-auth": {"_meta": {"nope": 1}}}, "route", "plugin key-auth err: .*nope"),
        (
            {"key-auth": {"_meta": {"filter": [["a", "?", "1"]]}}},
            "route",
            "failed to validate the 'vars' expression",
        ),
        ({"key-auth": {"_meta": {"pre_function": "return 1"}}}, "route", "pre_function"),
        ({"key-auth": {}}, "metadata", r"plugin \[key-auth\] has no metadata"),
    ],
)
def test_wrong_ones_are_refused(plugins: dict[str, JSON], side: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_plugins(plugins, "", side)


def test_the_resource_is_named_when_there_is_one() -> None:
    with pytest.raises(Refused, match=r"^route 1: unknown plugin \[x\]$"):
        check_plugins({"x": {}}, "route 1", "route")


STATE = state(
    consumers={"jack": {"username": "jack", "plugins": {"key-auth": {"key": "jacks"}}}},
    credentials={"anne/credentials/c1": {"plugins": {"key-auth": {"key": "annes"}}}},
)


@pytest.mark.parametrize(
    ("key", "consumer", "credential", "owner"),
    [
        ("jacks", "bob", None, "consumer: jack"),
        ("jacks", "jack", "c1", "consumer: jack"),
        ("annes", "bob", None, "credential: c1 of consumer: anne"),
        ("annes", "anne", "c2", "credential: c1 of consumer: anne"),
    ],
)
def test_a_key_of_someone_else_is_refused(
    key: str, consumer: str, credential: str | None, owner: str
) -> None:
    with pytest.raises(Refused, match=f"^duplicate key of plugin key-auth found with {owner}$"):
        check_duplicate_keys(STATE, {"key-auth": {"key": key}}, consumer, credential)


@pytest.mark.parametrize(
    ("key", "consumer", "credential"),
    [
        ("new", "bob", None),
        ("jacks", "jack", None),
        ("annes", "anne", None),
        ("annes", "anne", "c1"),
        ("$env://jacks", "bob", None),
    ],
)
def test_a_key_of_ones_own_is_not(key: str, consumer: str, credential: str | None) -> None:
    check_duplicate_keys(STATE, {"key-auth": {"key": key}, "ip-restriction": {}}, consumer, credential)
