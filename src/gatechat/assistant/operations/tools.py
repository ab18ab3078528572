"""The table of tools: what an assistant can do, in at most 12 rows. Every face is made from it.

All of it together is read by a model before its first word: see LARGEST_LIST.
"""

from __future__ import annotations

from typing import Final

from gatechat.assistant.operations.changing import apply, history, plan, plan_state, undo
from gatechat.assistant.operations.reading import (
    describe,
    explain_request,
    find,
    get,
    overview,
    send_request,
    traffic,
)
from gatechat.assistant.operations.tool import Hints, Tool
from gatechat.assistant.principal import Role

LARGEST_TABLE: Final = 12
LARGEST_LIST: Final = 12_000
"""Characters of the whole answer to MCP's tools/list."""

_READS: Final = Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
_SENDS: Final = Hints(read_only=True, destructive=False, idempotent=True, open_world=True)
_PLANS: Final = Hints(read_only=False, destructive=False, idempotent=False, open_world=False)
"""Leaves a plan behind, and the gateway as it is."""
_WRITES: Final = Hints(read_only=False, destructive=True, idempotent=True, open_world=False)

TOOLS: Final[tuple[Tool, ...]] = (
    Tool(
        "overview",
        "Look over the gateway",
        "Start here: what there is, how many of each, what is open, unlimited, broken or unused, who you "
        "are.",
        _READS,
        overview.INPUT,
        overview.OUTPUT,
        overview.overview,
    ),
    Tool(
        "find",
        "Find resources",
        "Resources of a kind that fit, as short rows: id, name, hosts, path, plugins in effect, backend. "
        "Answers a question about all of them (which are open, have no rate limit, use plugin X) in one "
        "call.",
        _READS,
        find.INPUT,
        find.OUTPUT,
        find.find,
        called=find.CALLED,
    ),
    Tool(
        "get",
        "Get one resource",
        "One resource, as stored or in effect: with what it gets from service, plugin config, consumer "
        "and global rules, and what came from where. Secrets are redacted; written back they mean: keep.",
        _READS,
        get.INPUT,
        get.OUTPUT,
        get.get,
        called=get.CALLED,
    ),
    Tool(
        "describe",
        "Describe a kind or plugin",
        "What a kind or plugin takes on this gateway, an example, its traps. Read it before you plan with "
        "a plugin that you do not know well.",
        _READS,
        describe.INPUT,
        describe.OUTPUT,
        describe.describe,
        called=describe.CALLED,
    ),
    Tool(
        "explain_request",
        "Explain a request",
        "Which route answers a request and why, or why none does (404). Sends nothing: worked out from the "
        "configuration, and says where it could not know.",
        _READS,
        explain_request.INPUT,
        explain_request.OUTPUT,
        explain_request.explain_request,
        called=explain_request.CALLED,
    ),
    Tool(
        "send_request",
        "Send a request",
        "One request through the gateway, and nowhere else, and what comes back. Redirects are shown, not "
        "followed. GET, HEAD and OPTIONS unless the policy allows more.",
        _SENDS,
        send_request.INPUT,
        send_request.OUTPUT,
        send_request.send_request,
        role=Role.EDITOR,
        called=send_request.CALLED,
    ),
    Tool(
        "traffic",
        "Look at the traffic",
        "Requests per second, errors and latency by route and consumer, watched for some seconds.",
        _READS,
        traffic.INPUT,
        traffic.OUTPUT,
        traffic.traffic,
        called=traffic.CALLED,
    ),
    Tool(
        "history",
        "Look at the history",
        "Who changed what, when and why, the newest first; one change with its diff; what others changed.",
        _READS,
        history.INPUT,
        history.OUTPUT,
        history.history,
        called=history.CALLED,
    ),
    Tool(
        "plan",
        "Plan a change",
        "Checks a change of any number of resources and shows its diff, impact and risk. Writes nothing. "
        "Give all resources in one plan. Then apply.",
        _PLANS,
        plan.INPUT,
        plan.OUTPUT,
        plan.plan,
        role=Role.EDITOR,
        called=plan.CALLED,
    ),
    Tool(
        "plan_state",
        "Look at a plan",
        "How a plan stands: whether it waits for a person, may be applied, or what became of it.",
        _READS,
        plan_state.INPUT,
        plan_state.OUTPUT,
        plan_state.plan_state,
        called=plan_state.CALLED,
    ),
    Tool(
        "apply",
        "Apply a plan",
        "Writes a plan to the gateway, proves it, and undoes it by itself where a required probe fails. "
        "Where a person must approve, they are asked in the client; otherwise give them the page, stop, and "
        "ask again when they say so. Asking twice changes once.",
        _WRITES,
        apply.INPUT,
        apply.OUTPUT,
        apply.apply,
        role=Role.EDITOR,
        called=apply.CALLED,
    ),
    Tool(
        "undo",
        "Plan an undo",
        "Plans the way back from a change, also from an undo. Apply that plan to do it.",
        _PLANS,
        undo.INPUT,
        undo.OUTPUT,
        undo.undo,
        role=Role.EDITOR,
        called=undo.CALLED,
    ),
)
