"""history: what was changed through the assistant, and what was changed around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change import diff
from gatechat.assistant.change.model import Change, Target
from gatechat.assistant.change.telling import change_text, drift_text, history_line, history_row, plan_text
from gatechat.assistant.operations.arguments import Words, kind_of
from gatechat.assistant.operations.changing.needs import Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text

_OF_ONE: Final = 'resource: "routes/1"'
CALLED: Final = Words(
    also={"id": "change", "plan": "change"}, instead={"kind": _OF_ONE, "route": _OF_ONE, "name": _OF_ONE}
)
_NEWEST: Final = 10
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "change": {"type": "string", "description": "id: show this one with its diff"},
        "resource": {"type": "string", "description": "like routes/1, or by name: only what changed it"},
        "drift": {"type": "boolean", "description": "what others changed since last asked"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": _NEWEST},
        "before": {"type": "integer", "description": "entry number, for the next page"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {
        "changes": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["integer", "null"]},
    },
}


async def history(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """The newest first."""
    if arguments.get("drift"):
        return await _drift(core, who)
    if "change" in arguments:
        return await _one(core, arguments["change"])
    limit = arguments.get("limit", _NEWEST)
    target = await _target(core, arguments["resource"]) if "resource" in arguments else None
    entries = await core.changes.history(limit + 1, arguments.get("before"), target)
    shown = entries[:limit]
    next = shown[-1].seq if len(entries) > limit else None
    lines = [history_line(entry) for entry in shown] or ["Nothing was changed through the assistant yet."]
    if next is not None:
        lines.append(f"Older ones: before={next}")
    return Outcome("\n".join(lines), {"changes": [history_row(entry) for entry in shown], "next": next})


async def _one(core: Needs, id: str) -> Outcome:
    found = await core.changes.state(id)
    plan = found.plan if isinstance(found, Change) else found
    if not isinstance(found, Change):
        return Outcome(plan_text(found, core.redactor, core.changes.page(id)), {"changes": []})
    head = f"By {plan.by}/{plan.face}: {text.line(plan.reason, 300)}"
    body = text.fence(diff.text(plan.edits, core.redactor))
    return Outcome("\n".join((change_text(found), head, body)), {"changes": []})


async def _drift(core: Needs, who: Principal) -> Outcome:
    found = await core.changes.drift(who)
    rows = [{"resource": f"{it.target.kind}/{it.target.id}", "what": it.what} for it in found]
    return Outcome(drift_text(found, core.redactor), {"changes": rows, "next": None})


async def _target(core: Needs, resource: str) -> Target:
    """By kind and id, which may be gone by now; by name where it is still there. Raises Problem."""
    written, _, id = resource.partition("/")
    kind = kind_of(written)
    if kind is None or not id:
        raise Problem(
            400, f"resource {text.line(resource)!r}: write it like routes/1; kinds are {', '.join(KINDS)}"
        )
    there = (await core.live.configuration()).all(kind)
    named = [other for other, item in there.items() if item.name == id]
    return Target(kind, named[0] if id not in there and len(named) == 1 else id)
