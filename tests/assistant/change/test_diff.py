from __future__ import annotations

from gatechat.assistant.change import diff
from gatechat.assistant.change.diff import Field, Row
from gatechat.assistant.change.redact import CHANGED, REDACTED, Redactor
from tests.assistant.change.planning import edit

R = Redactor()
OLD = {"uri": "/a", "methods": ["GET"], "plugins": {"key-auth": {}, "limit-count": {"count": 1}}}
NEW = {"uri": "/b", "methods": ["GET"], "plugins": {"limit-count": {"count": 2}, "cors": {}}}


def test_fields_are_told_by_their_path() -> None:
    assert diff.difference(edit("routes", "1", OLD, NEW), R).fields == (
        Field("plugins.cors", "add", None, {}),
        Field("plugins.key-auth", "remove", {}, None),
        Field("plugins.limit-count.count", "change", 1, 2),
        Field("uri", "change", "/a", "/b"),
    )


def test_the_text_is_a_unified_diff() -> None:
    one = diff.difference(edit("upstreams", "u", {"type": "chash", "key": "uri"}, {"type": "roundrobin"}), R)
    assert one.text.splitlines() == [
        "--- upstreams/u",
        "+++ upstreams/u",
        "@@ -1,4 +1,3 @@",
        " {",
        '-  "key": "uri",',
        '-  "type": "chash"',
        '+  "type": "roundrobin"',
        " }",
    ]


def test_what_is_created_or_deleted_stands_on_one_side() -> None:
    created = diff.difference(edit("routes", "1", None, {"uri": "/a"}), R)
    deleted = diff.difference(edit("routes", "1", {"uri": "/a"}, None), R)
    assert created.text.startswith("--- (not there)\n+++ routes/1")
    assert deleted.text.startswith("--- routes/1\n+++ (deleted)")
    assert {row.mark for row in created.rows} == {"+"}
    assert {row.mark for row in deleted.rows} == {"-"}


def test_two_columns_stand_beside_each_other() -> None:
    rows = diff.difference(edit("routes", "1", {"uri": "/a"}, {"uri": "/b", "x": 1}), R).rows
    assert rows == (
        Row(" ", "{", "{"),
        Row("~", '  "uri": "/a"', '  "uri": "/b",'),
        Row("+", "", '  "x": 1'),
        Row(" ", "}", "}"),
    )


def test_resources_that_change_alike_are_told_once() -> None:
    edits = [
        edit("routes", f"api-{n}", {"uri": f"/{n}"}, {"uri": f"/{n}", "plugins": {"cors": {}}})
        for n in range(1, 25)
    ]
    assert diff.text(edits, R) == 'replace routes/api-{1..24} (24 routes)\n  + plugins: {"cors": {}}'


def test_secrets_and_invisible_characters_are_not_shown() -> None:
    old = {"plugins": {"key-auth": {"key": "one"}}, "desc": "a"}
    new = {"plugins": {"key-auth": {"key": "two"}}, "desc": "b\u202e\u200bc"}
    one = diff.difference(edit("consumers", "jack", old, new), R)
    assert Field("plugins.key-auth.key", "change", REDACTED, CHANGED) in one.fields
    assert Field("desc", "change", "a", "bc") in one.fields


def test_a_bool_is_not_the_number_that_it_equals() -> None:
    assert diff.difference(edit("routes", "1", {"a": 1}, {"a": True}), R).fields == (
        Field("a", "change", 1, True),
    )


def test_as_json_leaves_out_the_side_that_is_not_there() -> None:
    assert diff.difference(edit("routes", "1", {"a": 1}, {"b": 2}), R).as_json() == {
        "kind": "routes",
        "id": "1",
        "action": "replace",
        "fields": [{"path": "a", "op": "remove", "before": 1}, {"path": "b", "op": "add", "after": 2}],
    }
