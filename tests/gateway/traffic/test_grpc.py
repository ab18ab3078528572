"""gRPC through the gateway, which speaks HTTP/2 to such upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.conftest import GatewayUnderTest


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
