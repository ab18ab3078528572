"""Which resources an operation means when it names none: all that pass every filter, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.model import JSON, Target
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import find
from gatechat.assistant.view.configuration import Configuration

Where = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Selection:
    """``words`` with the count: "24 routes with label tier=gold"."""

    targets: tuple[Target, ...]
    words: str


def select(kind: str, where: Where, configuration: Configuration) -> Selection:
    """The resources of ``kind`` that pass every filter; ``{"all": true}`` is all of them.

    Hosts and paths count as they are written, not for what they take: a change to /pay/* must not reach the
    route of /*. Raises Problem (400) for what is not understood; nothing is selected then.
    """
    if not where:
        raise Problem(400, 'an empty "where" would mean every resource: say {"all": true} if that is meant')
    everything = "all" in where
    if everything and (where["all"] is not True or len(where) > 1):
        raise Problem(400, "where.all: must be true and stand alone")
    filters = {} if everything else where
    rows = find.select(configuration, kind, filters, as_written=True)
    conditions = " and ".join(f"{name} {_said(value)}" for name, value in filters.items())
    title = KINDS[kind].title if len(rows) == 1 else kind.replace("_", " ")
    words = f"{len(rows)} {title} with {conditions}" if conditions else f"all {len(rows)} {title}"
    return Selection(tuple(Target(kind, row.id) for row in rows), words)


def _said(value: JSON) -> str:
    return " or ".join(find.wanted(value))
