"""The one road to a write: plan, approve, apply, prove, record, undo. Every face goes through here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from gatechat.assistant.change import approval as approvals
from gatechat.assistant.change import prove, recover, undo
from gatechat.assistant.change.approval import NotApproved
from gatechat.assistant.change.drift import Drift, Lookout
from gatechat.assistant.change.entering import fill_in
from gatechat.assistant.change.execute import FOR_GOOD, Conflict, Done, Execution, Executor, in_words
from gatechat.assistant.change.model import (
    Approval,
    Change,
    Edit,
    Plan,
    Probe,
    Problem,
    Proof,
    State,
    Target,
)

if TYPE_CHECKING:
    from gatechat.assistant.change.plan import PlanRequest
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import Secret
from gatechat.assistant.change.resources import Resources, words_of
from gatechat.assistant.change.shown import shown
from gatechat.assistant.change.telling import plan_text
from gatechat.assistant.change.turns import Turns
from gatechat.assistant.change.write_through import Waiting, Write, not_there
from gatechat.assistant.ledger import Entry, Held, LedgerError, Left, Moved, Records
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem as Failure
from gatechat.assistant.view.configuration import Item
from gatechat.assistant.view.live import Live, revision

log = logging.getLogger(__name__)

T = TypeVar("T")
Ended: Final = (State.APPLIED, State.FAILED, State.UNDONE, State.BROKEN)
"""The states with a Change to show."""
OURSELVES: Final = Principal("gatechat", Role.ADMIN, "cli")
"""Who acts when a process that was killed is cleaned up after."""


class Drafts(Protocol):
    """Makes whole plans: checked, with impact, risk and the policy's decision."""

    async def of_request(self, request: PlanRequest, who: Principal) -> Plan: ...

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
    ) -> Plan: ...

    async def misled(self, edits: Sequence[Edit]) -> Sequence[Problem]:
        """Where the edits lead that they must not, looked at again: a name may mean another address now."""
        ...

    def digest(self, plan: Plan) -> str: ...

    def diff(self, edit: Edit) -> str: ...


class NotReady(Failure):
    """A plan cannot be applied as things are. ``words`` say why and what to do, ``details`` quote the
    gateway, the message is both; ``plan`` is as it is now.
    """

    def __init__(self, plan: Plan, words: str, details: str = "") -> None:
        super().__init__(409, f"{words}\n{details}".rstrip())
        self.plan = plan
        self.words = words
        self.details = details


class Unknown(Failure):
    """There is no plan or change with this id; the message says how to find the right one."""

    def __init__(self, message: str) -> None:
        super().__init__(404, message)


@dataclass(frozen=True, slots=True)
class Settings:
    """``page``: id -> the URL of the plan's page. ``now`` gives Unix seconds."""

    policy: Policy
    page: Callable[[str], str]
    now: Callable[[], float] = time.time


class Changes:
    """Made once per process. ``gateway``: the URL that leads through the gateway, ``control``: that of
    its Control API, where there are.
    """

    def __init__(
        self,
        *,
        records: Records,
        drafts: Drafts,
        live: Live,
        resources: Resources,
        turns: Turns,
        settings: Settings,
        gateway: str | None = None,
        control: str | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.records = records
        self._drafts = drafts
        self._live = live
        self._resources = resources
        self._turns = turns
        self._settings = settings
        self._gateway = gateway
        self._control = control
        self._executor = executor or Executor(resources)
        self._lookout = Lookout(records, live)
        self._applying: dict[str, asyncio.Task[Change]] = {}

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._applying:
            await asyncio.wait(self._applying.values())
        self._turns.close()
        self.records.ledger.close()

    def page(self, id: str) -> str:
        """Where a person sees, approves or rejects the plan."""
        return self._settings.page(id)

    def tell(self, plan: Plan) -> str:
        """The plan in words, for a model: diff, impact, risk, and how to go on."""
        return plan_text(plan, self.records.redactor(), self.page(plan.id))

    # -- plan ------------------------------------------------------------------------------------------------

    async def plan(self, request: PlanRequest, who: Principal) -> Plan:
        """Raises Problem when the Admin API cannot be asked."""
        plan = await self._lookout.add_to(await self._drafts.of_request(request, who))
        await _aside(self.records.planned, plan, who)
        return plan

    async def plan_edits(
        self, edits: Sequence[Edit], reason: str, who: Principal, *, problems: Sequence[Problem] = ()
    ) -> Plan:
        """Of edits that are ready, as files give them; ``problems`` are what was wrong with the files.

        Raises Problem when the Admin API cannot be asked.
        """
        plan = await self._lookout.add_to(await self._drafts.of_edits(edits, reason, who, problems=problems))
        await _aside(self.records.planned, plan, who)
        return plan

    async def state(self, id: str) -> Plan | Change:
        """The plan as it is now, or how its apply ended. Raises Unknown."""
        plan = await self._plan(id)
        if plan.state in Ended:
            change = await _aside(self.records.change, id)
            if change is not None:
                return change
        return plan

    async def _plan(self, id: str) -> Plan:
        """With time taken into account: what lapsed is EXPIRED, and the ledger says so."""
        plan = await _aside(self.records.plan, id)
        if plan is None:
            raise Unknown(f"there is no plan {id}; `history` lists the newest")
        approval = await _aside(self.records.approval, id)
        state = approvals.current(plan, approval, self._settings.now())
        if state is not plan.state:
            await self._move(plan, "expired", state, OURSELVES, why="nobody used it in time")
        return replace(plan, state=state)

    async def _move(self, plan: Plan, what: str, state: State, who: Principal, **body: object) -> None:
        def move() -> None:
            self.records.moved(plan.id, what, state, who, (plan.state,), **body)

        await _aside(move)

    # -- approve ---------------------------------------------------------------------------------------------

    async def approve(self, id: str, who: Principal, channel: str, *, shown: str | None = None) -> Approval:
        """``shown``: the digest of the plan that the person saw. Raises NotApproved, Unknown."""
        plan = await self._plan(id)
        if shown is not None and shown != plan.digest:
            raise NotApproved("the plan is not the one that was shown: look at it again")
        entered = await _aside(self.records.ledger.entered, id)
        given = approvals.grant(
            plan,
            who,
            channel,
            now=self._settings.now(),
            elicitation=self._settings.policy.elicitation,
            entered=entered,
        )
        try:
            await _aside(self.records.approved, given, who)
        except Moved as moved:
            raise NotApproved(f"the plan is {moved.state} now") from None
        return given

    async def reject(self, id: str, who: Principal, why: str) -> None:
        """By a person who approves, or by whoever made the plan. Raises NotApproved, Unknown."""
        plan = await self._plan(id)
        if who.name != plan.by and who.role < Role.APPROVER:
            raise NotApproved(f"the plan is {plan.by}'s; an approver or {plan.by} may reject it")
        if plan.state not in (State.WAITING, State.READY):
            raise NotApproved(f"the plan is {plan.state.value}: there is nothing to reject")
        try:
            await self._move(plan, "rejection", State.REJECTED, who, why=why)
        except Moved as moved:
            raise NotApproved(f"the plan is {moved.state} now") from None

    async def enter(self, id: str, values: Mapping[str, str], who: Principal) -> None:
        """Secrets that a person typed on the plan's page, by their path. Raises NotApproved, Unknown."""
        plan = await self._plan(id)
        if not who.person or who.role < Role.APPROVER:
            raise NotApproved("secrets are entered by a person, on the plan's page")
        if unknown := sorted(set(values) - set(plan.secrets)):
            raise NotApproved(f"the plan has no secret {', '.join(unknown)}")
        try:
            await _aside(self.records.entered, id, values, who)
        except Moved as moved:
            raise NotApproved(f"the plan is {moved.state} now") from None

    # -- apply -----------------------------------------------------------------------------------------------

    async def apply(self, id: str, who: Principal) -> Change:
        """Applies a plan once: whoever asks again gets the first result. It goes on when the caller goes
        away.

        Raises NotReady when it cannot be applied now, NotApproved when not by ``who``, Unknown, and Problem
        when the Admin API is away before anything was written.
        """
        task = self._applying.get(id)
        if task is None:
            task = asyncio.create_task(self._apply(id, who))
            self._applying[id] = task
            task.add_done_callback(lambda _: self._applying.pop(id, None))
        return await asyncio.shield(task)

    async def _apply(self, id: str, who: Principal) -> Change:
        async with self._turns.turn():
            await self._clean_up()
            plan = await self._plan(id)
            if plan.state in Ended:
                change = await _aside(self.records.change, id)
                if change is not None:
                    return change
            if plan.state is not State.READY:
                raise NotReady(plan, self._why_not(plan))
            approval = await _aside(self.records.approval, id)
            approvals.check(plan, approval, self._drafts.digest(plan), who)
            edits = fill_in(plan.edits, await _aside(self.records.ledger.entered, id))
            if conflicts := await self._executor.conflicts(edits):
                why = "since the plan was made, others changed what it is about"
                await self._stale(plan, why, map(self._conflict, conflicts), who)
            if wrong := await self._drafts.misled(edits):
                words = (f"{it.path}: {it.message}" for it in wrong)
                await self._stale(plan, "a name leads elsewhere than when the plan was made", words, who)
            try:
                await _aside(self.records.begun, id, who, approval)
            except Moved as moved:
                raise NotReady(plan, f"the plan is {moved.state} now") from None
            return await self._run(plan, edits, approval, who)

    async def _run(
        self, plan: Plan, edits: Sequence[Edit], approval: Approval | None, who: Principal
    ) -> Change:
        """From here on the ledger says that it is under way; it must say how it ended."""
        started = self._settings.now()
        execution = await self._executor.apply(edits)
        proofs: list[Proof] = []
        state = execution.state
        if state is State.APPLIED:
            proofs = await self._prove(plan, execution)
            if failed := self._failed(plan.probes, proofs):
                await self._executor.compensate(execution.steps)
                execution.failure = f"a required probe failed ({failed.what}: {failed.detail})"
                state = State.UNDONE if execution.state is State.FAILED else State.BROKEN
        return await self._end(plan, execution, state, proofs, approval, started, who)

    async def _prove(self, plan: Plan, execution: Execution) -> list[Proof]:
        """The probes' proofs are the last ones, in the probes' order."""
        proofs = [await prove.read_back(execution.steps, self._resources)]
        probes = plan.probes or (prove.reaching(execution.steps) if self._gateway else ())
        if self._control is not None and (self._gateway is None or not probes):
            told = await prove.served(execution.steps, self._control)
            proofs += [told] if told is not None else []
        if self._gateway is None:
            return proofs + [prove.unreachable(probe) for probe in probes]
        return proofs + await prove.probe_all(probes, self._gateway)

    @staticmethod
    def _failed(probes: Sequence[Probe], proofs: Sequence[Proof]) -> Proof | None:
        """The first required probe that failed. The probes' proofs are the last ones, in the probes'
        order.
        """
        if not probes:
            return None
        pairs = zip(probes, proofs[-len(probes) :], strict=True)
        return next((proof for probe, proof in pairs if probe.required and not proof.passed), None)

    async def _end(
        self,
        plan: Plan,
        execution: Execution,
        state: State,
        proofs: Sequence[Proof],
        approval: Approval | None,
        started: float,
        who: Principal,
        what: str = "change",
    ) -> Change:
        change = Change(
            id=plan.id,
            plan=plan,
            state=state,
            started=started,
            ended=self._settings.now(),
            steps=tuple(done.step for done in execution.steps),
            proofs=tuple(proofs),
            approval=approval,
            text=in_words(state, execution, proofs),
        )
        change = self.records.scrubbed(change, [done.edit for done in execution.steps])
        left: Left = {done.edit.target: done.left for done in execution.steps if done.outcome == "done"}

        def record() -> None:
            self.records.ended(change, left, who, what)
            self.records.ledger.see(_seen(left))

        try:
            await _aside(record)
        except LedgerError as error:
            self._live.invalidate()
            later = "How it ended is looked up and recorded before the next change."
            raise Failure(503, f"{change.text} But {error.message}. {later}") from error
        owners = any(target.kind == "consumers" and held is None for target, held in left.items())
        if state is State.APPLIED and proofs[0].passed and not owners:
            items = {(target.kind, target.id): _item(held) for target, held in left.items()}
            self._live.wrote(items, [done.revision for done in execution.steps if done.outcome == "done"])
        else:  # what was taken back, could not be read back, or went with a consumer, is read anew
            self._live.invalidate()
        return replace(change, plan=replace(plan, state=state))

    async def _stale(self, plan: Plan, why: str, details: Iterable[str], who: Principal) -> None:
        found = "\n".join(details)
        await self._move(plan, "stale", State.STALE, who, why=f"{why}\n{found}")
        raise NotReady(replace(plan, state=State.STALE), f"Nothing was written: {why}. Plan anew.", found)

    def _conflict(self, conflict: Conflict) -> str:
        """What others made of it, as a diff from what the plan was made from."""
        edit, found = conflict.edit, conflict.found
        after = None if found is None else found.value
        return self._drafts.diff(replace(edit, after=after))

    def _why_not(self, plan: Plan) -> str:
        match plan.state:
            case State.WAITING:
                return (
                    f"Plan {plan.id} waits for a person's approval. It is given on "
                    f"{self.page(plan.id)} or "
                    f"with `gatechat approve {plan.id}` in a terminal. Apply it again after that."
                )
            case State.REFUSED:
                return f"Plan {plan.id} cannot be applied: its state says why. Plan anew."
            case State.APPLYING:
                return f"Plan {plan.id} is being applied. Apply it again to hear how it ended."
            case _:
                return f"Plan {plan.id} is {plan.state.value}. Plan anew."

    # -- pass-through ----------------------------------------------------------------------------------------

    async def write_through(self, write: Write, who: Principal) -> Answer | Waiting:
        """A write to the Admin API that is passed through: planned, decided upon, and done at once if it
        may be. A redacted value in it means: keep what is there.

        The answer is the Admin API's own, without secrets. Raises Problem: 403 where the policy refuses it,
        409 when others were faster, 502 and 504 when it is not known whether it was done.
        """
        async with self._turns.turn():
            await self._clean_up()
            there = await self._resources.get(write.target) if write.target.id else None
            write = write.restored(self.records.redactor(), there)
            edit = write.edit(there)
            if edit is None:
                return not_there()
            reason = f"{write.method} {write.target.kind}/{write.target.id}".rstrip("/")
            plan = self._passing(await self._drafts.of_edits((edit,), reason, who, checked=False), who)
            if plan.state is State.WAITING:
                if edit.after is not None and (invalid := await self._resources.invalid(edit)) is not None:
                    return self._shown(invalid, edit)
                plan = await self._drafts.of_edits((edit,), reason, who)
            if plan.state is State.REFUSED:
                raise _refusal(plan)
            if plan.state is State.WAITING:
                if write.query:
                    raise Failure(400, _NOT_IN_A_PLAN.format(why="; ".join(plan.decision.reasons)))
                await _aside(self.records.planned, plan, who)
                return Waiting(plan)
            await _aside(self.records.planned_and_begun, plan, who)
            return await asyncio.shield(asyncio.create_task(self._pass_through(plan, edit, write, who)))

    def _passing(self, plan: Plan, who: Principal) -> Plan:
        """What the policy's ``pass_through`` lets pass at once, if its risk is the only reason to ask."""
        if plan.state is not State.WAITING or plan.secrets:
            return plan
        decision = self._settings.policy.decide_passing(plan, who)
        return plan if decision is None else replace(plan, state=State.READY, decision=decision)

    async def _pass_through(self, plan: Plan, edit: Edit, write: Write, who: Principal) -> Answer:
        """When no answer comes, the plan stays under way: how it ended is looked up at the next occasion."""
        started = self._settings.now()
        done = Done(edit)
        server = (await self._live.configuration(inf)).server
        try:
            answer = self._shown(await self._resources.pass_on(write, edit, server), edit)
        except Failure as failure:
            message = self.records.redactor().scrub(failure.message, self._secrets(edit))
            raise Failure(failure.status, message) from failure
        proofs: list[Proof] = []
        execution = Execution([done])
        if answer.status in (200, 201):
            done.edit = replace(edit, target=self._resources.written(edit.target, answer))
            done.outcome, done.revision = "done", revision(answer)
            proofs = [await prove.read_back([done], self._resources)]
        else:
            execution.failure = f"{answer.status} {words_of(answer)}"
        await self._end(plan, execution, execution.state, proofs, None, started, who)
        return answer

    def _shown(self, answer: Answer, edit: Edit) -> Answer:
        return shown(answer, self.records.redactor(), self._secrets(edit))

    def _secrets(self, edit: Edit) -> list[Secret]:
        """Those of both sides, which the gateway's words may repeat."""
        redactor, target = self.records.redactor(), edit.target
        sides = (edit.before, edit.after)
        return [it for side in sides for it in redactor.secrets(target.kind, side, target.id)]

    # -- undo ------------------------------------------------------------------------------------------------

    async def undo(self, id: str, who: Principal, reason: str) -> Plan:
        """The plan that takes a change back; it goes the same road as any. Raises Unknown, Problem."""
        change = await self.state(id)
        if not isinstance(change, Change):
            raise Unknown(f"plan {id} is {change.state.value} and was not applied: there is nothing to undo")
        left = await _aside(self.records.left, id)
        back = await undo.reverse(change, left, self.records, self._resources)
        plan = await self._drafts.of_edits(
            back.edits,
            reason or f"undo {id}: {change.plan.reason}",
            who,
            undoes=id,
            problems=back.problems,
            secrets=back.secrets,
        )
        await _aside(self.records.planned, plan, who)
        return plan

    # -- history, drift, recovery ----------------------------------------------------------------------------

    async def history(
        self, limit: int = 20, before: int | None = None, touching: Target | None = None
    ) -> list[Entry]:
        """How changes ended, the newest first, as the ledger's redacted entries."""
        key = None if touching is None else (touching.kind, touching.id)

        def read() -> list[Entry]:
            return self.records.ledger.entries(
                what=("change", "recovery"), before=before, touching=key, limit=limit
            )

        return await _aside(read)

    async def drift(self, who: Principal) -> list[Drift]:
        """What others changed since we last looked; from now on we have. The first look finds nothing."""
        async with self._turns.turn():
            return await self._lookout.find(who)

    async def recover(self) -> list[Change]:
        """Ends what an earlier process left half done. Raises Problem when the Admin API is away: ask
        again.
        """
        async with self._turns.turn():
            return await self._clean_up()

    async def _clean_up(self) -> list[Change]:
        """For who has the turn: nobody else can be in the middle of an apply."""
        ended = []
        for id in await _aside(self.records.under_way):
            plan = await _aside(self.records.plan, id)
            before = await _aside(self.records.change, id)
            if plan is None or (before is not None and _is_beyond_help(before)):
                continue
            entered = await _aside(self.records.ledger.entered, id)
            whole = replace(plan, edits=fill_in(plan.edits, entered))
            execution = await recover.recover(
                whole, self._resources, self._executor, may_finish=plan.state is State.APPLYING
            )
            proofs = (
                [await prove.read_back(execution.steps, self._resources)] if not execution.failure else []
            )
            approval = await _aside(self.records.approval, id)
            started = before.started if before else self._settings.now()
            change = await self._end(
                plan, execution, execution.state, proofs, approval, started, OURSELVES, "recovery"
            )
            log.warning("change %s was broken off: %s", id, change.text)
            ended.append(change)
        return ended


def _is_beyond_help(change: Change) -> bool:
    """Whether all that is left of a broken change is for people to mend."""
    left = [step for step in change.steps if step.outcome == "not compensated"]
    return change.state is State.BROKEN and all(step.detail in FOR_GOOD for step in left)


_NOT_IN_A_PLAN: Final = (
    "a person must approve this first ({why}), and what waits cannot keep ttl or force: leave them out. To "
    "delete what others use, change or delete those too, in one plan"
)


def _refusal(plan: Plan) -> Failure:
    """What is wrong with a write that was passed through; 403 when it is the policy that refuses it."""
    if plan.problems:
        return Failure(400, "; ".join(f"{it.path}: {it.message}".removeprefix(": ") for it in plan.problems))
    return Failure(403, "; ".join(plan.decision.reasons))


_Seen: TypeAlias = dict[tuple[str, str], tuple[int | None, object] | None]


def _seen(left: Left) -> _Seen:
    return {(target.kind, target.id): _pair(held) for target, held in left.items()}


def _pair(held: Held | None) -> tuple[int | None, object] | None:
    return None if held is None else (held.version, held.value)


def _item(held: Held | None) -> Item | None:
    return None if held is None else Item(held.value, held.version or 0)


async def _aside(work: Callable[..., T], *arguments: object) -> T:
    """Runs what waits for the disk in a thread."""
    return await asyncio.to_thread(work, *arguments)
