"""The schemas are valid JSON Schemas and take and refuse what APISIX does."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from gatechat.apisix.schemas import CHASH_KEYS, ROUTE, SCHEMAS, SECRET_MANAGERS, UPSTREAM
from gatechat.apisix.validation import Validator

_ROUTE = Validator(ROUTE)
_UPSTREAM = Validator(UPSTREAM)

ADDRESSES = [
    ("127.0.0.1", True),
    ("127.0.0.0/8", True),
    ("::1", True),
    ("fe80::/10", True),
    ("127.0.0.1/33", False),
    ("256.0.0.1", False),
    ("localhost", False),
    ("", False),
]
HOSTS = [
    ("a.com", True),
    ("*.a.com", True),
    ("*", True),
    ("*a.com", True),
    ("a_b-c.com", True),
    ("[::1]", True),
    ("a*.com", False),
    ("a b", False),
    ("", False),
]
IDS: list[tuple[Any, bool]] = [
    ("a", True),
    ("A-1_b.c", True),
    (1, True),
    ("x" * 64, True),
    ("x" * 65, False),
    ("", False),
    (0, False),
    (1.5, False),
    ("a/b", False),
    (None, False),
    (True, False),
]


@pytest.mark.parametrize("name", [*SCHEMAS, *SECRET_MANAGERS, *CHASH_KEYS])
def test_every_schema_is_one(name: str) -> None:
    schema = {**SECRET_MANAGERS, **CHASH_KEYS, **SCHEMAS}[name]
    jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})


@pytest.mark.parametrize(("address", "allowed"), ADDRESSES)
def test_client_addresses(address: str, allowed: bool) -> None:
    assert (_ROUTE.error({"uri": "/", "plugins": {}, "remote_addr": address}) is None) is allowed
    assert (_ROUTE.error({"uri": "/", "plugins": {}, "remote_addrs": [address]}) is None) is allowed


@pytest.mark.parametrize(("host", "allowed"), HOSTS)
def test_hosts(host: str, allowed: bool) -> None:
    assert (_ROUTE.error({"uri": "/", "plugins": {}, "host": host}) is None) is allowed
    assert (_ROUTE.error({"uri": "/", "plugins": {}, "hosts": [host]}) is None) is allowed


@pytest.mark.parametrize(("id", "allowed"), IDS)
def test_ids(id: Any, allowed: bool) -> None:
    assert (_UPSTREAM.error({"nodes": {}, "id": id}) is None) is allowed


@pytest.mark.parametrize("what", ["plugins", "upstream", "upstream_id", "service_id", "script"])
def test_a_route_needs_somewhere_to_go(what: str) -> None:
    value: dict[str, Any] = {
        "plugins": {},
        "upstream": {"nodes": {}},
        "upstream_id": 1,
        "service_id": 1,
        "script": "return {} -- long enough",
    }
    assert _ROUTE.error({"uri": "/", what: value[what]}) is None
    assert _ROUTE.error({"uris": ["/"], what: value[what]}) is None
    assert _ROUTE.error({what: value[what]}) is not None


def test_a_script_stands_alone() -> None:
    assert _ROUTE.error({"uri": "/", "script": "x" * 10, "plugins": {}}) is not None
