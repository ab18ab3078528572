"""Filters by other names; what is not understood is left for an error."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.operations.filters import OTHERWISE, understood
from gatechat.assistant.view.find import FILTERS as FIND

OPEN = "reachable without authentication"


@pytest.mark.parametrize(
    ("where", "read", "notes"),
    [
        pytest.param({"label": "tier=gold"}, {"label": "tier=gold"}, [], id="as it should be"),
        pytest.param({"Label": "tier"}, {"label": "tier"}, ["Label as label"], id="in capitals"),
        pytest.param(
            {"label": ["a:1", "b=2"]},
            {"label": ["a=1", "b=2"]},
            ["label ['a:1', 'b=2'] as ['a=1', 'b=2']"],
            id="a colon in one of several",
        ),
        pytest.param(
            {"plugins": "cors", "plugin": "redirect"},
            {"plugins": "cors", "plugin": "redirect"},
            [],
            id="two that would be one are left for an error",
        ),
        pytest.param({"colour": "red"}, {"colour": "red"}, [], id="what nobody knows is left for an error"),
        pytest.param({"holds": "Open"}, {"holds": OPEN}, [f"holds Open as {OPEN}"], id="a state"),
    ],
)
def test_read(where: dict[str, Any], read: dict[str, Any], notes: list[str]) -> None:
    assert understood(where, FIND) == (read, notes)


def test_every_other_name_means_a_filter() -> None:
    assert all(set(meant) & set(FIND) for meant in OTHERWISE.values())
