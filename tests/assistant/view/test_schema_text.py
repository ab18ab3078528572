"""Schemas in short."""

from __future__ import annotations

from typing import Any

from gatechat.apisix.schemas import SCHEMAS
from gatechat.assistant.view import schema_text

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "exclusiveMinimum": 0, "description": "How many"},
        "policy": {"type": "string", "enum": ["local", "redis"], "default": "local"},
        "key": {"type": "string"},
        "nodes": {"type": "array", "items": {"type": "object", "properties": {"host": {"type": "string"}}}},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "_meta": {"type": "object"},
    },
    "required": ["count"],
    "encrypt_fields": ["key"],
    "if": {"properties": {"policy": {"enum": ["redis"]}}},
    "then": {"properties": {"redis_host": {"type": "string"}}, "required": ["redis_host"]},
    "oneOf": [{"required": ["count"]}, {"required": ["rules", "key"]}],
}


def test_a_line_says_type_default_values_limits_and_words() -> None:
    assert list(schema_text.lines(SCHEMA)) == [
        "count*: integer >0.. - How many",
        "headers: {name: string}",
        "key!: string",
        "nodes: [object]",
        "  host: string",
        'policy: string {local|redis} ="local"',
        "redis_host: string",
        "exactly one of: count | rules + key",
        "if policy is redis: needs redis_host",
    ]


def test_the_order_in_which_a_gateway_tells_fields_does_not_count() -> None:
    other = SCHEMA | {"properties": dict(reversed(SCHEMA["properties"].items()))}
    assert list(schema_text.lines(other)) == list(schema_text.lines(SCHEMA))


def test_what_is_deeper_is_told_to_be_there_and_can_be_asked_for() -> None:
    assert "nodes: [object] {…}" in list(schema_text.lines(SCHEMA, 1))
    inner = schema_text.at(SCHEMA, "nodes")
    assert inner is not None
    assert list(schema_text.lines(inner)) == ["host: string"]
    assert schema_text.at(SCHEMA, "nodes.nothing") is None


def test_every_kind_of_apisix_can_be_told_in_short() -> None:
    for name, schema in SCHEMAS.items():
        told = "\n".join(schema_text.lines(schema, 1))
        assert len(told) < 3000, name


def test_schemas_as_lua_writes_them_do_no_harm() -> None:
    odd = {
        "properties": {"a": {"type": "string", "enum": {}}, "b": []},
        "required": {},
        "oneOf": {},
        "anyOf": [1],
    }
    assert list(schema_text.lines(odd)) == ["a: string"]
