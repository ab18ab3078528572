"""What documents say of a resource comes from what validates it."""

from __future__ import annotations

import json

from gatechat.apisix.schemas import ROUTE, UPSTREAM
from gatechat.assistant.operations.schema_words import WORDS
from gatechat.assistant.operations.schemas import components


def test_no_words_are_written_for_nothing() -> None:
    shown = json.dumps(components(), ensure_ascii=False)
    unused = [name for name, words in WORDS.items() if json.dumps(words, ensure_ascii=False) not in shown]
    assert unused == []


def test_the_sources_stay_as_they_are() -> None:
    before = json.dumps([ROUTE, UPSTREAM])
    components()
    assert json.dumps([ROUTE, UPSTREAM]) == before


def test_lua_code_is_not_offered() -> None:
    assert not {"script", "script_id", "filter_func"} & set(components()["Route"]["properties"])


def test_a_field_that_the_gateway_sets_is_read_only() -> None:
    assert components()["Route"]["properties"]["create_time"] == {"type": "integer", "readOnly": True}


def test_common_parts_are_shared() -> None:
    fields = components()["Route"]["properties"]
    for field, part in {
        "upstream": "Upstream",
        "timeout": "Timeout",
        "plugins": "Plugins",
        "id": "Id",
    }.items():
        assert fields[field]["$ref"] == f"#/components/schemas/{part}"


def test_a_change_may_set_any_part_to_null_and_nothing_that_the_gateway_sets() -> None:
    found = components()
    whole, change = set(found["Route"]["properties"]), found["RouteChange"]["properties"]
    assert whole - set(change) == {"id", "create_time", "update_time"}
    assert all("null" in json.dumps(schema) for schema in change.values())
