"""Configurations out of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatechat.assistant.view.configuration import Configuration, Item

Values = Mapping[str, Mapping[str, Any]]


def configuration(embedded: bool = False, **kinds: Values) -> Configuration:
    """``routes={"1": {...}}``; created in this order."""
    items = {
        kind: {id: Item(value, index, index) for index, (id, value) in enumerate(values.items(), 1)}
        for kind, values in kinds.items()
    }
    return Configuration(items, embedded=embedded)
