"""Envoy's statistics as APISIX's Prometheus metrics, served like its export server (port 9091).

Source of names, labels, types and help texts: apisix/plugins/prometheus/exporter.lua.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatechat import __version__
from gatechat.gateway import metrics_names as names
from gatechat.gateway.model import JSON, Resource, State

URI = "/apisix/prometheus/metrics"
STATS = "/stats/prometheus?filter=^(gatechat|http.gatechat)\\."
CLUSTERS = "/clusters?format=json"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels: TypeAlias = tuple[tuple[str, str], ...]

_INDEX_KEYS = (
    "routes",
    "services",
    "ssls",
    "consumers",
    "global_rules",
    "upstreams",
    "stream_routes",
    "protos",
)
# What Envoy says of an answer that the upstream did not give, although one was asked: source response_flag.h.
_NO_ANSWER = {"DC", "DPE", "LR", "UC", "UF", "UO", "UPE", "UR", "UT"}


def metrics_app(admin_get: Callable[[str], Awaitable[str]], state: Callable[[], State]) -> Starlette:
    """``admin_get`` reads a path of Envoy's admin interface, ``state`` is what the gateway serves now."""

    async def metrics(request: Request) -> Response:
        if request.method != "GET":
            return Response(status_code=404)
        now = state()
        clusters = await admin_get(CLUSTERS) if any(_checked(now)) else None
        return PlainTextResponse(render(await admin_get(STATS), clusters, now), media_type=_CONTENT_TYPE)

    return Starlette(routes=[Route(URI, metrics, methods=_METHODS)])


@dataclass
class _Family:
    type: str
    help: str
    values: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def add(self, value: float, labels: Labels = (), suffix: str = "") -> None:
        key = (suffix, labels)
        self.values[key] = self.values.get(key, 0) + value


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    tags: Mapping[str, str]
    value: float


def render(stats: str, clusters: str | None, state: State) -> str:
    """The exposition. ``stats`` and ``clusters`` are Envoy's answers to STATS and CLUSTERS."""
    families = {
        "bandwidth": _Family("counter", "Total bandwidth in bytes consumed per service in APISIX"),
        "etcd_modify_indexes": _Family("gauge", "Etcd modify index for APISIX keys"),
        "etcd_reachable": _Family("gauge", "Config server etcd reachable from APISIX, 0 is unreachable"),
        "http_latency": _Family("histogram", "HTTP request latency in milliseconds per service in APISIX"),
        "http_requests_total": _Family("gauge", "The total number of client requests since APISIX started"),
        "http_status": _Family("counter", "HTTP status codes per service in APISIX"),
        "nginx_http_current_connections": _Family("gauge", "Number of HTTP connections"),
        "nginx_metric_errors_total": _Family("counter", "Number of nginx-lua-prometheus errors"),
        "node_info": _Family("gauge", "Info of APISIX node"),
        "upstream_status": _Family("gauge", "Upstream status from health check"),
    }
    _traffic(families, list(_samples(stats)), _disabled_labels(state))
    _store(families, state)
    families["nginx_metric_errors_total"].add(0)
    families["node_info"].add(1, (("hostname", socket.gethostname()), ("version", __version__)))
    for labels, healthy in _health(clusters, state):
        families["upstream_status"].values["", labels] = float(healthy)
    return "".join(_exposition(name, family) for name, family in families.items() if family.values)


def _exposition(name: str, family: _Family) -> str:
    lines = [f"# HELP apisix_{name} {family.help}\n# TYPE apisix_{name} {family.type}\n"]
    for (suffix, labels), value in family.values.items():
        text = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels)
        lines.append(f"apisix_{name}{suffix}{f'{{{text}}}' if text else ''} {value:.15g}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# What Envoy counts ------------------------------------------------------------------------------------------

_LINE = re.compile(r"^envoy_(\w+)\{(.*)\} (\S+)$")
_TAG = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def _samples(stats: str) -> Iterator[_Sample]:
    for line in stats.splitlines():
        if found := _LINE.match(line):
            tags = {name: _ESCAPE.sub(_unescaped, value) for name, value in _TAG.findall(found[2])}
            yield _Sample(found[1], tags, float(found[3]))


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


_COUNTED = f"{names.STAT_PREFIX}_"
_LATENCIES = {
    names.LATENCY_REQUEST: "request",
    names.LATENCY_UPSTREAM: "upstream",
    names.LATENCY_APISIX: "apisix",
}
_LE = {f"{bound:.32g}": str(le) for bound, le in names.BUCKETS} | {"+Inf": "+Inf"}
_BYTES = {names.INGRESS: "ingress", names.EGRESS: "egress"}


def _traffic(
    families: Mapping[str, _Family], samples: Iterable[_Sample], disabled: Mapping[str, frozenset[str]]
) -> None:
    whole: dict[str, float] = {}
    for sample in samples:
        if not sample.name.startswith(_COUNTED):
            whole[sample.name] = whole.get(sample.name, 0) + sample.value
            continue
        name = sample.name.removeprefix(_COUNTED)
        base, _, suffix = name.rpartition("_")
        series = _series(sample.tags[names.SERIES])
        if name == names.STATUS:
            labels = _blanked(series.of_status, disabled["http_status"])
            families["http_status"].add(sample.value, labels)
        elif name in _BYTES:
            labels = _blanked((("type", _BYTES[name]), *series.common), disabled["bandwidth"])
            families["bandwidth"].add(sample.value, labels)
        elif base in _LATENCIES:
            le = (("le", _LE[sample.tags["le"]]),) if "le" in sample.tags else ()
            for type_ in _types(base, series):
                labels = _blanked((("type", type_), *series.common), disabled["http_latency"])
                families["http_latency"].add(sample.value, (*labels, *le), f"_{suffix}")
    _connections(families, whole)


def _types(latency: str, series: _Series) -> tuple[str, ...]:
    """Without an upstream all of the latency is the gateway's."""
    if latency == names.LATENCY_REQUEST and not series.node:
        return ("request", "apisix")
    return (_LATENCIES[latency],)


def _connections(families: Mapping[str, _Family], whole: Mapping[str, float]) -> None:
    families["http_requests_total"].add(whole.get("http_downstream_rq_total", 0))
    total = whole.get("http_downstream_cx_total", 0)
    active = whole.get("http_downstream_cx_active", 0)
    writing = min(whole.get("http_downstream_rq_active", 0), active)
    for name, value in (
        ("accepted", total),
        ("active", active),
        ("handled", total),
        ("reading", 0),
        ("waiting", active - writing),
        ("writing", writing),
    ):
        families["nginx_http_current_connections"].add(value, (("state", name),))


@dataclass(frozen=True, slots=True)
class _Series:
    route: str
    service: str
    uri: str
    host: str
    consumer: str
    node: str
    code: str = ""
    flags: str = ""

    @property
    def common(self) -> Labels:
        return (("route", self.route), ("service", self.service), *self._whose)

    @property
    def of_status(self) -> Labels:
        return (
            # Envoy has no status for a client that went away; nginx writes 499.
            ("code", "499" if self.code == "0" else self.code),
            ("route", self.route),
            ("matched_uri", self.uri),
            ("matched_host", self.host),
            ("service", self.service),
            *self._whose,
            ("response_source", self._source),
        )

    @property
    def _whose(self) -> Labels:
        return (
            ("consumer", self.consumer),
            ("node", self.node.rpartition(":")[0].strip("[]")),
            ("request_type", "traditional_http"),
            ("request_llm_model", ""),
            ("llm_model", ""),
        )

    @property
    def _source(self) -> str:
        if not self.node:
            return "apisix"
        return "upstream" if _NO_ANSWER.isdisjoint(self.flags.split(",")) else "nginx"


def _series(tag: str) -> _Series:
    return _Series(*(unquote(part) for part in tag.split("|")))


def _blanked(labels: Labels, disabled: frozenset[str]) -> Labels:
    if not disabled:
        return labels
    return tuple((name, "" if name in disabled else value) for name, value in labels)


def _disabled_labels(state: State) -> Mapping[str, frozenset[str]]:
    metadata = state.get("plugin_metadata", "prometheus")
    disabled = metadata.value.get("disabled_labels", {}) if metadata else {}
    return {name: frozenset(disabled.get(name, ())) for name in ("http_status", "http_latency", "bandwidth")}


# What the store says ----------------------------------------------------------------------------------------


def _store(families: Mapping[str, _Family], state: State) -> None:
    """The store is to this gateway what etcd is to APISIX; while there is a state to serve, it answers."""
    families["etcd_reachable"].add(1)
    indexes = families["etcd_modify_indexes"]
    newest = {
        kind: max((resource.modified_index for resource in state.all(kind).values()), default=0)
        for kind in _INDEX_KEYS
    }
    for key, index in (
        *newest.items(),
        ("prev_index", newest["global_rules"]),
        ("max_modify_index", max(newest.values())),
        ("x_etcd_index", state.revision),
    ):
        indexes.add(index, (("key", key),))


# Health checks ----------------------------------------------------------------------------------------------

_Nodes: TypeAlias = frozenset[tuple[str, int]]


def _checked(state: State) -> Iterator[tuple[Resource, Mapping[str, JSON]]]:
    """Every resource with an upstream that has health checks, and that upstream."""
    for resource in state.all("upstreams").values():
        if "checks" in resource.value:
            yield resource, resource.value
    for kind in ("routes", "services"):
        for resource in state.all(kind).values():
            upstream = resource.value.get("upstream")
            if upstream and "checks" in upstream:
                yield resource, upstream


def _health(clusters: str | None, state: State) -> Iterator[tuple[Labels, bool]]:
    if clusters is None:
        return
    known = [_hosts(cluster) for cluster in json.loads(clusters).get("cluster_statuses", ())]
    by_nodes: dict[_Nodes, Mapping[tuple[str, int], tuple[str, bool]]] = {
        frozenset(hosts): hosts for hosts in known
    }
    for resource, upstream in _checked(state):
        name = f"/apisix/{resource.kind}/{resource.id}"
        for (_, port), (address, healthy) in by_nodes.get(_nodes(upstream), {}).items():
            yield (("name", name), ("ip", address), ("port", str(port))), healthy


def _hosts(cluster: Mapping[str, JSON]) -> dict[tuple[str, int], tuple[str, bool]]:
    """(host as configured, port) -> (address, healthy)."""
    hosts = {}
    for status in cluster.get("host_statuses", ()):
        socket_address = status["address"].get("socket_address")
        if socket_address:
            address, port = socket_address["address"], socket_address["port_value"]
            health = status.get("health_status", {})
            failed = health.get("failed_active_health_check") or health.get("failed_outlier_check")
            hosts[status.get("hostname") or address, port] = (address, not failed)
    return hosts


def _nodes(upstream: Mapping[str, JSON]) -> _Nodes:
    nodes = upstream.get("nodes", {})
    default = 443 if upstream.get("scheme") in ("https", "grpcs") else 80
    if isinstance(nodes, list):
        return frozenset((node["host"], node.get("port", default)) for node in nodes if node["weight"] > 0)
    found = set()
    for text, weight in nodes.items():
        host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
        if weight > 0:
            found.add((host.strip("[]"), int(port or default)))
    return frozenset(found)
