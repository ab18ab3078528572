from __future__ import annotations

import pytest

from tests.gateway.lua.luajit import Lua

LUA = Lua()


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.128.0.0/9"], "10.127.0.1", False),
        (["10.128.0.0/9"], "10.200.0.1", True),
        (["0.0.0.0/0"], "8.8.8.8", True),
        (["0.0.0.0/0"], "::1", False),
        (["::1"], "::1", True),
        (["fe80::/33"], "fe80:0:7fff::1", True),
        (["fe80::/33"], "fe80:0:8000::1", False),
        (["::/0"], "2001:db8::1", True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["::ffff:10.0.0.0/104"], "10.9.9.9", True),
        (["10.0.0.1", "10.0.0.9/32"], "10.0.0.9", True),
        (["10.0.0.1"], "not an address", False),
        (["10.0.0.1"], None, False),
    ],
)
def test_an_address_is_in_a_network(networks: list[str], address: str | None, inside: bool) -> None:
    run = "function(networks, address) return use('ip').matcher(networks)(address) end"
    assert LUA.call(run, networks, address) is inside
