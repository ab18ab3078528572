"""What is asked for, and the plan that is made of it: checked, weighed and decided upon."""

from __future__ import annotations

import hashlib
import json
import secrets as random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from gatechat.assistant.change import diff
from gatechat.assistant.change.by_schema import malformed
from gatechat.assistant.change.catalogue import Catalogue, Catalogues, Sends
from gatechat.assistant.change.check import Checker
from gatechat.assistant.change.impact import Impact, impact
from gatechat.assistant.change.model import Decision, Edit, Level, Plan, Probe, Problem, Reason, State
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import ENTER, GENERATE, Redactor, encrypted_fields, marked
from gatechat.assistant.change.resolve import Operation, after, resolve
from gatechat.assistant.change.risk import Case, assess
from gatechat.assistant.principal import Principal
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.live import Live

LIFETIME: Final = 600.0
"""Seconds in which a plan must be approved and applied."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """``reason`` in words, for the ledger and the person who approves."""

    reason: str
    operations: tuple[Operation, ...]
    probes: tuple[Probe, ...] = ()


class Drafts:
    """Makes plans for one gateway. Writes nothing, neither to the gateway nor to the ledger."""

    def __init__(
        self,
        admin: Sends,
        live: Live,
        policy: Policy,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy
        self._live = live
        self._now = now
        self._catalogues = Catalogues(admin)
        self._checker = Checker(admin, policy)
        self._learned: Catalogue | None = None

    @property
    def redactor(self) -> Redactor:
        """The one of the moment: with the secret fields that the gateway told last, of custom plugins too."""
        return self._checker.redactor

    @property
    def learned(self) -> bool:
        """Whether the gateway ever told what its plugins keep secret."""
        return self._learned is not None

    async def learn(self) -> None:
        """Asks the gateway what its plugins keep secret, unless it told it within the last minute. Raises
        Problem when it cannot be asked.
        """
        catalogue = await self._catalogues.get()
        if catalogue is not self._learned:
            self._checker.redactor = Redactor(encrypted_fields(catalogue.attributes))
            self._learned = catalogue

    async def catalogue(self) -> Catalogue:
        """What the gateway knows, with its schemas. Raises Problem when it cannot be asked."""
        return await self._catalogues.get()

    async def of_request(self, request: PlanRequest, who: Principal) -> Plan:
        """Raises Problem when the Admin API cannot be asked. What is wrong with it is in the plan."""
        configuration = await self._live.configuration(max_age=0)
        await self.learn()
        found = resolve(request.operations, configuration, self.redactor)
        return await self._plan(
            configuration,
            found.edits,
            request.reason,
            who,
            probes=request.probes,
            selected=found.selected,
            problems=found.problems,
        )

    async def of_edits(
        self,
        edits: Sequence[Edit],
        reason: str,
        who: Principal,
        *,
        undoes: str | None = None,
        problems: Sequence[Problem] = (),
        secrets: Sequence[str] = (),
        checked: bool = True,
    ) -> Plan:
        """Of edits that are ready: an undo, whose secrets are known, or a write that is passed through.

        ``secrets`` must be entered. Not ``checked``: the gateway will say itself what is wrong with it.
        """
        configuration = await (self._live.configuration(max_age=0) if checked else self._live.configuration())
        return await self._plan(
            configuration,
            tuple(edits),
            reason,
            who,
            undoes=undoes,
            problems=tuple(problems),
            secrets=tuple(secrets),
            checked=checked,
            trusted=undoes is not None,
        )

    async def misled(self, edits: Sequence[Edit]) -> list[Problem]:
        """See Checker.addresses."""
        return await self._checker.addresses(edits)

    def digest(self, plan: Plan) -> str:
        """SHA-256 over edits, probes and reason."""
        whole = {
            "edits": [asdict(edit) for edit in plan.edits],
            "probes": [asdict(probe) for probe in plan.probes],
            "reason": plan.reason,
        }
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def diff(self, edit: Edit) -> str:
        """Unified, redacted by what was asked of the gateway last."""
        return diff.difference(edit, self.redactor).text

    async def _plan(
        self,
        configuration: Configuration,
        edits: tuple[Edit, ...],
        reason: str,
        who: Principal,
        *,
        probes: tuple[Probe, ...] = (),
        selected: str = "",
        problems: tuple[Problem, ...] = (),
        undoes: str | None = None,
        secrets: tuple[str, ...] = (),
        checked: bool = True,
        trusted: bool = False,
    ) -> Plan:
        await self.learn()
        by_schema = self._checker.by_schema(edits, await self._catalogues.get(), secrets)
        changed = after(configuration, edits)
        probes = (*probes, *(probe for probe in self.policy.probes if probe not in probes))
        may_tell = trusted or who.face in self.policy.inline_secrets
        found = list(problems)
        found += self._of_request(reason)
        told = {(it.target, it.path) for it in problems}
        judged = await self._checker.problems(
            edits,
            changed,
            by_schema,
            probes,
            secrets_allowed=may_tell,
            by_person=who.person,
            ask=checked,
            to_enter=secrets,
        )
        found += [it for it in judged if (it.target, it.path) not in told]
        if any(map(malformed, by_schema.values())):
            what, risks = Impact(), [] if checked else [Reason("malformed", Level.HIGH, _UNTOLD)]
        else:
            what = impact(configuration, changed, edits)
            risks = assess(Case(edits, configuration, changed, what))
            risks[:0] = self.policy.reached(edits, configuration, changed)
        secrets = tuple(dict.fromkeys((*secrets, *_to_enter(edits))))
        now = self._now()
        plan = Plan(
            id=random.token_hex(6),
            digest="",
            created=now,
            expires=now + LIFETIME,
            by=who.name,
            role=who.role.name.lower(),
            face=who.face,
            reason=reason.strip(),
            edits=edits,
            probes=probes,
            selected=selected,
            problems=tuple(_once(found)),
            impact=what.lines,
            risk=max((it.level for it in risks), key=_HEIGHT.__getitem__, default=Level.LOW),
            risks=tuple(risks),
            decision=Decision("ask", ()),
            state=State.WAITING,
            undoes=undoes,
            secrets=secrets,
        )
        decision = self.policy.decide(plan, who)
        if secrets and decision.verdict == "allow":
            decision = Decision("ask", ("a person must enter or take its secrets on the plan's page",))
        plan = replace(plan, decision=decision, state=_state(plan, decision))
        return replace(plan, digest=self.digest(plan))

    def _of_request(self, reason: str) -> list[Problem]:
        if reason.strip():
            return []
        return [
            Problem(
                None, "reason", "say why, in words: it goes into the history", fix="one sentence is enough"
            )
        ]


_UNTOLD: Final = (
    "what it would do cannot be told, as its values have not the shape that the gateway describes"
)
_HEIGHT: Final[Mapping[Level, int]] = {Level.LOW: 0, Level.MEDIUM: 1, Level.HIGH: 2}


def _state(plan: Plan, decision: Decision) -> State:
    if plan.problems or decision.verdict == "refuse":
        return State.REFUSED
    return State.WAITING if decision.verdict == "ask" else State.READY


def _to_enter(edits: Sequence[Edit]) -> list[str]:
    """Where a person must put a secret: the model wrote ENTER or GENERATE there."""
    return [
        f"{edit.target.kind}/{edit.target.id}.{path}"
        for edit in edits
        for path in marked(edit.after, (ENTER, GENERATE))
    ]


def _once(problems: Sequence[Problem]) -> list[Problem]:
    found: list[Problem] = []
    for problem in problems:
        if problem not in found:
            found.append(problem)
    return found
