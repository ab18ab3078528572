"""A whole Envoy configuration, built and checked before any of it is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

ORDER = (SECRET, CLUSTER, ENDPOINTS, LISTENER, EXTENSION, ROUTES)
"""Make before break: what is referred to is sent before what refers to it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``resources[type_url][name]`` is a serialised message of that type. Equal bytes: nothing to send."""

    resources: Mapping[str, Mapping[str, bytes]]
