"""Joined bytes are what protobuf itself would write."""

from __future__ import annotations

import pytest
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput

from gatechat.gateway.translate import wire


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (1 << 20, b"\x80\x80\x40")],
)
def test_a_number_takes_seven_bits_a_byte(number: int, encoded: bytes) -> None:
    assert wire.varint(number) == encoded


@pytest.mark.parametrize("header", ["", "x", "x" * 200, "x" * 20_000])
def test_an_extension_is_read_back_as_it_was_packed(header: str) -> None:
    message = HttpRequestHeaderMatchInput(header_name=header)
    read = TypedExtensionConfig.FromString(wire.packed("name", message))
    inner = HttpRequestHeaderMatchInput()
    assert read.typed_config.Unpack(inner)
    assert (read.name, inner) == ("name", message)
