"""A snapshot as a bootstrap without a control plane, for Envoy's own check of whole configurations."""

from __future__ import annotations

from pathlib import Path

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2

from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTES, SECRET, Snapshot


def bootstrap(snapshot: Snapshot, admin: Path) -> bytes:
    """The serialised Bootstrap: what comes over xDS is written into the listeners and clusters."""
    out = bootstrap_pb2.Bootstrap()
    out.node.id = out.node.cluster = "gatechat"
    out.admin.address.pipe.path = str(admin)
    resources = snapshot.resources
    secrets = {name: secret_pb2.Secret.FromString(data) for name, data in resources[SECRET].items()}
    out.static_resources.secrets.extend(secrets.values())
    for data in resources[CLUSTER].values():
        out.static_resources.clusters.append(_cluster(data, resources[ENDPOINTS]))
    for data in resources[LISTENER].values():
        out.static_resources.listeners.append(_listener(data, snapshot))
    return out.SerializeToString(deterministic=True)


def _cluster(data: bytes, endpoints: object) -> cluster_pb2.Cluster:
    cluster = cluster_pb2.Cluster.FromString(data)
    if cluster.type == cluster_pb2.Cluster.EDS:
        load = endpoint_pb2.ClusterLoadAssignment.FromString(
            endpoints[cluster.eds_cluster_config.service_name]
        )  # type: ignore[index]
        cluster.ClearField("eds_cluster_config")
        cluster.type = cluster_pb2.Cluster.STATIC
        cluster.load_assignment.CopyFrom(load)
    if cluster.HasField("transport_socket"):
        context = tls_pb2.UpstreamTlsContext()
        cluster.transport_socket.typed_config.Unpack(context)
        for reference in context.common_tls_context.tls_certificate_sds_secret_configs:
            reference.ClearField("sds_config")
        cluster.transport_socket.typed_config.Pack(context)
    return cluster


def _listener(data: bytes, snapshot: Snapshot) -> listener_pb2.Listener:
    listener = listener_pb2.Listener.FromString(data)
    for chain in listener.filter_chains:
        manager = hcm.HttpConnectionManager()
        chain.filters[0].typed_config.Unpack(manager)
        table = snapshot.resources[ROUTES][manager.rds.route_config_name]
        manager.route_config.CopyFrom(route_pb2.RouteConfiguration.FromString(table))
        for http_filter in manager.http_filters:
            if http_filter.HasField("config_discovery"):
                extension = extension_pb2.TypedExtensionConfig.FromString(
                    snapshot.resources[EXTENSION][http_filter.name]
                )
                http_filter.typed_config.CopyFrom(extension.typed_config)
        chain.filters[0].typed_config.Pack(manager)
    return listener
