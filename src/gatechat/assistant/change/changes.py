"""The one road to a write: plan, approve, apply, prove, record, undo. Every face goes through here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change import approval as approvals
from gatechat.assistant.change import undo
from gatechat.assistant.change.approval import NotApproved
from gatechat.assistant.change.drift import Drift, Lookout
from gatechat.assistant.change.entering import fill_in
from gatechat.assistant.change.execute import Conflict, Executor, Progress
from gatechat.assistant.change.model import Approval, Change, Decision, Edit, Plan, Problem, State, Target
from gatechat.assistant.change.passing import Passing
from gatechat.assistant.change.plan import Drafts, PlanRequest
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.resources import Resources
from gatechat.assistant.change.runs import OURSELVES, Runs
from gatechat.assistant.change.telling import plan_text
from gatechat.assistant.change.turns import Turns
from gatechat.assistant.change.write_through import Waiting, Write
from gatechat.assistant.ledger import Entry, Moved, Records
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem as Failure
from gatechat.assistant.view.live import Live

Ended: Final = (State.APPLIED, State.FAILED, State.UNDONE, State.BROKEN)
"""The states with a Change to show."""


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
        self._executor = executor or Executor(resources)
        self._runs = Runs(
            records, resources, self._executor, live, gateway=gateway, control=control, now=settings.now
        )
        self._passing = Passing(records, drafts, live, resources, settings.policy, self._runs)
        self._lookout = Lookout(records, live)
        self._applying: dict[tuple[str, str], asyncio.Task[Change]] = {}
        self._passing_on: set[asyncio.Task[Answer | Waiting]] = set()

    async def close(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._applying.values(), *self._passing_on, return_exceptions=True)
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
        await asyncio.to_thread(self.records.planned, plan, who)
        return plan

    async def plan_edits(
        self, edits: Sequence[Edit], reason: str, who: Principal, *, problems: Sequence[Problem] = ()
    ) -> Plan:
        """Of edits that are ready, as files give them; ``problems`` are what was wrong with the files.

        Raises Problem when the Admin API cannot be asked.
        """
        plan = await self._lookout.add_to(await self._drafts.of_edits(edits, reason, who, problems=problems))
        await asyncio.to_thread(self.records.planned, plan, who)
        return plan

    async def state(self, id: str) -> Plan | Change:
        """The plan as it is now, or how its apply ended. Raises Unknown."""
        plan = await self._plan(id)
        if plan.state in Ended:
            change = await asyncio.to_thread(self.records.change, id)
            if change is not None:
                return change
        return plan

    async def _plan(self, id: str) -> Plan:
        plan, _ = await self._with_approval(id)
        return plan

    async def _with_approval(self, id: str) -> tuple[Plan, Approval | None]:
        """With time taken into account: what lapsed is EXPIRED, and the ledger says so. Raises Unknown."""

        def read() -> tuple[Plan | None, Approval | None]:
            return self.records.plan(id), self.records.approval(id)

        plan, approval = await asyncio.to_thread(read)
        if plan is None:
            raise Unknown(f"there is no plan {id}; `history` lists the newest")
        state = approvals.current(plan, approval, self._settings.now())
        if state is not plan.state:
            await self._move(plan, "expired", state, OURSELVES, why="nobody used it in time")
        return replace(plan, state=state), approval

    async def _move(self, plan: Plan, what: str, state: State, who: Principal, **body: object) -> None:
        def move() -> None:
            self.records.moved(plan.id, what, state, who, (plan.state,), **body)

        await asyncio.to_thread(move)

    # -- approve ---------------------------------------------------------------------------------------------

    async def approve(self, id: str, who: Principal, channel: str, *, shown: str | None = None) -> Approval:
        """``shown``: the digest of the plan that the person saw. Raises NotApproved, Unknown."""
        plan = await self._plan(id)
        if shown is not None and shown != plan.digest:
            raise NotApproved("the plan is not the one that was shown: look at it again")
        entered = await asyncio.to_thread(self.records.ledger.entered, id)
        given = approvals.grant(
            plan,
            who,
            channel,
            now=self._settings.now(),
            elicitation=self._settings.policy.elicitation,
            entered=entered,
        )
        try:
            await asyncio.to_thread(self.records.approved, given, who)
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
            await asyncio.to_thread(self.records.entered, id, values, who)
        except Moved as moved:
            raise NotApproved(f"the plan is {moved.state} now") from None

    # -- apply -----------------------------------------------------------------------------------------------

    async def apply(self, id: str, who: Principal, progress: Progress = lambda: None) -> Change:
        """Applies a plan once: whoever asks again gets the first result. It goes on when the caller goes
        away. ``progress`` of the first who asks is told.

        Raises NotReady when it cannot be applied now, NotApproved when not by ``who``, Unknown, and Problem
        when the Admin API is away before anything was written.
        """
        task = self._applying.get((id, who.name))
        if task is None:
            task = asyncio.create_task(self._apply(id, who, progress))
            self._applying[id, who.name] = task
            task.add_done_callback(lambda _: self._applying.pop((id, who.name), None))
        return await asyncio.shield(task)

    async def _apply(self, id: str, who: Principal, progress: Progress) -> Change:
        async with self._turns.turn():
            await self._runs.clean_up()
            plan, approval = await self._with_approval(id)
            if plan.state in Ended:
                change = await asyncio.to_thread(self.records.change, id)
                if change is not None:
                    return change
            if plan.state is not State.READY:
                raise NotReady(plan, self._why_not(plan))
            approvals.check(plan, approval, self._drafts.digest(plan), who, self._decided(plan, who))
            edits = fill_in(plan.edits, await asyncio.to_thread(self.records.ledger.entered, id))
            if conflicts := await self._executor.conflicts(edits):
                why = "since the plan was made, others changed what it is about"
                await self._stale(plan, why, map(self._conflict, conflicts), who)
            if wrong := await self._drafts.misled(edits):
                words = (f"{it.path}: {it.message}" for it in wrong)
                await self._stale(plan, "a name leads elsewhere than when the plan was made", words, who)
            try:
                await asyncio.to_thread(self.records.begun, id, who, approval)
            except Moved as moved:
                raise NotReady(plan, f"the plan is {moved.state} now") from None
            return await self._runs.run(plan, edits, approval, who, progress)

    def _decided(self, plan: Plan, who: Principal) -> Decision:
        """By the policy of now."""
        policy = self._settings.policy
        if problems := policy.problems(plan.edits, plan.probes, by_person=who.person):
            return Decision("refuse", tuple(it.message for it in problems))
        return policy.decide(plan, who)

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
                return f"Plan {plan.id} cannot be applied; plan_state says why. Plan anew."
            case State.APPLYING:
                return f"Plan {plan.id} is being applied. Apply it again to hear how it ended."
            case _:
                return f"Plan {plan.id} is {plan.state.value}. Plan anew."

    async def write_through(self, write: Write, who: Principal) -> Answer | Waiting:
        """A write to the Admin API itself, see gatechat.assistant.change.passing."""
        task = asyncio.create_task(self._write_through(write, who))
        self._passing_on.add(task)
        task.add_done_callback(self._passing_on.discard)
        return await asyncio.shield(task)  # a caller that goes away stops it no more than it stops an apply

    async def _write_through(self, write: Write, who: Principal) -> Answer | Waiting:
        async with self._turns.turn():
            await self._runs.clean_up()
            return await self._passing.write(write, who)

    # -- undo ------------------------------------------------------------------------------------------------

    async def undo(self, id: str, who: Principal, reason: str) -> Plan:
        """The plan that takes a change back; it goes the same road as any. Raises Unknown, Problem."""
        change = await self.state(id)
        if not isinstance(change, Change):
            raise Unknown(f"plan {id} is {change.state.value} and was not applied: there is nothing to undo")
        left = await asyncio.to_thread(self.records.left, id)
        back = await undo.reverse(change, left, self.records, self._resources)
        plan = await self._drafts.of_edits(
            back.edits,
            reason or f"undo {id}: {change.plan.reason}",
            who,
            undoes=id,
            problems=back.problems,
            secrets=back.secrets,
        )
        await asyncio.to_thread(self.records.planned, plan, who)
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

        return await asyncio.to_thread(read)

    async def drift(self, who: Principal) -> list[Drift]:
        """What others changed since we last looked; from now on we have. The first look finds nothing."""
        async with self._turns.turn():
            return await self._lookout.find(who)

    async def recover(self) -> list[Change]:
        """Ends what an earlier process left half done. Raises Problem when the Admin API is away: ask
        again.
        """
        async with self._turns.turn():
            return await self._runs.clean_up()
