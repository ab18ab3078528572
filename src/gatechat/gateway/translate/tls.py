"""TLS to the upstream: which name is asked for, which certificate is shown, and whether the upstream's is
checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as http
from google.protobuf.message import Message

from gatechat.gateway.model import JSON
from gatechat.gateway.translate.nodes import NAME_ASKED_FOR, Node, domains_of
from gatechat.gateway.translate.values import over_ads
from gatechat.gateway.translate.wire import dump


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM texts. ``name`` is the secret's; it comes from their content."""

    certificate: str
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        return "tls/" + hashlib.blake2b((self.certificate + self.key).encode(), digest_size=10).hexdigest()

    def secret(self) -> bytes:
        secret = secret_pb2.Secret(name=self.name)
        secret.tls_certificate.certificate_chain.inline_string = self.certificate
        secret.tls_certificate.private_key.inline_string = self.key
        return dump(secret)


def secure(
    cluster: cluster_pb2.Cluster,
    options: http.HttpProtocolOptions,
    conf: Mapping[str, JSON],
    nodes: tuple[Node, ...],
    certificate: ClientCertificate | None,
    trusted_ca: str,
) -> None:
    """The name asked for (SNI) is the Host that the upstream is sent. Source: proxy_ssl_name in
    apisix/cli/ngx_tpl.lua.
    """
    context = tls_pb2.UpstreamTlsContext()
    verify = conf.get("tls", {}).get("verify", False)
    mode = conf.get("pass_host", "pass")
    if mode == "rewrite":
        context.sni = conf["upstream_host"].rsplit(":", 1)[0]
    elif mode == "node":
        domains = domains_of(nodes)
        if len(domains) == 1:
            context.sni = domains[0]
        else:
            context.auto_host_sni = verify
    else:
        options.upstream_http_protocol_options.auto_sni = True
    if verify:
        context.common_tls_context.validation_context.trusted_ca.filename = trusted_ca
        if options.upstream_http_protocol_options.auto_sni:
            options.upstream_http_protocol_options.auto_san_validation = True
        else:
            context.auto_sni_san_validation = True
    _show(context, certificate)
    cluster.transport_socket.CopyFrom(_socket("tls", context))
    if mode == "node" and len(domains) > 1:
        for name in domains:
            match = cluster.transport_socket_matches.add(name=name)
            match.match.update({NAME_ASKED_FOR: name})
            match.transport_socket.CopyFrom(tls_socket(name, trusted_ca if verify else None, certificate))


def tls_socket(
    name: str | None, trusted_ca: str | None, certificate: ClientCertificate | None
) -> base_pb2.TransportSocket:
    """TLS that asks for ``name`` (None: the node's own) and checks the certificate if there is a way to."""
    context = tls_pb2.UpstreamTlsContext(sni=name or "", auto_host_sni=name is None)
    if trusted_ca is not None:
        context.common_tls_context.validation_context.trusted_ca.filename = trusted_ca
        context.auto_sni_san_validation = True
    _show(context, certificate)
    return _socket("tls", context)


def _show(context: tls_pb2.UpstreamTlsContext, certificate: ClientCertificate | None) -> None:
    if certificate is None:
        return
    reference = context.common_tls_context.tls_certificate_sds_secret_configs.add(name=certificate.name)
    reference.sds_config.CopyFrom(over_ads())


def plain_socket() -> base_pb2.TransportSocket:
    return _socket("raw_buffer", raw_buffer_pb2.RawBuffer())


def _socket(kind: str, config: Message) -> base_pb2.TransportSocket:
    socket = base_pb2.TransportSocket(name=f"envoy.transport_sockets.{kind}")
    socket.typed_config.Pack(config)
    return socket
