"""An MCP server over a small table of tools and a stand-in for the room of changes, for both eras."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.server import Server
from mcp.types import ElicitRequestParams, ElicitResult

from gatechat.assistant.change.model import Action, Change, Decision, Edit, Level, Plan, Reason, State, Target
from gatechat.assistant.core import Core
from gatechat.assistant.faces.mcp.confirm import Confirmation
from gatechat.assistant.faces.mcp.server import create_server
from gatechat.assistant.operations.tool import Hints, Outcome, Tool
from gatechat.assistant.principal import Principal
from gatechat.assistant.settings import AssistantSettings

ERAS = ("2026-07-28", "2025-11-25")
KEY = b"k" * 32
READS = Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
WRITES = Hints(read_only=False, destructive=True, idempotent=True, open_world=False)


def plan(id: str = "p1", **more: Any) -> Plan:
    """A plan that waits for a person."""
    edit = Edit(Action.DELETE, Target("routes", "checkout"), {"uri": "/pay"}, None, 7)
    now = time.time()
    fields: dict[str, Any] = {
        "id": id,
        "digest": f"digest-of-{id}",
        "created": now,
        "expires": now + 600,
        "by": "local",
        "role": "editor",
        "face": "mcp",
        "reason": "the shop closes",
        "edits": (edit,),
        "probes": (),
        "selected": "",
        "problems": (),
        "impact": ("/pay stops answering",),
        "risk": Level.HIGH,
        "risks": (Reason("deletes", Level.HIGH, "deletes a route that has traffic"),),
        "decision": Decision("ask", ("the risk is high",)),
        "state": State.WAITING,
    }
    return Plan(**(fields | more))


@dataclass
class ChangesStandIn:
    """Remembers what was approved and rejected, and by whom."""

    plans: dict[str, Plan] = field(default_factory=lambda: {"p1": plan(), "p2": plan("p2")})
    approved: list[tuple[str, Principal, str]] = field(default_factory=list)
    rejected: list[tuple[str, Principal, str]] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    elicitation: bool = True

    async def state(self, plan_id: str) -> Plan | Change:
        return self.plans[plan_id]

    async def approve(self, plan_id: str, who: Principal, channel: str) -> None:
        self.approved.append((plan_id, who, channel))
        self.plans[plan_id] = replace(self.plans[plan_id], state=State.READY)

    def page(self, id: str) -> str:
        return f"http://localhost:5000/plans/{id}"

    async def reject(self, plan_id: str, who: Principal, why: str) -> None:
        self.rejected.append((plan_id, who, why))
        self.plans[plan_id] = replace(self.plans[plan_id], state=State.REJECTED)

    def use_once(self, code: str, until: float) -> bool:
        fresh = code not in self.codes and until > time.time()
        self.codes.add(code)
        return fresh

    def confirmation(self) -> Confirmation:
        return Confirmation(self, lambda: self.elicitation, self.use_once)

    def tools(self) -> tuple[Tool, ...]:
        """`apply` says the state that it found; `plan_state` fails for what there is not."""

        async def apply(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
            state = self.plans[arguments["plan"]].state.value
            return Outcome(f"{arguments['plan']} is {state}", {"state": state})

        async def plan_state(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
            if arguments["plan"] not in self.plans:
                return Outcome.error("There is no such plan; history lists them.")
            return Outcome(f"{arguments['plan']} for {who.name}", {"state": "waiting"})

        return (
            row("apply", WRITES, apply, {"plan": {"type": "string"}}),
            row("plan_state", READS, plan_state, {"plan": {"type": "string"}}),
        )

    def server(self, key: bytes = KEY) -> Server[Any]:
        return create_server(Core(AssistantSettings(), self.tools()), key, self.confirmation())


def row(name: str, hints: Hints, run: Any, properties: dict[str, Any]) -> Tool:
    """A tool whose arguments are all needed, and whose data is any object."""
    takes = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return Tool(name, name.title(), f"What {name} does.", hints, takes, {"type": "object"}, run)


@dataclass
class Person:
    """Who sits at the client: gives ``answers`` in turn and remembers what was ``asked``."""

    answers: list[ElicitResult]
    asked: list[ElicitRequestParams] = field(default_factory=list)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params)
        return self.answers.pop(0)


YES = ElicitResult(action="accept", content={"apply": True})
UNTICKED = ElicitResult(action="accept", content={"apply": False})
NO = ElicitResult(action="decline")
DISMISSED = ElicitResult(action="cancel")


def client(server: Any, era: str, person: Person | None = None) -> Client:
    """``server``: one in this process, or a URL."""
    mode = "legacy" if era != ERAS[0] else "auto"
    return Client(server, mode=mode, elicitation_callback=person)
