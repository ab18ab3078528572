"""A change from the moment that the ledger says it is under way until it says how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from gatechat.assistant.change import prove, recover
from gatechat.assistant.change.entering import fill_in
from gatechat.assistant.change.execute import FOR_GOOD, Execution, Executor, Progress, in_words
from gatechat.assistant.change.model import Approval, Change, Edit, Plan, Probe, Proof, State
from gatechat.assistant.change.resources import Resources
from gatechat.assistant.ledger import Held, LedgerError, Left, Records
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem as Failure
from gatechat.assistant.view.configuration import Item
from gatechat.assistant.view.live import Live

log = logging.getLogger(__name__)

OURSELVES: Final = Principal("gatechat", Role.ADMIN, "cli")
"""Who acts when a process that was killed is cleaned up after."""


class Runs:
    """For who has the turn: one change runs at a time."""

    def __init__(
        self,
        records: Records,
        resources: Resources,
        executor: Executor,
        live: Live,
        *,
        gateway: str | None,
        control: str | None,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._resources = resources
        self._executor = executor
        self._live = live
        self._gateway = gateway
        self._control = control
        self.now = now

    async def run(
        self,
        plan: Plan,
        edits: Sequence[Edit],
        approval: Approval | None,
        who: Principal,
        progress: Progress,
    ) -> Change:
        """From here on the ledger says that it is under way; it must say how it ended."""
        started = self.now()
        execution = await self._executor.apply(edits, progress)
        proofs: list[Proof] = []
        state = execution.state
        if state is State.APPLIED:
            proofs = await self._prove(plan, execution)
            if failed := self._failed(plan.probes, proofs):
                await self._executor.compensate(execution.steps)
                execution.failure = f"a required probe failed ({failed.what}: {failed.detail})"
                state = State.UNDONE if execution.state is State.FAILED else State.BROKEN
        return await self.end(plan, execution, state, proofs, approval, started, who)

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

    async def end(
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
            ended=self.now(),
            steps=tuple(done.step for done in execution.steps),
            proofs=tuple(proofs),
            approval=approval,
            text=in_words(state, execution, proofs),
        )
        change = self._records.scrubbed(change, [done.edit for done in execution.steps])
        left: Left = {done.edit.target: done.left for done in execution.steps if done.outcome == "done"}

        try:
            await asyncio.to_thread(self._records.ended, change, left, who, what)
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

    async def clean_up(self) -> list[Change]:
        """For who has the turn: nobody else can be in the middle of an apply."""
        ended = []
        for id in await asyncio.to_thread(self._records.under_way):
            plan = await asyncio.to_thread(self._records.plan, id)
            before = await asyncio.to_thread(self._records.change, id)
            if plan is None or (before is not None and _is_beyond_help(before)):
                continue
            entered = await asyncio.to_thread(self._records.ledger.entered, id)
            whole = replace(plan, edits=fill_in(plan.edits, entered))
            execution = await recover.recover(
                whole, self._resources, self._executor, may_finish=plan.state is State.APPLYING
            )
            proofs = (
                [await prove.read_back(execution.steps, self._resources)] if not execution.failure else []
            )
            approval = await asyncio.to_thread(self._records.approval, id)
            started = before.started if before else self.now()
            change = await self.end(
                plan, execution, execution.state, proofs, approval, started, OURSELVES, "recovery"
            )
            log.warning("change %s was broken off: %s", id, change.text)
            ended.append(change)
        return ended


def _is_beyond_help(change: Change) -> bool:
    """Whether all that is left of a broken change is for people to mend."""
    left = [step for step in change.steps if step.outcome == "not compensated"]
    return change.state is State.BROKEN and all(step.detail in FOR_GOOD for step in left)


def _item(held: Held | None) -> Item | None:
    return None if held is None else Item(held.value, held.version or 0)
