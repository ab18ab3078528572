"""One connected Envoy is brought from publication to publication, make before break."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from gatechat.gateway.delivery.session import TypeSession, Versioned
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ORDER, ROUTES, SECRET
from gatechat.gateway.status import Acknowledged, Rejected, Status

log = logging.getLogger("gatechat.delivery")

REMOVAL_ORDER = (ROUTES, EXTENSION, LISTENER, CLUSTER, ENDPOINTS, SECRET)
"""What refers goes before what is referred to. Removing a cluster unsubscribes from its endpoints."""

WARMING_LIMIT = 3.0
"""Seconds. Envoy acknowledges clusters when none is warming any more: when the first health check is done and
the DNS answer is there. After this time routes are sent all the same: a slow upstream must not hold back the
others."""


@dataclass(frozen=True, slots=True)
class Publication:
    version: int
    resources: Mapping[str, Mapping[str, Versioned]]

    def of(self, type_url: str) -> Mapping[str, Versioned]:
        return self.resources.get(type_url, {})


_PRINTED_MESSAGE = re.compile(r"goo\.gle/debug.*: (?=Proto constraint validation failed)", re.DOTALL)


class _Refusal(Exception):
    """``detail`` are Envoy's words, without the whole resource that it prints before some of them."""

    def __init__(self, type_url: str, detail: str) -> None:
        detail = _PRINTED_MESSAGE.sub("", detail)
        super().__init__(detail)
        self.type_url = type_url
        self.detail = detail


class _Superseded(Exception):
    """A newer publication is there: what is left of the present one need not be sent."""


class Stream:
    """``send`` writes one response to Envoy; ``publication`` is the newest one when Envoy connects."""

    def __init__(
        self,
        send: Callable[[DeltaDiscoveryResponse], Awaitable[None]],
        publication: Publication,
        status: Status,
    ) -> None:
        self._send = send
        self._status = status
        self._types: dict[str, TypeSession] = {}
        self._publication = publication
        self._newest = publication
        self._refusal: _Refusal | None = None
        self._warming_since = 0.0
        self._overdue: frozenset[str] = frozenset()
        """Nonces of clusters that earlier publications have waited for long enough."""
        self._moved = asyncio.Condition()
        """Guards everything above, and lets one response be written at a time."""

    async def run(self, requests: AsyncIterator[DeltaDiscoveryRequest]) -> None:
        """Until Envoy closes the stream."""
        async with asyncio.TaskGroup() as tasks:
            bringing = tasks.create_task(self._bring_all())
            async for request in requests:
                await self._take(request)
            bringing.cancel()

    async def offer(self, publication: Publication) -> None:
        """Makes ``publication`` what this Envoy is brought to."""
        async with self._moved:
            self._newest = publication
            self._moved.notify_all()

    async def _take(self, request: DeltaDiscoveryRequest) -> None:
        async with self._moved:
            session = self._types.setdefault(request.type_url, TypeSession(request.type_url))
            if request.response_nonce:
                refused = request.HasField("error_detail")
                if session.answered(request.response_nonce, accepted=not refused) and refused:
                    self._refusal = _Refusal(request.type_url, request.error_detail.message)
            if not session.asked or request.resource_names_subscribe or request.resource_names_unsubscribe:
                await self._write(session.subscribe(request, self._publication.of(request.type_url)))
            self._moved.notify_all()

    async def _bring_all(self) -> None:
        while True:
            try:
                await self._bring(self._publication)
            except _Superseded:
                pass
            except _Refusal as refusal:
                first_line = refusal.detail.partition("\n")[0]
                log.warning("Envoy refused version %d: %s", self._publication.version, first_line)
                outcome = Rejected(refusal.type_url, refusal.detail)
                await self._status.report(self._publication.version, outcome)
                await self._drain()
            else:
                await self._status.report(self._publication.version, Acknowledged())
            async with self._moved:
                await self._moved.wait_for(lambda: self._newest is not self._publication)
                self._publication, self._refusal = self._newest, None

    async def _drain(self) -> None:
        """A publication may be refused twice; the second refusal must not be taken for one of the next."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WARMING_LIMIT), self._moved:
                await self._moved.wait_for(lambda: self._settled(*self._types))

    async def _bring(self, publication: Publication) -> None:
        """Each type is sent when Envoy has taken the one before: behind a refusal nothing goes through."""
        if asyncio.get_running_loop().time() >= self._warming_since + WARMING_LIMIT:
            self._overdue = frozenset(self._unanswered(CLUSTER))
        for type_url in ORDER:
            await self._send_changes(type_url, publication)
        for type_url in REMOVAL_ORDER:
            await self._send_removals(type_url, publication)
        async with self._moved:
            await self._until(lambda: self._holds(publication))

    async def _send_changes(self, type_url: str, publication: Publication) -> None:
        async with self._moved:
            session = self._types.get(type_url)
            if session is None:
                return  # Envoy has not come to ask for it yet, and will be answered when it does
            response = session.update(publication.of(type_url))
            await self._write(response)
            if type_url != CLUSTER:
                await self._until(lambda: self._settled(type_url))
                return
            if response is not None:
                await self._endpoints_again({resource.name for resource in response.resources}, publication)
            try:
                async with asyncio.timeout_at(self._warming_since + WARMING_LIMIT):
                    await self._until(lambda: self._settled(CLUSTER, ENDPOINTS, SECRET))
            except TimeoutError:
                log.warning("upstreams are not ready after %.0f s: routes go on without", WARMING_LIMIT)

    async def _send_removals(self, type_url: str, publication: Publication) -> None:
        async with self._moved:
            if (session := self._types.get(type_url)) is not None:
                await self._write(session.remove(publication.of(type_url)))
                await self._until(lambda: self._settled(type_url))

    async def _endpoints_again(self, clusters: set[str], publication: Publication) -> None:
        """A changed cluster waits for its endpoints again, but Envoy does not ask for them a second time."""
        if (endpoints := self._types.get(ENDPOINTS)) is not None:
            await self._write(endpoints.again(clusters, publication.of(ENDPOINTS)))

    def _holds(self, publication: Publication) -> bool:
        """Whether Envoy has asked for everything that a running Envoy asks for, and has taken it."""
        if not self._settled(*self._types):
            return False
        complete = {url: session.complete(publication.of(url)) for url, session in self._types.items()}
        needed = [CLUSTER, LISTENER, *(url for url in (EXTENSION, ROUTES) if publication.of(url))]
        return all(complete.get(url, False) for url in needed)

    def _settled(self, *type_urls: str) -> bool:
        """Whether Envoy has answered all that it was sent of these types and that is not overdue."""
        return all(self._unanswered(url) <= (self._overdue if url == CLUSTER else set()) for url in type_urls)

    def _unanswered(self, type_url: str) -> Set[str]:
        session = self._types.get(type_url)
        return session.unanswered.keys() if session is not None else set()

    async def _until(self, done: Callable[[], bool]) -> None:
        """Waits for Envoy. Raises what makes waiting pointless."""
        await self._moved.wait_for(lambda: done() or self._refusal or self._newest is not self._publication)
        if self._refusal:
            raise self._refusal
        if not done():
            raise _Superseded

    async def _write(self, response: DeltaDiscoveryResponse | None) -> None:
        if response is None:
            return
        if response.type_url == CLUSTER and len(self._types[CLUSTER].unanswered) == 1:
            self._warming_since = asyncio.get_running_loop().time()
        await self._send(response)
