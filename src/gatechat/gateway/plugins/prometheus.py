"""prometheus: counts requests, bytes and latencies, natively in Envoy's access logger for statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter, AndFilter
from envoy.config.route.v3.route_components_pb2 import FilterConfig, Route
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2
from envoy.extensions.filters.http.set_metadata.v3 import set_metadata_pb2
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter

from gatechat.gateway import metrics_names as names
from gatechat.gateway.model import JSON
from gatechat.gateway.plugin import Difference, Plugin

COUNTING_FILTERS = ("gatechat.count", "gatechat.count_perhaps")
METADATA = "gatechat"
"""Namespace of a counted route's metadata, and of the dynamic metadata of its requests."""
_COUNTED, _PERHAPS = "counted", "perhaps"
_SERIES = f"%ROUTE_NAME%|%DYNAMIC_METADATA({METADATA}:consumer)%|%UPSTREAM_HOST%"
"""The name of a counted route is its labels: reading them from its metadata costs much more in each of six
statistics. ``consumer`` is set by lua/runtime.lua: a header may be the client's, who could make endless
series.
"""

_LABELS_OF_EVERY_METRIC = (
    "route",
    "service",
    "consumer",
    "node",
    "request_type",
    "request_llm_model",
    "llm_model",
)
_FREE_LABELS = {
    "http_status": ("route", "matched_uri", "matched_host", *_LABELS_OF_EVERY_METRIC[1:], "response_source"),
    "http_latency": _LABELS_OF_EVERY_METRIC,
    "bandwidth": _LABELS_OF_EVERY_METRIC,
}


class Prometheus(Plugin):
    name = "prometheus"
    priority = 500
    version = 0.2
    prefer_route = True
    schema = {
        "type": "object",
        "properties": {
            "prefer_name": {
                "type": "boolean",
                "default": False,
                "description": "Label with the names of route and service instead of their ids.",
            }
        },
    }
    metadata_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "disabled_labels": {
                "type": "object",
                "properties": {
                    metric: {"type": "array", "items": {"type": "string", "enum": list(labels)}}
                    for metric, labels in _FREE_LABELS.items()
                },
                "additionalProperties": False,
                "description": "Labels to leave empty, by metric: fewer series.",
            }
        },
    }
    differs = (
        Difference(
            "_meta.filter", "The plugin runs for all requests of its route or for none.", refused=True
        ),
        Difference("apisix_http_latency", "Histograms are up to 5 seconds old.", refused=False),
        Difference(
            'apisix_http_latency{type="apisix"}',
            "The time until the request goes to the upstream, without that of the response.",
            refused=False,
        ),
        Difference(
            "matched_uri, matched_host",
            "Empty for a route with several; one has no single answer.",
            refused=False,
        ),
        Difference(
            "apisix_etcd_*",
            "The store of this gateway takes etcd's place: its revision, and whether it answers.",
            refused=False,
        ),
        Difference(
            "(metrics)", "No metrics of AI plugins, batch processors and stream routes.", refused=False
        ),
    )
    docs = """\
Counts the route's requests. `GET http://127.0.0.1:9091/apisix/prometheus/metrics` has them under the names
and labels of APISIX, so dashboards made for it work.

```json
{"name": "talks", "uri": "/session/*", "plugins": {"prometheus": {"prefer_name": true}}, "upstream_id": "1"}
```

For all routes, and for requests that match none:

```json
PUT /apisix/admin/global_rules/metrics
{"plugins": {"prometheus": {}}}
```

| metric | labels |
|---|---|
| `apisix_http_status` | code, route, matched_uri, matched_host, service, consumer, node, response_source |
| `apisix_http_latency` (histogram, ms) | type (request, upstream, apisix), route, service, consumer, node |
| `apisix_bandwidth` (bytes) | type (ingress, egress), route, service, consumer, node |
| `apisix_http_requests_total`, `apisix_nginx_http_current_connections` | of the whole gateway |
| `apisix_upstream_status` | name, ip, port; of upstreams with `checks` |

Good to know:

- Every combination of labels is a series that is kept until the gateway restarts. Many consumers or nodes:
  leave their label empty with `disabled_labels` in the plugin's metadata.
- `request` is from the first byte of the request to the last of the response, `upstream` the part that the
  upstream took, `apisix` what the gateway took before it.
"""


def mark(
    route: Route, conf: Mapping[str, JSON], scope: Mapping[str, JSON], *, uri: str = "", host: str = ""
) -> None:
    """Has the requests of ``route`` counted. Changes it.

    ``scope`` as for build_program; ``uri`` and ``host`` are the patterns that the route is matched by.
    """
    id, service = str(scope.get("route_id", "")), str(scope.get("service_id", ""))
    if conf.get("prefer_name"):
        id, service = scope.get("route_name") or id, scope.get("service_name") or service
    route.name = "|".join(quote(part, safe="/:*-._~") for part in (id, service, uri, host))
    route.metadata.filter_metadata[METADATA].update({_COUNTED: True})
    _enable(route, COUNTING_FILTERS[0])


def mark_stand_in(route: Route) -> None:
    """Has a request counted if the route that is chosen for it later is marked. Changes ``route``.

    Which filters a request passes is settled by the first route that it matches.
    """
    _enable(route, COUNTING_FILTERS[1])


def counting_filters() -> list[HttpFilter]:
    """For the connection manager, before the filter of our Lua, which may answer itself."""
    filters = []
    for name, key in zip(COUNTING_FILTERS, (_COUNTED, _PERHAPS), strict=True):
        metadata = set_metadata_pb2.Metadata(metadata_namespace=METADATA, allow_overwrite=True)
        metadata.value.update({key: True})
        filter = HttpFilter(name=name, disabled=True)
        filter.typed_config.Pack(set_metadata_pb2.Config(metadata=[metadata]))
        filters.append(filter)
    return filters


def access_logs() -> list[AccessLog]:
    """For the connection manager: what counts each marked request, and what those that an upstream answered.

    Envoy logs an error for a histogram whose value is not there, hence the latter.
    """
    answered = _expression("has(response.backend_latency)")
    perhaps = (_has(_PERHAPS), _expression(f"'{METADATA}' in xds.route_metadata.filter_metadata"))
    logs = []
    for marked in ((_has(_COUNTED),), perhaps):
        logs.append(
            _logger(
                marked,
                counters={
                    names.STATUS: (f"{_SERIES}|%RESPONSE_CODE%|%RESPONSE_FLAGS%", None),
                    names.INGRESS: (_SERIES, "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
                    names.EGRESS: (_SERIES, "%DOWNSTREAM_WIRE_BYTES_SENT%"),
                },
                histograms={names.LATENCY_REQUEST: "%DURATION%"},
            )
        )
        logs.append(
            _logger(
                (*marked, answered),
                counters={},
                histograms={
                    names.LATENCY_UPSTREAM: "%COMMON_DURATION(US_TX_BEG:US_RX_END:ms)%",
                    names.LATENCY_APISIX: "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:ms)%",
                },
            )
        )
    return logs


def _has(key: str) -> AccessLogFilter:
    """By the request's metadata, which is cheap; looking at the route's costs every request 3 µs and more."""
    out = AccessLogFilter()
    out.metadata_filter.matcher.filter = METADATA
    out.metadata_filter.matcher.path.add(key=key)
    out.metadata_filter.matcher.value.present_match = True
    out.metadata_filter.match_if_key_not_found.value = False
    return out


def _expression(text: str) -> AccessLogFilter:
    out = AccessLogFilter()
    out.extension_filter.name = "envoy.access_loggers.extension_filters.cel"
    out.extension_filter.typed_config.Pack(cel_pb2.ExpressionFilter(expression=text))
    return out


def _logger(
    conditions: Sequence[AccessLogFilter],
    counters: Mapping[str, tuple[str, str | None]],
    histograms: Mapping[str, str],
) -> AccessLog:
    """``counters``: name to tag and value, None for 1."""
    config = stats_pb2.Config(stat_prefix=names.STAT_PREFIX)
    for name, (series, value) in counters.items():
        counter = config.counters.add(stat=_stat(name, series))
        if value is None:
            counter.value_fixed.value = 1
        else:
            counter.value_format = value
    for name, value in histograms.items():
        config.histograms.add(
            stat=_stat(name, _SERIES), unit=stats_pb2.Config.Histogram.Milliseconds, value_format=value
        )
    filter = AccessLogFilter(and_filter=AndFilter(filters=conditions)) if conditions[1:] else conditions[0]
    log = AccessLog(name="envoy.access_loggers.stats", filter=filter)
    log.typed_config.Pack(config)
    return log


def _stat(name: str, series: str) -> stats_pb2.Config.Stat:
    return stats_pb2.Config.Stat(
        name=name, tags=[stats_pb2.Config.Tag(name=names.SERIES, value_format=series)]
    )


def _enable(route: Route, filter: str) -> None:
    """As it is in the connection manager."""
    enabled = FilterConfig()
    enabled.config.Pack(set_metadata_pb2.Config())
    route.typed_per_filter_config[filter].Pack(enabled, deterministic=True)
