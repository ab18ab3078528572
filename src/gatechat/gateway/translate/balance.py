"""How a node is chosen: APISIX's upstream types as Envoy's load balancers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.load_balancing_policies.least_request.v3 import least_request_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.translate.nodes import Node

BALANCERS: Final = ("roundrobin", "chash", "least_conn", "ewma")
"""What ``type`` may be. APISIX takes any name and fails with it when a request comes."""
HashPolicy: TypeAlias = route.RouteAction.HashPolicy

_HEADER_OF_VARIABLE = {
    "request_uri": ":path",
    "host": ":authority",
    "http_host": ":authority",
    "request_method": ":method",
    "remote_addr": "x-real-ip",
}
"""What the upstream is sent: Envoy hashes after the private headers are gone."""
_PANIC_PERCENT = 1
"""Below this share of healthy nodes Envoy uses them all: in effect, when none is healthy."""


def balance(
    cluster: cluster_pb2.Cluster,
    options: http.HttpProtocolOptions,
    conf: Mapping[str, JSON],
    nodes: tuple[Node, ...],
) -> None:
    cluster.common_lb_config.healthy_panic_threshold.value = _PANIC_PERCENT
    kind = conf.get("type", "roundrobin")
    if kind == "chash":
        cluster.lb_policy = cluster_pb2.Cluster.RING_HASH
        options.hash_policy.extend(hash_policies(conf))
    elif kind in ("least_conn", "ewma"):
        if len(nodes) > 1:
            _least_request(cluster, full_scan=kind == "least_conn")
    elif kind not in BALANCERS:
        raise Refused(
            f'there is no algorithm "{kind}" in the embedded gateway, use one of {", ".join(BALANCERS)}'
        )


def _least_request(cluster: cluster_pb2.Cluster, *, full_scan: bool) -> None:
    policy = least_request_pb2.LeastRequest()
    if full_scan:
        policy.selection_method = least_request_pb2.LeastRequest.FULL_SCAN
    extension = cluster.load_balancing_policy.policies.add().typed_extension_config
    extension.name = "envoy.load_balancing_policies.least_request"
    extension.typed_config.Pack(policy)


def hash_policies(conf: Mapping[str, JSON]) -> list[HashPolicy]:
    """What chash hashes; the client's address where the request has none of it.

    Source: fetch_chash_hash_key in apisix/balancer/chash.lua. Raises Refused for a variable that Envoy cannot
    hash.
    """
    on, key = conf.get("hash_on", "vars"), conf.get("key", "")
    if on == "consumer":
        found = [_header("x-consumer-username")]
    elif on == "header":
        found = [_header(key)]
    elif on == "cookie":
        found = [HashPolicy(cookie=HashPolicy.Cookie(name=key))]
    elif on == "vars_combinations":
        found = list(_combination(key))
    else:
        found = [_variable(key)]
    if len(found) == 1:
        found[0].terminal = True
    client = _variable("remote_addr")
    return [*found, client] if found[0].header != client.header else found


def _combination(key: str) -> Iterator[HashPolicy]:
    variables = re.findall(r"\$\{?([A-Za-z0-9_]+)\}?", key)
    if not variables:
        raise Refused(f"key {key!r} of hash_on vars_combinations names no variable; write $uri$arg_id")
    return map(_variable, variables)


def _variable(name: str) -> HashPolicy:
    if name in _HEADER_OF_VARIABLE:
        return _header(_HEADER_OF_VARIABLE[name])
    if name in ("uri", "document_uri"):
        path = _header(":path")
        path.header.regex_rewrite.pattern.regex = r"\?.*"
        return path
    if name.startswith("arg_"):
        return HashPolicy(query_parameter=HashPolicy.QueryParameter(name=name.removeprefix("arg_")))
    if name.startswith("http_"):
        return _header(name.removeprefix("http_").replace("_", "-"))
    if name.startswith("cookie_"):
        return HashPolicy(cookie=HashPolicy.Cookie(name=name.removeprefix("cookie_")))
    usable = ", ".join(["uri", *_HEADER_OF_VARIABLE, "arg_*", "http_*", "cookie_*"])
    raise Refused(f"chash cannot hash on the variable {name} in the embedded gateway; use one of {usable}")


def _header(name: str) -> HashPolicy:
    return HashPolicy(header=HashPolicy.Header(header_name=name))
