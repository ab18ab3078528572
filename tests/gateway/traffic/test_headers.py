"""What upstreams are told of the client and clients of the upstream, and what neither may say."""

from __future__ import annotations

import http.client
import socket

import pytest

from tests.conftest import GatewayUnderTest


@pytest.fixture
def plain(gateway: GatewayUnderTest) -> GatewayUnderTest:
    gateway.put("routes/plain", {"uri": "/*", "upstream": {"nodes": gateway.nodes()}})
    return gateway


def test_the_upstream_is_told_of_the_client_as_apisix_tells_it(plain: GatewayUnderTest) -> None:
    url = plain.client.base_url
    got = plain.client.get("/", headers={"user-agent": "me", "accept-encoding": "identity"}).json()["headers"]
    assert got == {
        "host": f"{url.host}:{url.port}",
        "user-agent": "me",
        "accept": "*/*",
        "accept-encoding": "identity",
        "x-real-ip": "127.0.0.1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": f"{url.host}:{url.port}",
        "x-forwarded-port": str(url.port),
    }


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"x-forwarded-for": "9.9.9.9"}, {"x-forwarded-for": "9.9.9.9,127.0.0.1"}),
        ({"x-forwarded-proto": "https"}, {"x-forwarded-proto": "http"}),
        ({"x-forwarded-host": "evil.org"}, {"x-forwarded-host": "client.org"}),
        ({"forwarded": "for=9.9.9.9"}, {"forwarded": None}),
        ({"x-real-ip": "3.3.3.3"}, {"x-real-ip": "3.3.3.3", "x-forwarded-for": "3.3.3.3"}),
        (
            {"x-gatechat-route": "1", "x-gatechat-path": "/x"},
            {"x-gatechat-route": None, "x-gatechat-path": None},
        ),
        (
            {"x-gatechat-addr": "10.0.0.1", "x-gatechat-y": "1"},
            {"x-gatechat-addr": None, "x-gatechat-y": None},
        ),
        (
            {"x-envoy-retry-on": "5xx", "x-envoy-original-path": "/x"},
            {"x-envoy-retry-on": None, "x-envoy-original-path": None},
        ),
        ({"x-request-id": "abc"}, {"x-request-id": "abc"}),
        ({"x_under_score": "1"}, {"x_under_score": "1"}),
    ],
)
def test_what_a_client_says_of_itself_is_believed_as_far_as_apisix_does(
    plain: GatewayUnderTest, sent: dict[str, str], seen: dict[str, str | None]
) -> None:
    got = plain.client.get("/", headers={"host": "client.org", **sent}).json()["headers"]
    assert {name: got.get(name) for name in seen} == seen


def test_a_client_cannot_choose_a_route_by_a_private_header(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/open", {"uri": "/open", "upstream": {"nodes": gateway.nodes()}})
    gateway.put(
        "routes/secret",
        {"uri": "/secret", "vars": [["arg_key", "==", "1"]], "upstream": {"nodes": gateway.nodes()}},
    )
    for name, value in {"route": "secret", "path": "/open", "addr": "10.0.0.1"}.items():
        for spelled in (f"x-gatechat-{name}", f"X-Gatechat-{name}"):
            assert gateway.client.get("/secret", headers={spelled: value}).status_code == 404


def test_an_x_real_ip_from_elsewhere_than_this_machine_is_not_believed(plain: GatewayUnderTest) -> None:
    url = plain.client.base_url
    connection = http.client.HTTPConnection(url.host, url.port, source_address=("127.0.0.2", 0), timeout=10)
    connection.request("GET", "/", headers={"x-real-ip": "3.3.3.3"})
    body = connection.getresponse().read().decode()
    connection.close()
    assert '"x-real-ip": "127.0.0.2"' in body


def test_answers_carry_no_header_of_envoy(plain: GatewayUnderTest) -> None:
    answer = plain.client.get("/")
    assert not [name for name in answer.headers if name.startswith("x-envoy")]
    assert answer.headers["server"] == "gatechat"


def test_headers_and_urls_may_be_as_large_as_with_nginx(plain: GatewayUnderTest) -> None:
    assert plain.client.get("/", headers={"cookie": "c" * 60_000}).status_code == 200
    assert plain.client.get("/?q=" + "x" * 60_000).status_code == 200


def test_headers_may_be_many_and_methods_unknown(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/here", {"uri": "/here", "plugins": {"redirect": {"uri": "/there"}}})
    many = {f"x-header-{number}": "v" for number in range(900)}
    assert gateway.client.request("REFRESH", "/here", headers=many).status_code == 302


def test_an_offer_to_upgrade_to_http_2_is_not_taken(plain: GatewayUnderTest) -> None:
    headers = {
        "connection": "upgrade, http2-settings",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA",
    }
    assert plain.client.get("/", headers=headers).status_code == 200


def test_http_1_0_is_answered(plain: GatewayUnderTest) -> None:
    url = plain.client.base_url
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(b"GET /old HTTP/1.0\r\nhost: x\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"200"


def test_http_2_without_tls_is_spoken(plain: GatewayUnderTest) -> None:
    url = plain.client.base_url
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        length_type_flags = connection.recv(9)
        assert length_type_flags[3] == 4, "the first frame of an HTTP/2 server is SETTINGS"


def test_a_body_of_several_megabytes_passes(plain: GatewayUnderTest) -> None:
    body = "x" * 3_000_000
    assert plain.client.post("/", content=body).json()["body"] == body
