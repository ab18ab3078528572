"""The least configuration that a real Envoy serves, for tests of what lies below the translator."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envoy.extensions.filters.http.router.v3.router_pb2
import envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2
import envoy.extensions.transport_sockets.tls.v3.tls_pb2  # noqa: F401  (ParseDict looks types up by name)
import httpx2
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.json_format import ParseDict

from gatechat.gateway.delivery import XdsServer
from gatechat.gateway.envoy import EnvoyProcess
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.status import Status

ADS = {"ads": {}, "resource_api_version": "V3"}
EXTENSIONS = "type.googleapis.com/envoy.extensions"
MESSAGES = {
    CLUSTER: Cluster,
    ENDPOINTS: ClusterLoadAssignment,
    LISTENER: Listener,
    ROUTES: RouteConfiguration,
    SECRET: Secret,
}


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def snapshot(resources: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Snapshot:
    """From ``{type URL: {name: message as JSON}}``."""
    return Snapshot(
        {
            type_url: {
                name: ParseDict(message, MESSAGES[type_url]()).SerializeToString()
                for name, message in messages.items()
            }
            for type_url, messages in resources.items()
        }
    )


def listener(port: int) -> dict[str, Any]:
    """A listener on a loopback port that takes its routes, "r", over ADS."""
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gatechat",
        "rds": {"config_source": ADS, "route_config_name": "r"},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"}}
        ],
    }
    return {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }


def routes(*table: dict[str, Any]) -> dict[str, Any]:
    return {"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": list(table)}]}


def says(path: str, text: str) -> dict[str, Any]:
    return {"match": {"path": path}, "direct_response": {"status": 200, "body": {"inline_string": text}}}


def forwards(path: str, cluster: str) -> dict[str, Any]:
    return {"match": {"path": path}, "route": {"cluster": cluster}}


def bad_regex() -> dict[str, Any]:
    return {"match": {"safe_regex": {"regex": "("}}, "direct_response": {"status": 200}}


def cluster(name: str, **more: Any) -> dict[str, Any]:
    """A cluster whose endpoints come over ADS."""
    return {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": ADS}, **more}


def endpoints(name: str, *ports: int) -> dict[str, Any]:
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}


def table(port: int, *entries: dict[str, Any], **upstreams: int) -> Snapshot:
    """A listener on ``port``, these routes, and a cluster for each upstream, given as name=port."""
    return snapshot(
        {
            LISTENER: {"l": listener(port)},
            ROUTES: {"r": routes(*entries)},
            CLUSTER: {name: cluster(name) for name in upstreams},
            ENDPOINTS: {name: endpoints(name, port) for name, port in upstreams.items()},
        }
    )


@dataclass(frozen=True, slots=True)
class Rig:
    """A real Envoy that serves what is published."""

    xds: XdsServer
    status: Status
    envoy: EnvoyProcess
    port: int
    client: httpx2.AsyncClient

    async def get(self, path: str) -> tuple[int, str]:
        answer = await self.client.get(path)
        return answer.status_code, answer.text


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    status, port = Status(), free_port()
    xds = XdsServer(status, folder / "xds.sock")
    envoy = EnvoyProcess(folder, folder / "xds.sock", concurrency=1, on_death=status.envoy_died)
    await xds.start()
    try:
        await envoy.start()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Rig(xds, status, envoy, port, client)
    finally:
        await envoy.stop()
        await xds.stop()
