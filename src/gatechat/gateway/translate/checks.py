"""Health checks: active ones as Envoy's, passive ones as outlier detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http
from google.protobuf.wrappers_pb2 import UInt32Value

from gatechat.gateway.model import JSON
from gatechat.gateway.translate.nodes import Node


def check_health(
    cluster: cluster_pb2.Cluster,
    options: http.HttpProtocolOptions,
    checks: Mapping[str, JSON],
    nodes: tuple[Node, ...],
) -> None:
    """Not yet."""
