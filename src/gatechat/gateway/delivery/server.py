"""Delta ADS over gRPC: the newest publication is brought to every Envoy that is connected."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from operator import is_
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from gatechat.gateway.delivery.session import Versioned
from gatechat.gateway.delivery.stream import Publication, Stream
from gatechat.gateway.snapshot import Snapshot
from gatechat.gateway.status import Status

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


class XdsServer:
    """Serves the newest Snapshot on the Unix socket ``path``; answers of Envoy go to ``status``."""

    def __init__(self, status: Status, path: Path) -> None:
        self._status = status
        self._path = path
        self._epoch = secrets.token_hex(4)
        self._publication = Publication(-1, {})
        self._streams: set[Stream] = set()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> Path:
        """Listens; the socket is there when this returns."""
        self._path.unlink(missing_ok=True)
        server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        )
        server.add_generic_rpc_handlers((_Handlers(self._serve),))
        server.add_insecure_port(f"unix:{self._path}")
        await server.start()
        self._server = server
        return self._path

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
        self._path.unlink(missing_ok=True)

    async def publish(self, version: int, snapshot: Snapshot) -> None:
        """Makes ``snapshot`` the configuration.

        Versions only grow; what is not yet sent of older ones is skipped.
        """
        self._status.published(version)
        self._publication = Publication(version, self._versioned(version, snapshot))
        for stream in tuple(self._streams):
            await stream.offer(self._publication)

    def _versioned(self, version: int, snapshot: Snapshot) -> Mapping[str, Mapping[str, Versioned]]:
        """A resource keeps its version text for as long as its bytes stay the same.

        A type of which nothing changed keeps the very same mapping.
        """
        text = f"{self._epoch}.{version}"
        versioned: dict[str, Mapping[str, Versioned]] = {}
        for type_url, resources in snapshot.resources.items():
            old = self._publication.of(type_url)
            new = {
                name: was if (was := old.get(name)) and was.body == body else Versioned(text, body)
                for name, body in resources.items()
            }
            same = len(new) == len(old) and all(map(is_, new.values(), map(old.get, new)))
            versioned[type_url] = old if same else new
        return versioned

    async def _serve(
        self, requests: AsyncIterator[DeltaDiscoveryRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        stream = Stream(context.write, self._publication, self._status)
        self._streams.add(stream)
        try:
            await stream.run(requests)
        finally:
            self._streams.remove(stream)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, serve: Any) -> None:
        self._handler = grpc.stream_stream_rpc_method_handler(
            serve,
            request_deserializer=DeltaDiscoveryRequest.FromString,
            response_serializer=DeltaDiscoveryResponse.SerializeToString,
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == METHOD else None
