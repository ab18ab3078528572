"""Nodes of an upstream, as a map and as a list."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.translate.nodes import Node, parse_nodes


@pytest.mark.parametrize(
    ("nodes", "scheme", "parsed"),
    [
        ({"127.0.0.1:80": 1}, "http", [Node("127.0.0.1", 80, 1, 0)]),
        ({"127.0.0.1": 2}, "http", [Node("127.0.0.1", 80, 2, 0)]),
        ({"example.com": 1}, "https", [Node("example.com", 443, 1, 0)]),
        ({"[::1]:81": 1}, "http", [Node("::1", 81, 1, 0)]),
        ({"[::1]": 1}, "grpcs", [Node("::1", 443, 1, 0)]),
        ([{"host": "[::1]", "port": 8, "weight": 3, "priority": -1}], "http", [Node("::1", 8, 3, -1)]),
        ([{"host": "a.test", "weight": 1}], "grpc", [Node("a.test", 80, 1, 0)]),
        ({"127.0.0.1:80": 0}, "http", [Node("127.0.0.1", 80, 1, 0)]),
        ({"127.0.0.1:80": 0, "127.0.0.1:81": 5}, "http", [Node("127.0.0.1", 81, 5, 0)]),
        ({"127.0.0.1:80": 0, "127.0.0.1:81": 0}, "http", []),
        ({}, "http", []),
        ([], "http", []),
    ],
)
def test_nodes_are_read_as_apisix_reads_them(nodes: Any, scheme: str, parsed: list[Node]) -> None:
    assert list(parse_nodes(nodes, scheme, "upstream u")) == parsed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:http",
        "::1:80",
        "::1",
        ":80",
        "",
        "http://a.test",
        "http://a.test:80",
        "a.test:80/path",
        "a.test/path",
        "a test:80",
        "[::1",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="upstream u: node"):
        parse_nodes({address: 1}, "http", "upstream u")


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none_is_refused_in_apisix_words(port: str) -> None:
    with pytest.raises(Refused, match=f"^invalid port {port}$"):
        parse_nodes({f"127.0.0.1:{port}": 1}, "http", "upstream u")


@pytest.mark.parametrize(
    ("node", "scheme", "host"),
    [
        (Node("a.test", 80, 1, 0), "http", "a.test"),
        (Node("a.test", 80, 1, 0), "https", "a.test:80"),
        (Node("a.test", 443, 1, 0), "grpcs", "a.test"),
        (Node("::1", 81, 1, 0), "http", "[::1]:81"),
    ],
)
def test_the_host_of_a_node_names_the_port_unless_it_is_the_schemes(
    node: Node, scheme: str, host: str
) -> None:
    assert node.host_header(scheme) == host
