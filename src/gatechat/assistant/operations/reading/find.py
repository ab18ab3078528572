"""find: which resources there are that …"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gatechat.assistant.operations.reading.needs import COUNT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.view import text
from gatechat.assistant.view.find import FILTERS, PAGE, everywhere, lines, select, summary
from gatechat.assistant.view.rows import Row

INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "default": "routes"},
        "where": {
            "type": "object",
            "description": f"all must fit: {', '.join(FILTERS)}. * is anything, a list any of its values. "
            f"holds: {FILTERS['holds'].words}",
        },
        "page": {"type": "integer", "minimum": 1, "description": f"rows, {PAGE} a page, not the summary"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {"count": COUNT, "of": COUNT, "rows": {"type": "array"}, "next_page": COUNT},
}


async def find(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """Up to PAGE rows one by one; of more a summary that names as many as fit, unless a page is asked for."""
    kind, where = arguments.get("kind", "routes"), arguments.get("where", {})
    configuration = await core.live.configuration()
    found = select(configuration, kind, where)
    total = len(configuration.all(kind))
    data: dict[str, Any] = {"count": len(found), "of": total}
    head = [_count(kind, found, total, where)]
    if kind in configuration.absent:
        head.append(f"This gateway has no {kind}.")
    if kind == "routes" and found and (common := everywhere(configuration)):
        head.append(common)
    page = arguments.get("page")
    if page is None and len(found) > PAGE:
        head.append("Alike ones together; page: 1 shows them one by one.")
        return Outcome("\n".join((*head, text.fence(summary(found)))), data)
    number = page or 1
    shown = found[(number - 1) * PAGE : number * PAGE]
    if page is not None and not shown and found:
        return Outcome.error(f"page {number} is after the last; there are {-(-len(found) // PAGE)}.", **data)
    written = lines(shown)
    data["rows"] = [row.as_json() for row in shown[: len(written)]]
    if len(written) < len(shown):
        head.append(f"The first {len(written)} of {len(shown)}; ask for less with where.")
    if number * PAGE < len(found):
        data["next_page"] = number + 1
        head.append(f"Page {number} of {-(-len(found) // PAGE)}.")
    return Outcome("\n".join((*head, text.fence(written)) if written else head), data)


def _count(kind: str, found: Sequence[Row], total: int, where: Mapping[str, Any]) -> str:
    if not where:
        return f"{text.counted(total, kind)}."
    words = "; ".join(f"{name} {_said(value)}" for name, value in where.items())
    return f"{len(found)} of {text.counted(total, kind)}: {text.line(words, 200)}."


def _said(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
