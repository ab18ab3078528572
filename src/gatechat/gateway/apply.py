"""The heart: a write is translated, committed, published and acknowledged, or nothing remains of it."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from gatechat.gateway.delivery import XdsServer
from gatechat.gateway.model import Delete, Edit, Refused, Resource, State
from gatechat.gateway.snapshot import LISTENER, Snapshot
from gatechat.gateway.status import Acknowledged, Outcome, Rejected, Status, Unanswered
from gatechat.gateway.store import Change, Store, StoreError, stage

log = logging.getLogger("gatechat.apply")

EXPIRY_RETRY = 30.0
"""Seconds until a resource that could not be deleted when its time had come is tried again."""

Plan: TypeAlias = Callable[[State], Sequence[Edit]]
"""Given the present State, says what to write. Raises Refused when it must not be written."""


@dataclass(frozen=True, slots=True)
class Written:
    """``acknowledged`` is False when Envoy did not answer in time: what is stored is served when it does."""

    state: State
    acknowledged: bool


class Apply:
    """Makes one write at a time.

    ``compile`` is pure and raises Refused; ``ack_timeout`` is in seconds, ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        compile: Callable[[State], Snapshot],
        xds: XdsServer,
        status: Status,
        *,
        ack_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._compile = compile
        self._xds = xds
        self._status = status
        self._ack_timeout = ack_timeout
        self._clock = clock
        self._state = State()
        self._lock = asyncio.Lock()
        self._mortal: list[tuple[float, str, str]] = []
        self._new_mortal = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def state(self) -> State:
        """Everything as it is now. Reads need nothing else: a State never changes."""
        return self._state

    async def start(self) -> None:
        """Loads and publishes what is stored. Raises Refused when it cannot be translated any more."""
        self._state = self._store.load()
        self._watch_expiry(resource for kind in self._state.kinds.values() for resource in kind.values())
        await self._xds.publish(self._state.revision, self._compile(self._state))
        self._run(self._expire())

    async def settle(self) -> Outcome:
        """Waits until Envoy has what was stored, and returns what it says to it.

        gatechat may have been killed before it could take back a write that Envoy refuses: if Envoy refuses
        what is stored, but not what was stored before the last write, that write is taken back now.
        """
        async with self._lock:
            outcome = await self._status.outcome(self._state.revision, self._ack_timeout)
            if isinstance(outcome, Rejected):
                log.error("Envoy refuses the stored configuration: %s", outcome.detail)
                last = self._store.unproven(self._state)
                if last is not None and outcome.type_url != LISTENER:  # which no write changes
                    refusal = outcome
                    revert, outcome = await self._take_back(last, refusal)
                    if not isinstance(outcome, Acknowledged):
                        # It was not the last write's fault.
                        _, outcome = await self._take_back(revert, refusal)
            return outcome

    async def stop(self) -> None:
        """Lets the write that is under way finish, and takes no more notice of time."""
        async with self._lock:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def write(self, plan: Plan) -> Written:
        """Makes the edits that ``plan`` asks for. When this returns, the gateway serves them.

        Raises Refused when the plan, the translation or Envoy says no; then all is as it was before.
        A write goes on when its caller is cancelled: it is never left half done.
        """
        return await asyncio.shield(self._run(self._write(plan)))

    async def _write(self, plan: Plan) -> Written:
        async with self._lock:
            edits = plan(self._state)
            if not edits:
                return Written(self._state, acknowledged=True)
            change = stage(self._state, edits, self._clock())
            await self._commit(change)
            outcome = await self._status.outcome(change.after.revision, self._ack_timeout)
            if isinstance(outcome, Rejected):
                _, before = await self._take_back(change, outcome)
                if isinstance(before, Rejected):
                    log.error("Envoy refuses what it served before, too: %s", before.detail)
                raise Refused(f"Envoy refused this configuration: {outcome.detail}")
            if isinstance(outcome, Unanswered):
                log.warning("Envoy has not answered revision %d yet", change.after.revision)
                self._run(self._watch(change))
                return Written(change.after, acknowledged=False)
            self._store.prove(change.after.revision)
            return Written(change.after, acknowledged=True)

    async def _commit(self, change: Change) -> None:
        try:
            with self._store.writing(change):
                snapshot = self._compile(change.after)
        except StoreError as error:
            raise Refused(str(error), 503) from error
        self._state = change.after
        self._watch_expiry(resource for resource in change.touched.values() if resource is not None)
        await self._xds.publish(change.after.revision, snapshot)

    async def _take_back(self, change: Change, refusal: Rejected) -> tuple[Change, Outcome]:
        """Undoes ``change``; returns the write that did so and what Envoy said to it."""
        log.info("revision %d is taken back: %s", change.after.revision, refusal.detail)
        revert = change.reverted(self._clock())
        await self._commit(revert)
        return revert, await self._status.outcome(revert.after.revision, self._ack_timeout)

    async def _watch(self, change: Change) -> None:
        """Also when the answer comes too late for the caller, the store must not keep what Envoy refused."""
        outcome = await self._status.outcome(change.after.revision, None)
        async with self._lock:
            if self._state is not change.after:
                return  # later writes have had their own answer
            if isinstance(outcome, Rejected):
                await self._take_back(change, outcome)
            else:
                self._store.prove(change.after.revision)

    def _watch_expiry(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            if resource.expires_at is not None:
                heapq.heappush(self._mortal, (resource.expires_at, resource.kind, resource.id))
                self._new_mortal.set()

    async def _expire(self) -> None:
        """Deletes resources when their time has come, as etcd does: also when others still refer to them."""
        while True:
            self._new_mortal.clear()
            delay = self._mortal[0][0] - self._clock() if self._mortal else None
            if delay is None or delay > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._new_mortal.wait(), delay)
                continue
            now = self._clock()
            due: set[tuple[str, str]] = set()
            while self._mortal and self._mortal[0][0] <= now:
                due.add(heapq.heappop(self._mortal)[1:])
            try:
                await self._write(_expiry(due, now))
            except Refused as error:
                log.error("%s cannot expire: %s", ", ".join("/".join(key) for key in due), error.message)
                for key in due:
                    heapq.heappush(self._mortal, (now + EXPIRY_RETRY, *key))

    def _run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _expiry(due: Set[tuple[str, str]], now: float) -> Plan:
    """Deletes those of ``due`` that were not replaced meanwhile by something that lives longer."""

    def plan(state: State) -> list[Edit]:
        resources = (state.get(*key) for key in sorted(due))
        return [
            Delete(resource.kind, resource.id)
            for resource in resources
            if resource is not None and resource.expires_at is not None and resource.expires_at <= now
        ]

    return plan
