"""undo: plans the way back from a change. What it gives is a plan like any other, to be applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatechat.assistant.change.model import State
from gatechat.assistant.change.telling import plan_text
from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.changing.needs import TEXT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal

CALLED: Final = Words(also={"id": "change", "plan": "change"})
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["change"],
    "properties": {"change": {"type": "string", "description": "id from history"}, "reason": TEXT},
}
OUTPUT: Final = {"type": "object", "properties": {"plan": TEXT, "state": TEXT, "page": TEXT}}


async def undo(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """What stands in the way is said as the plan's problems."""
    plan = await core.changes.undo(arguments["change"], who, arguments.get("reason", ""))
    page = core.changes.page(plan.id)
    data = {"plan": plan.id, "state": plan.state.value, "page": page}
    return Outcome(plan_text(plan, core.redactor, page), data, is_error=plan.state is State.REFUSED)
