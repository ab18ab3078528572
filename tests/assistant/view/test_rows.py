"""Rows as programs get them."""

from __future__ import annotations

from gatechat.assistant.view.rows import rows
from tests.assistant.view.rig import configuration


def test_a_row_for_programs_has_what_is_there_and_nothing_else() -> None:
    found = rows(
        configuration(
            routes={
                "1": {
                    "uri": "/a",
                    "name": "a\u202eb",
                    "plugins": {"cors": {}},
                    "upstream": {"nodes": {"x:1": 1}},
                },
                "2": {"uri": "/b", "status": 0},
            }
        ),
        "routes",
    )
    assert [row.as_json() for row in found.values()] == [
        {"id": "1", "name": "ab", "paths": ["/a"], "plugins": ["cors"], "backend": "x:1"},
        {"id": "2", "paths": ["/b"], "off": True},
    ]


def test_where_an_id_is_a_long_number_the_name_stands_for_it_if_only_one_has_it() -> None:
    long = "00000000000000000123"
    found = rows(
        configuration(
            routes={
                long: {"name": "talks"},
                "00000000000000000124": {"name": "twin"},
                "00000000000000000125": {"name": "twin"},
                "7": {"name": "seven"},
            }
        ),
        "routes",
    )
    assert [row.handle for row in found.values()] == [
        "talks",
        "00000000000000000124",
        "00000000000000000125",
        "7",
    ]
