"""A State from YAML, and slices of a Snapshot as YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xds.type.matcher.v3.domain_pb2  # noqa: F401  (MessageToJson looks types up by name)
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf.json_format import MessageToJson

from gatechat.gateway.model import Resource, State
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.translate import Options

OPTIONS = Options(
    proxy_address="127.0.0.1",
    proxy_port=9080,
    shm_path="counters",
    environment={"SECRET_NAME": "from outside"},
)
MESSAGES = {
    "clusters": (CLUSTER, Cluster),
    "endpoints": (ENDPOINTS, ClusterLoadAssignment),
    "listener": (LISTENER, Listener),
    "routes": (ROUTES, RouteConfiguration),
    "secrets": (SECRET, Secret),
}


def state_of(document: Mapping[str, list[dict[str, Any]]]) -> State:
    """From ``{kind: [value]}``. Within a kind, the order is that of creation."""
    kinds: dict[str, dict[str, Resource]] = {}
    for kind, values in document.items():
        for index, value in enumerate(values, 1):
            id = str(value.get("id") or value["username"])
            kinds.setdefault(kind, {})[id] = Resource(kind, id, value, index, index)
    return State(1, kinds)


def slice_of(snapshot: Snapshot, what: str) -> Any:
    """``clusters``, ``endpoints`` and ``secrets`` by name, or the one ``listener`` or table of ``routes``."""
    type_url, message = MESSAGES[what]
    made = {
        name: json.loads(MessageToJson(message.FromString(data), preserving_proto_field_name=True))
        for name, data in snapshot.resources[type_url].items()
    }
    if what == "routes":
        return {key: value for key, value in next(iter(made.values())).items() if key == "virtual_hosts"}
    return next(iter(made.values())) if what == "listener" else made
