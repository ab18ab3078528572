"""Health checks: active ones as Envoy's, passive ones as outlier detection.

Defaults are those of APISIX's schema_def.lua. What is told otherwise here than there is in differs.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from envoy.config.cluster.v3 import cluster_pb2, outlier_detection_pb2
from envoy.config.core.v3 import base_pb2, health_check_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http
from google.protobuf.wrappers_pb2 import UInt32Value

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.translate.nodes import SECURE_SCHEMES
from gatechat.gateway.translate.tls import ClientCertificate, plain_socket, tls_socket
from gatechat.gateway.translate.values import duration

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)")
_STATUSES = range(200, 600)
_UNHEALTHY = (429, 404, 500, 501, 502, 503, 504, 505)
_PASSIVE_UNHEALTHY = (429, 500, 503)
_EJECTED = 300.0
"""Seconds. An active check that succeeds ends it before; APISIX waits for that alone."""


def check_health(
    cluster: cluster_pb2.Cluster,
    options: http.HttpProtocolOptions,
    conf: Mapping[str, JSON],
    certificate: ClientCertificate | None,
    trusted_ca: str,
) -> None:
    """``conf`` is the upstream, with ``checks``; ``certificate`` is shown to nodes that ask for one."""
    checks = conf["checks"]
    if "active" in checks:
        _active(cluster, conf, checks["active"], certificate, trusted_ca)
    if "passive" in checks:
        _passive(cluster, options, checks["passive"])


def _active(
    cluster: cluster_pb2.Cluster,
    conf: Mapping[str, JSON],
    active: Mapping[str, JSON],
    certificate: ClientCertificate | None,
    trusted_ca: str,
) -> None:
    healthy, unhealthy = active.get("healthy", {}), active.get("unhealthy", {})
    kind = active.get("type", "http")
    failures = [unhealthy.get("tcp_failures", 2), unhealthy.get("timeouts", 3)]
    if kind != "tcp":
        failures.append(unhealthy.get("http_failures", 5))
    interval = duration(healthy.get("interval", 1))
    check = cluster.health_checks.add(
        timeout=duration(active.get("timeout", 1)),
        interval=interval,
        no_traffic_interval=interval,
        unhealthy_interval=duration(unhealthy.get("interval", 1)),
        healthy_threshold=UInt32Value(value=healthy.get("successes", 2)),
        unhealthy_threshold=UInt32Value(value=min(failures)),
    )
    if kind == "tcp":
        check.tcp_health_check.SetInParent()
    else:
        _over_http(check.http_health_check, active, unhealthy.get("http_statuses", _UNHEALTHY))
    _socket(cluster, check, conf, active, certificate, trusted_ca)


def _over_http(
    check: health_check_pb2.HealthCheck.HttpHealthCheck, active: Mapping[str, JSON], unhealthy: Iterable[int]
) -> None:
    check.path = active.get("http_path", "/")
    check.method = base_pb2.RequestMethod.Value(active.get("http_method", "GET"))
    if body := active.get("http_req_body"):
        check.send.text = body.encode().hex()
    _headers(check, active.get("req_headers", ()))
    counted = set(unhealthy)
    for start, end in _ranges(status for status in _STATUSES if status not in counted):
        check.expected_statuses.add(start=start, end=end)
    for start, end in _ranges(sorted(counted)):
        check.retriable_statuses.add(start=start, end=end)


def _headers(check: health_check_pb2.HealthCheck.HttpHealthCheck, lines: Iterable[str]) -> None:
    names = set()
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Refused(f"checks.active.req_headers: {line!r} is no header; write Name: value")
        name, value = found.groups()
        header = check.request_headers_to_add.add()
        header.header.key, header.header.value = name, value.strip().replace("%", "%%")
        if name.lower() not in names:  # Envoy would append it to its own User-Agent
            header.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        names.add(name.lower())


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as half-open ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found


def _socket(
    cluster: cluster_pb2.Cluster,
    check: health_check_pb2.HealthCheck,
    conf: Mapping[str, JSON],
    active: Mapping[str, JSON],
    certificate: ClientCertificate | None,
    trusted_ca: str,
) -> None:
    """A socket of the check's own: TLS with a name and verification of its own, or none under TLS traffic."""
    secure = active.get("type") == "https"
    if not secure and conf.get("scheme", "http") not in SECURE_SCHEMES:
        return
    check.transport_socket_match_criteria.update({"for": "checks"})
    match = cluster.transport_socket_matches.add(name="checks")
    match.match.update({"for": "checks"})
    if secure:
        verify = active.get("https_verify_certificate", True)
        socket = tls_socket(active.get("host"), trusted_ca if verify else None, certificate)
        match.transport_socket.CopyFrom(socket)
    else:
        match.transport_socket.CopyFrom(plain_socket())


def _passive(
    cluster: cluster_pb2.Cluster, options: http.HttpProtocolOptions, passive: Mapping[str, JSON]
) -> None:
    unhealthy = passive.get("unhealthy", {})
    answers = unhealthy.get("http_failures", 5)
    connections = unhealthy.get("tcp_failures", 2) or unhealthy.get("timeouts", 7)
    cluster.outlier_detection.CopyFrom(
        outlier_detection_pb2.OutlierDetection(
            split_external_local_origin_errors=True,
            consecutive_5xx=UInt32Value(value=answers or 1),
            enforcing_consecutive_5xx=UInt32Value(value=100 if answers else 0),
            consecutive_local_origin_failure=UInt32Value(value=connections or 1),
            enforcing_consecutive_local_origin_failure=UInt32Value(value=100 if connections else 0),
            enforcing_success_rate=UInt32Value(value=0),
            enforcing_local_origin_success_rate=UInt32Value(value=0),
            base_ejection_time=duration(_EJECTED),
            max_ejection_percent=UInt32Value(value=100),
        )
    )
    statuses = unhealthy.get("http_statuses", _PASSIVE_UNHEALTHY)
    matcher = options.outlier_detection.error_matcher
    for status in statuses:
        one = (
            matcher if len(statuses) == 1 else matcher.or_match.rules.add()
        )  # Envoy wants two to choose from
        header = one.http_response_headers_match.headers.add(name=":status")
        header.string_match.exact = str(status)
