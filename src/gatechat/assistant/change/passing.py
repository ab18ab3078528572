"""Writes that speak to the Admin API itself, on the same road as plans: planned, decided upon, passed on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from typing import Final

from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change import prove
from gatechat.assistant.change.execute import Done, Execution
from gatechat.assistant.change.model import Edit, Plan, Proof, State
from gatechat.assistant.change.plan import Drafts
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import REVEALS, Secret
from gatechat.assistant.change.resources import Resources, words_of
from gatechat.assistant.change.runs import Runs
from gatechat.assistant.change.shown import shown
from gatechat.assistant.change.write_through import Waiting, Write, in_the_way, not_there
from gatechat.assistant.ledger import Records
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem as Failure
from gatechat.assistant.view.live import Live, revision


class Passing:
    """For who has the turn: one change runs at a time."""

    def __init__(
        self,
        records: Records,
        drafts: Drafts,
        live: Live,
        resources: Resources,
        policy: Policy,
        runs: Runs,
    ) -> None:
        self._records = records
        self._drafts = drafts
        self._live = live
        self._resources = resources
        self._policy = policy
        self._runs = runs

    async def write(self, write: Write, who: Principal) -> Answer | Waiting:
        """A write to the Admin API that is passed through: planned, decided upon, and done at once if it
        may be. A redacted value in it means: keep what is there.

        The answer is the Admin API's own, without secrets. Raises Problem: 403 where the policy refuses it,
        409 when others were faster, 502 and 504 when it is not known whether it was done.
        """
        there = await self._resources.get(write.target) if write.target.id else None
        write = write.restored(self._records.redactor(), there)
        edit = write.edit(there)
        if edit is None:
            return not_there()
        self._refuse_to_reveal(edit)
        reason = f"{write.method} {write.target.kind}/{write.target.id}".rstrip("/")
        plan = self._decided(await self._drafts.of_edits((edit,), reason, who, checked=False), who)
        if plan.state is State.WAITING:
            if edit.after is not None and (invalid := await self._resources.invalid(edit)) is not None:
                return self._shown(invalid, edit)
            there_now = await self._live.configuration(max_age=0)
            if (refusal := in_the_way(edit, there_now, force=write.force)) is not None:
                raise refusal
            plan = await self._drafts.of_edits((edit,), reason, who)
        if plan.state is State.REFUSED:
            raise _refusal(plan)
        if plan.state is State.WAITING:
            if write.query:
                raise Failure(400, _NOT_IN_A_PLAN.format(why="; ".join(plan.decision.reasons)))
            await asyncio.to_thread(self._records.planned, plan, who)
            return Waiting(plan)
        await asyncio.to_thread(self._records.planned_and_begun, plan, who)
        return await self._pass_on(plan, edit, write, who)

    def _refuse_to_reveal(self, edit: Edit) -> None:
        kind, id = edit.target.kind, edit.target.id
        _, told = self._records.redactor().covered(kind, edit.before, edit.after, id)
        if told:
            raise Failure(400, f"{told[0]}: {REVEALS}")

    def _decided(self, plan: Plan, who: Principal) -> Plan:
        """What the policy's ``pass_through`` lets pass at once, if its risk is the only reason to ask."""
        if plan.state is not State.WAITING or plan.secrets:
            return plan
        decision = self._policy.decide_passing(plan, who)
        return plan if decision is None else replace(plan, state=State.READY, decision=decision)

    async def _pass_on(self, plan: Plan, edit: Edit, write: Write, who: Principal) -> Answer:
        """When no answer comes, the plan stays under way: how it ended is looked up at the next occasion."""
        started = self._runs.now()
        done = Done(edit)
        server = (await self._live.configuration(inf)).server
        try:
            answer = self._shown(await self._resources.pass_on(write, edit, server), edit)
        except Failure as failure:
            message = self._records.redactor().scrub(failure.message, self._secrets(edit))
            raise Failure(failure.status, message) from failure
        proofs: list[Proof] = []
        execution = Execution([done])
        if answer.status in (200, 201):
            done.edit = replace(edit, target=self._resources.written(edit.target, answer))
            done.outcome, done.revision = "done", revision(answer)
            proofs = [await prove.read_back([done], self._resources)]
        else:
            execution.failure = f"{answer.status} {words_of(answer)}"
        await self._runs.end(plan, execution, execution.state, proofs, None, started, who)
        return answer

    def _shown(self, answer: Answer, edit: Edit) -> Answer:
        return shown(answer, self._records.redactor(), self._secrets(edit))

    def _secrets(self, edit: Edit) -> list[Secret]:
        """Those of both sides, which the gateway's words may repeat."""
        redactor, target = self._records.redactor(), edit.target
        sides = (edit.before, edit.after)
        return [it for side in sides for it in redactor.secrets(target.kind, side, target.id)]


_NOT_IN_A_PLAN: Final = (
    "a person must approve this first ({why}), and what waits cannot keep ttl or force: leave them out. To "
    "delete what others use, change or delete those too, in one plan"
)


def _refusal(plan: Plan) -> Failure:
    """What is wrong with a write that was passed through; 403 when it is the policy that refuses it."""
    if plan.problems:
        return Failure(400, "; ".join(f"{it.path}: {it.message}".removeprefix(": ") for it in plan.problems))
    return Failure(403, "; ".join(plan.decision.reasons))
