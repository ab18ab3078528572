"""Asking a person in their own client before a plan is applied (MCP elicitation), in both eras.

A form takes a yes or no. Where the client's yes does not do, because secrets are to be entered or the policy
takes no approval in a client, a client that can open addresses (url mode) sends the person to the plan's
page, once for each plan: the page has a door of its own, and that somebody went there is no consent.

A client of the 2026-07-28 revision is given the question as the answer to its call and calls again with
what the person said; an older one is asked during the call. What we must know of the question meanwhile is
kept by the client, sealed (see RequestStateBoundary: bound to the call, the principal and ten minutes) and
used once.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from gatechat.assistant.change.model import Change, Plan, State
from gatechat.assistant.faces.mcp.who import is_page, person_behind
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.view.text import line

CHANNEL: Final = "elicitation"
PATIENCE: Final = 600.0
"""Seconds a person has to answer."""

FORM: Final = "form"
URL: Final = "url"
_KEY: Final = "apply"
_PAGE: Final = "page"
_SHOWN: Final = 8
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        _KEY: {
            "type": "boolean",
            "title": "Apply this change",
            "description": "Yes: it is applied now. No: the plan is rejected.",
            "default": False,
        }
    },
    "required": [_KEY],
}


class Approvals(Protocol):
    """What is asked of gatechat.assistant.change."""

    async def state(self, plan_id: str) -> Plan | Change: ...

    async def approve(self, plan_id: str, who: Principal, channel: str) -> object: ...

    async def reject(self, plan_id: str, who: Principal, why: str) -> object: ...

    def page(self, id: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Confirmation:
    """``allowed``: whether the policy takes an approval that was given in a client. ``use_once``: whether a
    code, which lapses at a Unix time, was not used before.
    """

    approvals: Approvals
    allowed: Callable[[], bool]
    use_once: Callable[[str, float], bool]

    async def settle(
        self,
        context: ServerRequestContext[Any, Any],
        params: CallToolRequestParams,
        plan_id: object,
        who: Principal,
    ) -> InputRequiredResult | None:
        """To be called before `apply` of a plan runs. None: what could be settled is; `apply` says the rest.

        Raises Problem where the person may not approve.
        """
        modes = modes_of(context)
        plan = await self._waiting(plan_id) if modes else None
        if plan is None:
            return None
        person = person_behind(who, page=is_page(context))
        if not self.allowed() or person.role < Role.APPROVER or plan.secrets or FORM not in modes:
            return await self._show_page(context, plan) if URL in modes else None
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            answer = self._answer(params, plan)
            if answer is None:
                return _question(plan)
        else:
            answer = await _ask(context, plan)
        await self._take(plan, answer, person)
        return None

    async def _waiting(self, plan_id: object) -> Plan | None:
        """The plan, if it waits for a person."""
        if not isinstance(plan_id, str):
            return None
        plan = await self.approvals.state(plan_id)
        return plan if isinstance(plan, Plan) and plan.state is State.WAITING else None

    def _answer(self, params: CallToolRequestParams, plan: Plan) -> ElicitResult | None:
        """What the person said to this very question; None: they must be asked (again)."""
        said = (params.input_responses or {}).get(_KEY)
        if not isinstance(said, ElicitResult) or params.request_state is None:
            return None
        asked = json.loads(params.request_state)
        if asked["digest"] != plan.digest or not self.use_once(asked["code"], asked["until"]):
            return None
        return said

    async def _show_page(
        self, context: ServerRequestContext[Any, Any], plan: Plan
    ) -> InputRequiredResult | None:
        """Whatever the client answers, the plan goes on waiting: its page says what becomes of it."""
        page = self.approvals.page(plan.id)
        if not self.use_once(f"page-{plan.id}", plan.expires):
            return None
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            shown = ElicitRequestURLParams(message=page_words(plan), url=page)
            return InputRequiredResult(input_requests={_PAGE: ElicitRequest(params=shown)})
        with suppress(TimeoutError, MCPError):  # the answer of `apply` names the page too
            async with asyncio.timeout(PATIENCE):
                await context.session.elicit_url(page_words(plan), page, plan.id, context.request_id)
        return None

    async def _take(self, plan: Plan, answer: ElicitResult, person: Principal) -> None:
        if answer.action == "accept" and (answer.content or {}).get(_KEY) is True:
            await self.approvals.approve(plan.id, person, CHANNEL)
        elif answer.action != "cancel":
            await self.approvals.reject(plan.id, person, "declined in the client")


def modes_of(context: ServerRequestContext[Any, Any]) -> frozenset[str]:
    """How the client can ask. One that names no mode means forms (MCP, elicitation, capabilities)."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    if elicitation is None or not (modern or context.session.can_send_request):
        return frozenset()
    if elicitation.url is None:
        return frozenset({FORM})
    return frozenset({URL} if elicitation.form is None else {FORM, URL})


def _question(plan: Plan) -> InputRequiredResult:
    state = {"digest": plan.digest, "code": secrets.token_hex(16), "until": time.time() + PATIENCE}
    form = ElicitRequestFormParams(message=words(plan), requested_schema=_SCHEMA)
    return InputRequiredResult(
        input_requests={_KEY: ElicitRequest(params=form)}, request_state=json.dumps(state)
    )


async def _ask(context: ServerRequestContext[Any, Any], plan: Plan) -> ElicitResult:
    try:
        async with asyncio.timeout(PATIENCE):
            return await context.session.elicit_form(words(plan), _SCHEMA, context.request_id)
    except (TimeoutError, MCPError):  # nobody answers, or the client cannot ask after all
        return ElicitResult(action="cancel")


def page_words(plan: Plan) -> str:
    """Why a person is sent to the plan's page."""
    why = "needs what no assistant may see" if plan.secrets else "needs your approval"
    return f"A change of the gateway (risk: {plan.risk.value}) {why}. Look at it, and decide, on its page."


def words(plan: Plan) -> str:
    """The question, made from the plan: nothing in it is the model's but the reason, which is marked so."""
    lines = [
        f"Apply this change to the gateway? Risk: {plan.risk.value}.",
        *(f"- {edit.action.value} {edit.target.kind}/{line(edit.target.id)}" for edit in plan.edits[:_SHOWN]),
        *_more(len(plan.edits), "resources"),
        *(f"- {line(impact, 200)}" for impact in plan.impact[:_SHOWN]),
        *_more(len(plan.impact), "consequences"),
        *(f"- {reason.level.value}: {line(reason.text, 200)}" for reason in plan.risks[:_SHOWN]),
        f'Said to be for: "{line(plan.reason, 200)}". Plan {plan.id}, asked for by {line(plan.by)}.',
    ]
    return "\n".join(lines)


def _more(number: int, what: str) -> list[str]:
    return [f"- and {number - _SHOWN} more {what}"] if number > _SHOWN else []
