"""Schemas as Apache APISIX 3.18 tells them, judged as it judges them."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.change.by_schema import errors
from gatechat.assistant.change.model import Target

# limit-count, of which APISIX says by its conditions what each policy needs
COUNTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer"},
        "policy": {"type": "string", "enum": ["local", "redis"], "default": "local"},
        "_meta": {"type": "object"},
    },
    "required": ["count"],
    "if": {"properties": {"policy": {"enum": ["redis"]}}},
    "then": {"properties": {"redis_host": {"type": "string"}}, "required": ["redis_host"]},
}
# openid-connect: the same one level deeper
SESSION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "session": {
            "type": "object",
            "properties": {"storage": {"enum": ["cookie", "redis"], "default": "cookie"}},
            "if": {"properties": {"storage": {"enum": ["redis"]}}},
            "then": {"required": ["redis"]},
        }
    },
}
LISTED = {"type": "object", "properties": {"rules": {"type": "array", "items": COUNTED}}}
# ai-proxy: named fields, and all that the provider takes
OPEN = {
    "type": "object",
    "properties": {
        "options": {
            "type": "object",
            "properties": {"model": {"type": "string"}},
            "additionalProperties": True,
        }
    },
}
# ai-prompt-guard: a list whose default Lua writes as {}
PATTERNS = {"type": "object", "properties": {"deny": {"type": "array", "default": {}}}}
NEEDED = {"type": "object", "properties": {"size": {"type": "integer", "default": 1}}, "required": ["size"]}


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        pytest.param(COUNTED, {"count": 1}, [], id="a condition on a field that has its default"),
        pytest.param(COUNTED, {"count": 1, "policy": "redis"}, ["p.redis_host"], id="a condition that holds"),
        pytest.param(COUNTED, {}, ["p.count"], id="what is needed and has no default"),
        pytest.param(SESSION, {"session": {}}, [], id="a default further in"),
        pytest.param(
            SESSION, {"session": {"storage": "redis"}}, ["p.session.redis"], id="a condition further in"
        ),
        pytest.param(SESSION, {}, [], id="nothing further in"),
        pytest.param(LISTED, {"rules": [{"count": 1}]}, [], id="a default in a list"),
        pytest.param(LISTED, {"rules": [{}]}, ["p.rules.0.count"], id="an error in a list"),
        pytest.param(NEEDED, {}, ["p.size"], id="what is needed in spite of its default"),
        pytest.param(PATTERNS, {"deny": {}}, [], id="an empty list as Lua writes it"),
        pytest.param(PATTERNS, {"deny": {"a": 1}}, ["p.deny"], id="an object in place of a list"),
        pytest.param(PATTERNS, {}, [], id="a default that Lua wrote"),
        pytest.param(OPEN, {"options": {"model": "m", "max_tokens": 9}}, [], id="a field that is left open"),
        pytest.param(OPEN, {"optoins": {}}, ["p.optoins"], id="a field that would be ignored"),
    ],
)
def test_a_value_is_judged_as_apisix_judges_it(schema: dict[str, Any], value: Any, wrong: list[str]) -> None:
    found = errors(Target("routes", "r"), schema, value, "p", None)
    assert [problem.path for problem in found] == wrong
