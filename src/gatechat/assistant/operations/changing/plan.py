"""plan: what is to be changed, resolved, checked and shown. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.diff import difference
from gatechat.assistant.change.model import Action, Plan, Problem, State
from gatechat.assistant.change.plan import PlanRequest
from gatechat.assistant.change.policy import probe_of
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.resolve import Operation
from gatechat.assistant.change.telling import plan_text
from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.changing.needs import TEXT, Needs
from gatechat.assistant.operations.filters import understood
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.view.find import FILTERS
from gatechat.assistant.view.text import cleaned, line

_WITHIN: Final = 'it goes into operations: [{"action": …, "kind": …, …}]'
_NO_CONSENT: Final = "nothing in a call approves a plan: a person does, on its page"
_SEVERAL: Final = 'for several at once give where: {"id": ["1", "2"]}'
_BODY: Final = ("resource", "body", "data", "config", "spec", "patch")
CALLED: Final = Words(
    also={
        "changes": "operations",
        **{f"operations.{name}": "value" for name in _BODY},
        "operations.op": "action",
        "operations.filter": "where",
        "operations.type": "kind",
    },
    instead={
        **dict.fromkeys(("action", "kind", "id", "value", "where"), _WITHIN),
        **dict.fromkeys(("confirm", "approve", "approved", "force", "apply"), _NO_CONSENT),
        "operations.action": "create; merge changes the fields that are given, null takes one away; replace "
        "writes all of it anew; delete",
        "operations.id": _SEVERAL,
        "operations.ids": _SEVERAL,
        "operations.name": "give it as id, and to a new one in value",
        "operations.value": "give it as a JSON object",
    },
)
_TEXTS: Final = {"type": "array", "items": TEXT}
_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}
LARGEST_CHANGES: Final = 6_000
"""Characters of the structured diff; what is more is left to the plan's page."""

INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["reason", "operations"],
    "properties": {
        "reason": {**TEXT, "description": "why, for the history"},
        "operations": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["action", "kind"],
                "properties": {
                    "action": {"enum": [action.value for action in Action]},
                    "kind": {"enum": list(KINDS)},
                    "id": {
                        "type": "string",
                        "description": "or name; jack/credentials/ID; create: made from the name if left out",
                    },
                    "value": {
                        "type": "object",
                        "description": "the resource as the Admin API has it; merge: what changes, null "
                        'takes away. upstream or nodes: "host:port" does. Secrets: "[enter]" or '
                        '"[generate]", which a person does on the plan\'s page, or $env://NAME',
                    },
                    "where": {
                        "type": "object",
                        "description": "merge, delete: all that fit, e.g. {label: tier=gold}; also host, "
                        "path, plugin, service, upstream, status, name, id, holds; {all: true}",
                    },
                },
            },
        },
        "probes": {
            "type": "array",
            "items": {"type": "object"},
            "description": "{path, method, headers, status, header, contains, required}: sent when applied; "
            "undone if a required one fails",
        },
    },
}


OUTPUT: Final = {
    "type": "object",
    "properties": {
        "plan": TEXT,
        "state": TEXT,
        "risk": TEXT,
        "page": TEXT,
        "selected": TEXT,
        "impact": _TEXTS,
        "problems": _OBJECTS,
        "changes": _OBJECTS,
        "secrets": _TEXTS,
    },
}


async def plan(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """The plan is kept under its id for ten minutes. One that cannot be is an error with every problem."""
    wrong = [
        f"operations[{number}].value: {words}"
        for number, row in enumerate(arguments["operations"])
        for words in _pointless(row)
    ]
    if wrong:
        return Outcome.error("\n".join(("Nothing was planned:", *wrong)))
    probes = []
    for number, row in enumerate(arguments.get("probes", ())):
        try:
            probes.append(probe_of(row))
        except ValueError as error:
            return Outcome.error(f"probes[{number}]: {error}. Nothing was planned.")
    notes: list[str] = []
    operations = tuple(_operation(row, notes) for row in arguments["operations"])
    request = PlanRequest(arguments["reason"], operations, tuple(probes))
    made = await core.changes.plan(request, who)
    page = core.changes.page(made.id)
    words = plan_text(made, core.redactor, page)
    if notes:
        words = f"Understood: {line('; '.join(notes), 200)}.\n{words}"
    return Outcome(words, plan_data(core, made), is_error=made.state is State.REFUSED)


def _pointless(row: Mapping[str, Any]) -> Iterator[str]:
    """Paths of a route that the Admin API takes and no request has; what a deletion would leave out."""
    value = row.get("value") or {}
    if value and row["action"] == Action.DELETE:
        yield "a deletion takes none; merge changes what is there"
        return
    for field in ("uri", "uris") if row["kind"] == "routes" else ():
        paths = value.get(field) or []
        for path in [paths] if isinstance(paths, str) else paths if isinstance(paths, list) else []:
            before, query, _ = str(path).partition("?")
            if query:
                asks = 'vars [["arg_NAME", "==", "x"]] asks for one'
                yield f"{field} {line(str(path))}: a path has no query; {asks}"
            elif not before.startswith(("/", "*")):
                yield f"{field} {line(str(path))}: a path begins with /; a host goes into host"


def _operation(row: Mapping[str, Any], notes: list[str]) -> Operation:
    where = row.get("where")
    if where is not None:
        where, said = understood(where, FILTERS)
        notes += said
    id = row["id"].removeprefix(f"{row['kind']}/") if "id" in row else None
    return Operation(Action(row["action"]), row["kind"], id, row.get("value"), where)


def plan_data(core: Needs, plan: Plan) -> dict[str, Any]:
    """A plan as OUTPUT has it, redacted and cleaned."""
    data = {
        "plan": plan.id,
        "state": plan.state.value,
        "risk": plan.risk.value,
        "page": core.changes.page(plan.id),
        "selected": plan.selected,
        "impact": list(plan.impact),
        "problems": [_problem(problem) for problem in plan.problems],
        "changes": list(_changes(plan, core.redactor)),
        "secrets": list(plan.secrets),
    }
    shown: dict[str, Any] = cleaned({name: part for name, part in data.items() if part not in ("", [])})
    return shown


def _problem(problem: Problem) -> dict[str, Any]:
    whole = {"path": problem.path, "message": problem.message, "value": problem.value, "fix": problem.fix}
    return {name: part for name, part in whole.items() if part not in (None, "")}


def _changes(plan: Plan, redactor: Redactor) -> Iterator[dict[str, Any]]:
    size = 0
    for edit in plan.edits:
        one = difference(edit, redactor).as_json()
        size += len(json.dumps(one))
        if size > LARGEST_CHANGES:
            return
        yield one
