"""Upstreams as Envoy clusters and, where the nodes are addresses of a named upstream, endpoints that change
over EDS.

A named upstream is one cluster for all its routes. Inline upstreams share a cluster when they are equal; its
name is made from their content, so its nodes never change and are part of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import protocol_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http
from google.protobuf.wrappers_pb2 import UInt32Value

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.translate.balance import balance
from gatechat.gateway.translate.checks import check_health
from gatechat.gateway.translate.nodes import SECURE_SCHEMES, Node, endpoints, parse_nodes
from gatechat.gateway.translate.tls import ClientCertificate, secure
from gatechat.gateway.translate.values import duration, key_of, over_ads
from gatechat.gateway.translate.wire import dump

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DEFAULT_TIMEOUT = 60.0
"""Seconds to connect, to send and to read: nginx's defaults, which APISIX keeps."""

_UNLIMITED = 1 << 30
_KEEPALIVE_IDLE = 60.0
_KEEPALIVE_REQUESTS = 1000


@dataclass(frozen=True, slots=True)
class Upstream:
    """``name`` is the cluster's, ``conf`` the Admin API's. ``nodes`` are those that may get traffic."""

    name: str
    conf: Mapping[str, JSON]
    nodes: tuple[Node, ...]
    over_eds: bool
    client_certificate: ClientCertificate | None
    trusted_ca: str
    _made: dict[float, bytes] = field(default_factory=dict, repr=False, compare=False)
    """The clusters by connect timeout, and the endpoints at 0."""

    def cluster_name(self, connect: float) -> str:
        """Routes with their own connect timeout (seconds) have a cluster of their own."""
        return self.name if connect == self.connect_timeout else f"{self.name};connect={connect:g}"

    @property
    def connect_timeout(self) -> float:
        return float(self.conf.get("timeout", {}).get("connect", DEFAULT_TIMEOUT))

    @property
    def retries(self) -> int:
        """How many more nodes are tried after the first; APISIX tries each once unless told otherwise."""
        return int(self.conf.get("retries", len(self.nodes) - 1))

    @property
    def levels(self) -> tuple[int, ...]:
        """How many nodes there are at each priority, the highest first."""
        counts = Counter(node.priority for node in self.nodes)
        return tuple(counts[priority] for priority in sorted(counts, reverse=True))

    @property
    def profile(self) -> tuple[object, ...]:
        """All of the upstream that its routes are made from. A change of nodes alone should not change it."""
        fields = ("pass_host", "upstream_host", "timeout", "retry_timeout")
        levels = self.levels if self.retries > 0 else ()
        return (self.name, self.retries, levels, *(self.conf.get(field) for field in fields))

    def endpoints(self) -> bytes:
        """The ClusterLoadAssignment that is sent over EDS."""
        if 0 not in self._made:
            self._made[0] = dump(self._assignment())
        return self._made[0]

    def cluster(self, connect: float) -> bytes:
        """The Cluster for routes that connect within ``connect`` seconds."""
        if connect not in self._made:
            self._made[connect] = dump(self._cluster(connect))
        return self._made[connect]

    def _cluster(self, connect: float) -> cluster_pb2.Cluster:
        conf = self.conf
        cluster = cluster_pb2.Cluster(name=self.cluster_name(connect), connect_timeout=duration(connect))
        if self.over_eds:
            cluster.type = cluster_pb2.Cluster.EDS
            cluster.eds_cluster_config.service_name = self.name
            cluster.eds_cluster_config.eds_config.CopyFrom(over_ads())
        else:
            resolved = any(node.is_domain for node in self.nodes)
            cluster.type = cluster_pb2.Cluster.STRICT_DNS if resolved else cluster_pb2.Cluster.STATIC
            cluster.load_assignment.CopyFrom(self._assignment())
            if resolved:
                cluster.respect_dns_ttl = True
                cluster.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
        limits = cluster.circuit_breakers.thresholds.add()
        limits.CopyFrom(_no_limits())
        options = self._http_options()
        balance(cluster, options, conf, self.nodes)
        if "checks" in conf:
            check_health(cluster, options, conf, self.client_certificate, self.trusted_ca)
            cluster.wait_for_warm_on_init.value = False
        if conf.get("scheme", "http") in SECURE_SCHEMES:
            secure(cluster, options, conf, self.nodes, self.client_certificate, self.trusted_ca)
        if options != http.HttpProtocolOptions(explicit_http_config=_http1()):
            cluster.typed_extension_protocol_options[HTTP_OPTIONS].Pack(options)
        return cluster

    def _assignment(self) -> endpoint_pb2.ClusterLoadAssignment:
        return endpoints(self.name, self.nodes, self.conf)

    def _http_options(self) -> http.HttpProtocolOptions:
        options = http.HttpProtocolOptions()
        if self.conf.get("scheme", "http") in ("grpc", "grpcs"):
            options.explicit_http_config.http2_protocol_options.SetInParent()
        else:
            options.explicit_http_config.http_protocol_options.SetInParent()
        pool = self.conf.get("keepalive_pool")
        if pool is not None:
            common = options.common_http_protocol_options
            common.idle_timeout.CopyFrom(duration(pool.get("idle_timeout", _KEEPALIVE_IDLE)))
            common.max_requests_per_connection.CopyFrom(
                UInt32Value(value=pool.get("requests", _KEEPALIVE_REQUESTS))
            )
        return options


def compile_upstream(
    conf: Mapping[str, JSON],
    *,
    id: str | None,
    where: str,
    client_certificate: ClientCertificate | None,
    trusted_ca: str,
) -> Upstream:
    """``id`` is a named upstream's, None for an inline one. ``where`` names the resource in the words of a
    refusal.

    Raises Refused for what Envoy cannot do.
    """
    scheme = conf.get("scheme", "http")
    nodes = parse_nodes(conf.get("nodes", ()), scheme, where)
    name = f"upstream/{id}" if id is not None else f"inline/{_digest(conf, client_certificate)}"
    upstream = Upstream(
        name=name,
        conf=conf,
        nodes=nodes,
        over_eds=id is not None and not any(node.is_domain for node in nodes),
        client_certificate=client_certificate,
        trusted_ca=trusted_ca,
    )
    try:
        upstream.cluster(upstream.connect_timeout)
    except Refused as refused:
        raise Refused(f"{where}: {refused.message}") from None
    return upstream


_DESCRIPTIVE = ("id", "name", "desc", "labels", "create_time", "update_time")


def _digest(conf: Mapping[str, JSON], certificate: ClientCertificate | None) -> str:
    told = {name: value for name, value in conf.items() if name not in _DESCRIPTIVE}
    text = key_of(told) + (certificate.name if certificate else "")
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _no_limits() -> circuit_breaker_pb2.CircuitBreakers.Thresholds:
    """Envoy would answer 503 above 1,024 connections to a cluster or three retries at a time; nginx has no
    such limit.
    """
    limit = UInt32Value(value=_UNLIMITED)
    return circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )


def _http1() -> http.HttpProtocolOptions.ExplicitHttpConfig:
    return http.HttpProtocolOptions.ExplicitHttpConfig(
        http_protocol_options=protocol_pb2.Http1ProtocolOptions()
    )
