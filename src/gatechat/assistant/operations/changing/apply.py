"""apply: writes a plan to the gateway, once, if it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gatechat.assistant.change.changes import NotReady
from gatechat.assistant.change.model import State
from gatechat.assistant.change.telling import change_text
from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.changing.needs import TEXT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.view.text import fence

_NO_CONSENT: Final = "nothing in a call approves a plan: a person does, on its page"
CALLED: Final = Words(
    also={"id": "plan", "plan_id": "plan"},
    instead=dict.fromkeys(("confirm", "confirmed", "approve", "approved", "force"), _NO_CONSENT),
)
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["plan"],
    "properties": {"plan": {"type": "string", "description": "id"}},
}
OUTPUT: Final = {"type": "object", "properties": {"plan": TEXT, "state": TEXT, "page": TEXT}}


async def apply(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """A plan that waits is no error: a person is to look at its page, and then it is asked for again."""
    id = arguments["plan"]
    try:
        change = await core.changes.apply(id, who)
    except NotReady as not_ready:
        state = not_ready.plan.state
        data = {"plan": id, "state": state.value, "page": core.changes.page(id)}
        details = [fence(not_ready.details)] if not_ready.details else []
        words = "\n".join((not_ready.words, *details))
        return Outcome(words, data, is_error=state not in (State.WAITING, State.APPLYING), status=409)
    data = {"plan": id, "state": change.state.value, "page": core.changes.page(id)}
    return Outcome(change_text(change), data, is_error=change.state is not State.APPLIED, status=409)
