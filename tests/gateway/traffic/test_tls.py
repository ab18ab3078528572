"""TLS to upstreams: the name asked for, the certificate shown, the upstream's certificate checked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.conftest import GatewayUnderTest
from tests.gateway.plugins.test_prometheus import metrics
from tests.gateway.traffic.servers import http_server, tls_context
from tests.gateway.traffic.test_upstreams import until


@dataclass(frozen=True)
class Pair:
    """PEM files."""

    certificate: Path
    key: Path


def self_signed(folder: Path, name: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


@dataclass(frozen=True)
class Servers:
    """``mutual`` asks for the certificate ``client``; ``asked`` are the names that ``open`` was asked for."""

    open: str
    mutual: str
    client: Pair
    asked: list[str | None]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("tls")
    server, client = self_signed(folder, "server.test"), self_signed(folder, "client.test")
    asked: list[str | None] = []
    plain, mutual = (
        tls_context(server.certificate, server.key),
        tls_context(server.certificate, server.key, client.certificate),
    )

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    plain.sni_callback = note  # type: ignore[assignment]
    with (
        http_server(lambda request: (200, request.headers["host"]), plain) as open_,
        http_server(lambda request: (200, "known"), mutual) as closed,
    ):
        yield Servers(open_, closed, client, asked)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "client.org"),
        ({"pass_host": "rewrite", "upstream_host": "other.org"}, "other.org"),
        ({"pass_host": "rewrite", "upstream_host": "other.org:99"}, "other.org"),
    ],
)
def test_the_name_asked_for_is_the_host_that_is_sent(
    gateway: GatewayUnderTest, servers: Servers, fields: dict[str, Any], name: str
) -> None:
    gateway.put(
        "routes/a", {"uri": "/a", "upstream": {"scheme": "https", "nodes": {servers.open: 1}, **fields}}
    )
    assert gateway.client.get("/a", headers={"host": "client.org:8080"}).status_code == 200
    assert servers.asked[-1] == name


def test_pass_host_node_asks_for_the_name_of_the_node(gateway: GatewayUnderTest, servers: Servers) -> None:
    node = f"localhost:{servers.open.split(':')[1]}"
    gateway.put(
        "routes/a", {"uri": "/a", "upstream": {"scheme": "https", "pass_host": "node", "nodes": {node: 1}}}
    )
    answer = gateway.client.get("/a")
    assert (answer.status_code, answer.text) == (200, node)
    assert servers.asked[-1] == "localhost"


def test_a_client_certificate_is_shown_whether_written_inline_or_kept_as_an_ssl(
    gateway: GatewayUnderTest, servers: Servers
) -> None:
    certificate, key = servers.client.certificate.read_text(), servers.client.key.read_text()
    nodes = {servers.mutual: 1}
    gateway.put("routes/bare", {"uri": "/bare", "upstream": {"scheme": "https", "nodes": nodes}})
    assert gateway.client.get("/bare").status_code == 502
    inline = {"client_cert": certificate, "client_key": key}
    gateway.put(
        "routes/inline", {"uri": "/inline", "upstream": {"scheme": "https", "nodes": nodes, "tls": inline}}
    )
    assert gateway.client.get("/inline").text == "known"
    gateway.put("ssls/c", {"type": "client", "cert": certificate, "key": key})
    kept = {"client_cert_id": "c"}
    gateway.put("routes/kept", {"uri": "/kept", "upstream": {"scheme": "https", "nodes": nodes, "tls": kept}})
    assert gateway.client.get("/kept").text == "known"


def test_verify_refuses_an_upstream_whose_certificate_nobody_signed(
    gateway: GatewayUnderTest, servers: Servers
) -> None:
    upstream = {"scheme": "https", "nodes": {servers.open: 1}}
    gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
    assert gateway.client.get("/a").status_code == 200
    gateway.put("routes/a", {"uri": "/a", "upstream": {**upstream, "tls": {"verify": True}}})
    assert gateway.client.get("/a").status_code == 502


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_checks_speak_tls_or_not_whatever_the_traffic_does(
    gateway: GatewayUnderTest, servers: Servers, scheme: str
) -> None:
    checked = gateway.upstream if scheme == "https" else servers.open
    active = {
        "type": "http" if scheme == "https" else "https",
        "https_verify_certificate": False,
        "port": int(checked.split(":")[1]),
        "host": "check.test",
        "healthy": {"successes": 1},
    }
    dead_to_checks = {"127.0.0.1:1": 1}
    node = servers.open if scheme == "https" else gateway.upstream
    upstream = {
        "scheme": scheme,
        "nodes": {node: 1} | dead_to_checks,
        "checks": {"active": active},
        "retries": 1,
    }
    gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
    assert gateway.client.get("/a").status_code == 200


def test_pass_host_node_asks_each_node_for_its_own_name(gateway: GatewayUnderTest, servers: Servers) -> None:
    port = servers.open.split(":")[1]
    nodes = {f"{name}:{port}": 1 for name in ("localhost", "a.localhost")}
    gateway.put(
        "routes/a", {"uri": "/a", "upstream": {"scheme": "https", "pass_host": "node", "nodes": nodes}}
    )
    servers.asked.clear()
    assert {gateway.client.get("/a").text for _ in range(4)} == set(nodes)
    assert set(servers.asked) == {"localhost", "a.localhost"}


@pytest.mark.parametrize(("verify", "healthy"), [({}, 0), ({"https_verify_certificate": False}, 1)])
def test_checks_over_tls_verify_by_a_rule_of_their_own_and_ask_for_their_own_name(
    gateway: GatewayUnderTest, servers: Servers, verify: dict[str, bool], healthy: int
) -> None:
    active = {"type": "https", "host": "check.test", "healthy": {"successes": 1}, **verify}
    upstream = {"scheme": "https", "nodes": {servers.open: 1}, "checks": {"active": active}}
    servers.asked.clear()
    gateway.put(f"routes/{healthy}", {"uri": "/a", "upstream": upstream})
    until(lambda: "check.test" in servers.asked)
    until(lambda: set(metrics(gateway, "upstream_status").values()) == {healthy})


def test_checks_show_the_client_certificate_too(gateway: GatewayUnderTest, servers: Servers) -> None:
    certificate, key = servers.client.certificate.read_text(), servers.client.key.read_text()
    active = {"type": "https", "https_verify_certificate": False, "healthy": {"successes": 1}}
    upstream = {
        "scheme": "https",
        "nodes": {servers.mutual: 1},
        "tls": {"client_cert": certificate, "client_key": key},
        "checks": {"active": active},
    }
    gateway.put("routes/shown", {"uri": "/a", "upstream": upstream})
    until(lambda: set(metrics(gateway, "upstream_status").values()) == {1})
