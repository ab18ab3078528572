"""gRPC through the gateway, which speaks HTTP/2 to such upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.conftest import GatewayUnderTest
from tests.gateway.traffic.test_tls import self_signed


class Shout(grpc.GenericRpcHandler):
    """Any method answers with its message in capitals; /a.B/Fail fails."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(message: bytes, context: grpc.ServicerContext) -> bytes:
            if details.method.endswith("/Fail"):
                context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
            return message.upper()

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def upstream() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Shout()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_call_and_its_status_pass(gateway: GatewayUnderTest, upstream: str) -> None:
    gateway.put("routes/g", {"uri": "/a.B/*", "upstream": {"scheme": "grpc", "nodes": {upstream: 1}}})
    url = gateway.client.base_url
    with grpc.insecure_channel(f"{url.host}:{url.port}") as channel:
        assert channel.unary_unary("/a.B/Say")(b"hello", timeout=10) == b"HELLO"
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/a.B/Fail")(b"hello", timeout=10)
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
        assert failed.value.details() == "no such thing"  # type: ignore[attr-defined]
        with pytest.raises(grpc.RpcError) as lost:
            channel.unary_unary("/c.D/Say")(b"hello", timeout=10)
        assert lost.value.code() is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]


def test_answers_on_one_connection_at_a_time_are_each_of_their_own_request(
    gateway: GatewayUnderTest, upstream: str
) -> None:
    plugins = {"limit-count": {"count": 100, "time_window": 60}}
    conf = {"uri": "/a.B/*", "plugins": plugins, "upstream": {"scheme": "grpc", "nodes": {upstream: 1}}}
    gateway.put("routes/g", conf)
    url = gateway.client.base_url
    with grpc.insecure_channel(f"{url.host}:{url.port}") as channel:
        calls = [channel.unary_unary("/a.B/Say").future(b"hello", timeout=10) for _ in range(40)]
        told = [dict(call.initial_metadata())["x-ratelimit-remaining"] for call in calls]
    assert sorted(map(int, told)) == list(range(60, 100))


def test_a_call_passes_over_tls_too(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    pair = self_signed(tmp_path, "server.test")
    credentials = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.certificate.read_bytes())])
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Shout()])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    upstream = {"scheme": "grpcs", "nodes": {f"127.0.0.1:{port}": 1}}
    gateway.put("routes/g", {"uri": "/a.B/*", "upstream": upstream})
    url = gateway.client.base_url
    with grpc.insecure_channel(f"{url.host}:{url.port}") as channel:
        assert channel.unary_unary("/a.B/Say")(b"hello", timeout=10) == b"HELLO"
    server.stop(None).wait()
