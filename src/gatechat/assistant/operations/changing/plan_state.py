"""plan_state: how a plan stands, or what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatechat.assistant.change.model import Change
from gatechat.assistant.change.telling import change_text, plan_text
from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.changing.needs import TEXT, Needs
from gatechat.assistant.operations.changing.plan import OUTPUT as _PLAN
from gatechat.assistant.operations.changing.plan import plan_data
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal

CALLED: Final = Words(also={"id": "plan", "plan_id": "plan", "change": "plan"})
OUTPUT: Final = _PLAN
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["plan"],
    "properties": {"plan": {**TEXT, "description": "id"}},
}


async def plan_state(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """A plan that was refused or failed is no error here: its state is what was asked for."""
    found = await core.changes.state(arguments["plan"])
    page = core.changes.page(arguments["plan"])
    if isinstance(found, Change):
        data = {"plan": found.id, "state": found.state.value, "risk": found.plan.risk.value, "page": page}
        return Outcome(change_text(found), data)
    return Outcome(plan_text(found, core.redactor, page), plan_data(core, found))
