"""Arguments that are wrong are told all at once, each with what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.operations.arguments import Arguments

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


def test_several_errors_are_told_at_once_and_long_values_in_short() -> None:
    errors = Arguments(SCHEMA).errors({"page": "x" * 500, "lable": 1})
    assert len(errors) == 3
    assert all(len(error) < 130 for error in errors)
