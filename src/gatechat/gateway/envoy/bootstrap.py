"""The little that Envoy must know before it can ask for the rest over ADS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gatechat.gateway.metrics_names import BUCKETS, STAT_PREFIX
from gatechat.gateway.model import JSON

XDS_CLUSTER = "gatechat_xds"

KEPT_STATS = (
    f"{STAT_PREFIX}.",  # what the prometheus plugin counts
    "listener_manager.",
    "cluster_manager.",
    "control_plane.",
    "server.",
    "http.gatechat.",
)
"""Prefixes of the statistics that Envoy keeps; the hundreds for each cluster would cost memory for nobody."""


def bootstrap(
    *, xds: Path, admin: Path, max_connections: int, kept_stats: Sequence[str] = KEPT_STATS
) -> dict[str, JSON]:
    """The bootstrap document.

    ``xds`` is the Unix socket of the xDS server, ``admin`` the one for Envoy's admin interface. More than
    ``max_connections`` downstream connections are refused, so that Envoy never runs out of descriptors.
    """
    kept = [{"prefix": prefix} for prefix in kept_stats]
    return {
        "node": {"id": "gatechat", "cluster": "gatechat"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": XDS_CLUSTER}}],
                "set_node_on_first_message_only": True,
            },
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": [_xds_cluster(xds)]},
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": kept}},
            "histogram_bucket_settings": [
                {"match": {"prefix": f"{STAT_PREFIX}."}, "buckets": [bound for bound, _ in BUCKETS]}
            ],
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors."
                        "downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": max_connections,
                    },
                }
            ]
        },
    }


def _xds_cluster(xds: Path) -> dict[str, JSON]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(xds)}}}}
    return {
        "name": XDS_CLUSTER,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": XDS_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
