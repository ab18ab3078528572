"""Arguments that are wrong are told all at once, each with what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.operations.arguments import Arguments, Words

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["routes", "upstreams", "plugin_configs"]},
        "page": {"type": "integer", "minimum": 1},
        "id": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "edits": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "additionalProperties": False, "properties": {"action": {}}},
        },
        "none": {"type": "object", "additionalProperties": False, "properties": {}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        pytest.param({"kind": "routes", "page": 2, "id": 1}, [], id="nothing is wrong"),
        pytest.param({}, ["kind: is needed"], id="missing"),
        pytest.param(
            {"kind": "route"},
            ['kind: "route" is none of its values; did you mean routes?'],
            id="near a value",
        ),
        pytest.param(
            {"kind": "x"},
            ['kind: "x" is none of its values; it takes routes, upstreams, plugin_configs'],
            id="near none",
        ),
        pytest.param(
            {"kind": "routes", "pages": 1},
            ["pages: there is no such argument; did you mean page?"],
            id="near a name",
        ),
        pytest.param(
            {"kind": "routes", "confirm": True},
            ["confirm: there is no such argument; it takes kind, page, id, edits, none"],
            id="unknown",
        ),
        pytest.param(
            {"kind": "routes", "edits": [{"aktion": 1}]},
            ["edits[0].aktion: there is no such argument; did you mean action?"],
            id="inside",
        ),
        pytest.param(
            {"kind": "routes", "none": {"a": 1}},
            ["none.a: there is no such argument; it takes none"],
            id="where there is none",
        ),
        pytest.param({"kind": "routes", "page": "2"}, ['page: takes integer, not "2"'], id="of another type"),
        pytest.param(
            {"kind": "routes", "page": 0}, ["page: 0 is less than the minimum of 1"], id="too small"
        ),
        pytest.param({"kind": "routes", "edits": []}, ["edits: [] has less than 1 item"], id="too few"),
        pytest.param(
            {"kind": "routes", "id": []},
            ["id: takes string, not [] or id: takes integer, not []"],
            id="of neither",
        ),
    ],
)
def test_every_error_is_told(arguments: dict[str, Any], errors: list[str]) -> None:
    assert Arguments(SCHEMA).errors(arguments) == errors


READ = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["routes", "consumer_groups"]},
        "id": {"type": "string"},
        "page": {"type": "integer"},
        "deep": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "value": {"type": "object"},
    },
}
WORDS = Words(also={"name": "id", "body": "value"}, instead={"ids": "names takes several", "id": "one only"})


@pytest.mark.parametrize(
    ("given", "read", "notes"),
    [
        pytest.param({"kind": "route"}, {"kind": "routes"}, ["kind route as routes"], id="a singular"),
        pytest.param(
            {"kind": "Consumer-Group"},
            {"kind": "consumer_groups"},
            ["kind Consumer-Group as consumer_groups"],
            id="as people write it",
        ),
        pytest.param({"kind": "ROUTES"}, {"kind": "routes"}, [], id="capitals are nothing to tell"),
        pytest.param(
            {"id": 7, "page": "2", "deep": "true"}, {"id": "7", "page": 2, "deep": True}, [], id="types"
        ),
        pytest.param({"id": True}, {"id": True}, [], id="true is no number"),
        pytest.param({"names": "a"}, {"names": ["a"]}, ["names as a list of one"], id="one of a list"),
        pytest.param(
            {"value": '{"a": 1}'}, {"value": {"a": 1}}, ["value as the JSON in its text"], id="JSON as text"
        ),
        pytest.param({"value": "[1]"}, {"value": "[1]"}, [], id="JSON of another type stays"),
        pytest.param({"name": "x"}, {"id": "x"}, ["name as id"], id="another name"),
        pytest.param({"name": "x", "id": "y"}, {"name": "x", "id": "y"}, [], id="two that would be one stay"),
        pytest.param(
            {"body": "{}"}, {"value": {}}, ["body as value", "value as the JSON in its text"], id="both"
        ),
    ],
)
def test_what_can_only_mean_one_thing_is_understood(
    given: dict[str, Any], read: dict[str, Any], notes: list[str]
) -> None:
    assert Arguments(READ, WORDS).understood(given) == (read, notes)


def test_advice_of_the_tool_comes_first() -> None:
    closed = Arguments({**READ, "additionalProperties": False}, WORDS)
    assert sorted(closed.errors({"ids": [], "id": []})) == [
        "id: takes string, not []; one only",
        "ids: there is no such argument; names takes several",
    ]


def test_several_errors_are_told_at_once_and_long_values_in_short() -> None:
    errors = Arguments(SCHEMA).errors({"page": "x" * 500, "lable": 1})
    assert len(errors) == 3
    assert all(len(error) < 130 for error in errors)


def test_half_a_surrogate_pair_is_told_before_anything_stumbles_over_it() -> None:
    (error,) = Arguments({"type": "object"}).errors({"reason": {"\ud800": 1}})
    assert "surrogate pair" in error
