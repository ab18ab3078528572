"""Errors of validation are in APISIX's words."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.apisix.validation import Validator, is_reference

CASES: list[tuple[str, dict[str, Any], Any, str | None]] = [
    ("what fits", {"type": "string"}, "a", None),
    ("a type", {"type": "string"}, 1, "wrong type: expected string, got number"),
    ("one of two types", {"type": ["string", "null"]}, True, "got boolean"),
    ("null", {"type": "object"}, None, "wrong type: expected object, got null"),
    ("an enum", {"enum": ["a", 1]}, "b", 'matches none of the enum values: ["a", 1]'),
    ("a missing property", {"required": ["a"]}, {}, 'property "a" is required'),
    (
        "unknown properties",
        {"properties": {"c": {}}, "additionalProperties": False},
        {"a": 1, "b": 2},
        "additional properties forbidden, found a, b",
    ),
    ("a minimum", {"minimum": 1}, 0, "expected 0 to be at least 1"),
    ("a maximum", {"maximum": 1}, 2, "expected 2 to be at most 1"),
    ("an exclusive minimum", {"exclusiveMinimum": 0}, 0, "expected 0 to be greater than 0"),
    ("an exclusive maximum", {"exclusiveMaximum": 0}, 0, "expected 0 to be smaller than 0"),
    ("a short text", {"minLength": 2}, "ä", "string too short, expected at least 2, got 1"),
    ("a long text", {"maxLength": 1}, "ab", "string too long, expected at most 1, got 2"),
    ("a pattern", {"pattern": "^a$"}, "b", 'failed to match pattern "^a$" with "b"'),
    ("few items", {"minItems": 1}, [], "expect array to have at least 1 items"),
    ("many items", {"maxItems": 0}, [1], "expect array to have at most 0 items"),
    (
        "equal items",
        {"uniqueItems": True},
        [1, {"a": 1}, {"a": 1}],
        "expected unique items but items 2 and 3 are equal",
    ),
    ("few properties", {"minProperties": 1}, {}, "expect object to have at least 1 properties"),
    ("many properties", {"maxProperties": 0}, {"a": 1}, "expect object to have at most 0 properties"),
    ("a format", {"format": "ipv4"}, "x", 'expected a valid ipv4, got "x"'),
    ("what must not be", {"not": {"type": "string"}}, "x", "value wasn't supposed to match schema"),
    ("two of one", {"oneOf": [{}, {}]}, 1, "value should match only one schema, but matches several"),
    ("another keyword", {"multipleOf": 2}, 3, "3 is not a multiple of 2"),
    (
        "a path",
        {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}},
        {"a": [{}, {"b": 1}]},
        'property "a" validation failed: failed to validate item 2: property "b" validation failed: '
        "wrong type: expected string, got number",
    ),
    (
        "a matched name",
        {"patternProperties": {".*": {"type": "string"}}},
        {"env": []},
        'failed to validate env (matching ".*"): wrong type: expected string, got array',
    ),
    (
        "alternatives, of which only those for this type of value are told",
        {"properties": {"id": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer"}]}}},
        {"id": "x"},
        'property "id" validation failed: object matches none of the required: string too short, expected '
        "at least 2, got 1",
    ),
    (
        "one of several requirements",
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        'value should match only one schema, but matches none: property "a" is required or property "b" '
        "is required",
    ),
    (
        "the deepest of several errors",
        {"required": ["z"], "properties": {"a": {"type": "string"}}},
        {"a": 1},
        'property "a" validation failed: wrong type: expected string, got number',
    ),
    ("a reference where a text may stand", {"type": "string", "minLength": 100}, "$env://X", None),
    (
        "a reference where an id or an object must stand",
        {"anyOf": [{"type": "object"}, {"type": "string", "pattern": "^a$"}]},
        "$env://X",
        "object matches none of the required",
    ),
    ("a reference where a number must stand", {"type": "integer"}, "$ENV://X", "got string"),
]


@pytest.mark.parametrize(("name", "schema", "value", "words"), CASES, ids=[name for name, *_ in CASES])
def test_words(name: str, schema: dict[str, Any], value: Any, words: str | None) -> None:
    error = Validator(schema).error(value)
    if words is None:
        assert error is None
    else:
        assert error is not None
        assert words in error


@pytest.mark.parametrize(
    ("value", "is_one"),
    [("$env://A", True), ("$ENV://A", True), ("$secret://vault/1/a", True), ("env://A", False), (1, False)],
)
def test_references(value: object, is_one: bool) -> None:
    assert is_reference(value) is is_one
