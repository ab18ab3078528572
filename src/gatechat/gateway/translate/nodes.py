"""The nodes of an upstream and the endpoints they become."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from gatechat.gateway.model import JSON, Refused

MAX_WEIGHTS = 2**32 - 1
MOST_PRIORITIES = 128
"""Envoy's bound."""
_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
NAME_ASKED_FOR = "name"
"""In the socket metadata of nodes of an upstream with several domain names: whom TLS asks them for."""
STANDARD_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
SECURE_SCHEMES = ("https", "grpcs")


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """``host`` is an address without brackets, or a domain name. A higher ``priority`` gets the traffic
    first.
    """

    host: str
    port: int
    weight: int
    priority: int

    @property
    def is_domain(self) -> bool:
        return not _is_address(self.host)

    def host_header(self, scheme: str) -> str:
        """The Host that ``pass_host: node`` sends. Source: parse_server_for_upstream_host in
        apisix/balancer.lua.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == STANDARD_PORTS[scheme] else f"{host}:{self.port}"


def domains_of(nodes: tuple[Node, ...]) -> list[str]:
    return sorted({node.host for node in nodes if node.is_domain})


def parse_nodes(nodes: JSON, scheme: str, where: str) -> tuple[Node, ...]:
    """The nodes that may get traffic: without those of weight 0, but a single node gets it whatever its
    weight.

    Source: pick_server in apisix/balancer.lua. Raises Refused for an address that is none.
    """
    found = sorted(_nodes(nodes, scheme, where))
    if len({node.priority for node in found}) > MOST_PRIORITIES:
        raise Refused(f"{where}: the nodes have more than {MOST_PRIORITIES} different priorities")
    if len(found) == 1:
        return (Node(found[0].host, found[0].port, max(found[0].weight, 1), found[0].priority),)
    return tuple(node for node in found if node.weight > 0)


def _nodes(nodes: JSON, scheme: str, where: str) -> Iterator[Node]:
    default = STANDARD_PORTS[scheme]
    if isinstance(nodes, Mapping):
        for address, weight in nodes.items():
            host, port = _split(address, where)
            yield Node(host, port or default, weight, 0)
    else:
        for node in nodes:
            host, port = _split(node["host"], where)
            yield Node(host, node.get("port") or port or default, node["weight"], node.get("priority", 0))


def _split(address: str, where: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]`` or ``[v6]:port``."""
    host, colon, port = address.rpartition(":")
    if address.endswith("]") or not colon:
        host, port = address, ""
    elif _is_address(address):
        raise Refused(f"{where}: node {address!r}: put an IPv6 address in brackets, [::1]:80")
    elif not port.isdigit():
        raise Refused(f"{where}: node {address!r}: invalid port {port}")
    elif not 0 < int(port) < 65536:
        raise Refused(f"invalid port {port}")  # APISIX's text, to the letter
    if not _HOST.fullmatch(host):
        raise Refused(f"{where}: node {address!r}: it must be host or host:port, nothing before or after")
    return host.strip("[]"), int(port) if port else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def endpoints(
    name: str, nodes: tuple[Node, ...], conf: Mapping[str, JSON]
) -> endpoint_pb2.ClusterLoadAssignment:
    """The nodes by falling priority. A lower level gets traffic only when the one above has no healthy node
    at all.
    """
    scheme = conf.get("scheme", "http")
    active = conf.get("checks", {}).get("active")
    named = conf.get("pass_host") == "node"
    several = scheme in SECURE_SCHEMES and len(domains_of(nodes)) > 1
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    for level, priority in enumerate(sorted({node.priority for node in nodes}, reverse=True)):
        locality = assignment.endpoints.add(priority=level)
        for node in _with_weights_that_fit([node for node in nodes if node.priority == priority]):
            endpoint = locality.lb_endpoints.add()
            endpoint.CopyFrom(_endpoint(node, scheme, named, active))
            if named and several and node.is_domain:
                socket = endpoint.metadata.filter_metadata["envoy.transport_socket_match"]
                socket.update({NAME_ASKED_FOR: node.host})
    if len(assignment.endpoints) > 1:
        assignment.policy.overprovisioning_factor.CopyFrom(UInt32Value(value=100 * len(nodes)))
    return assignment


def _with_weights_that_fit(nodes: list[Node]) -> list[Node]:
    """Envoy takes weights whose sum is a uint32."""
    total = sum(node.weight for node in nodes)
    if total <= MAX_WEIGHTS:
        return nodes
    room = MAX_WEIGHTS - len(nodes)
    return [replace(node, weight=1 + node.weight * room // total) for node in nodes]


def _endpoint(
    node: Node, scheme: str, named: bool, active: Mapping[str, JSON] | None
) -> endpoint_components_pb2.LbEndpoint:
    endpoint = endpoint_components_pb2.LbEndpoint()
    address = endpoint.endpoint.address.socket_address
    address.address, address.port_value = node.host, node.port
    if named:
        endpoint.endpoint.hostname = node.host_header(scheme)
    if active is not None:
        endpoint.endpoint.health_check_config.port_value = active.get("port", 0)
        endpoint.endpoint.health_check_config.hostname = active.get("host", node.host)
    if node.weight != 1:
        endpoint.load_balancing_weight.CopyFrom(UInt32Value(value=node.weight))
    return endpoint
