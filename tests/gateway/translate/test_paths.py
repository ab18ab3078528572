"""``uri`` patterns as keys of the maps and regular expressions."""

from __future__ import annotations

import pytest

from gatechat.gateway.translate.paths import Pattern, parse

PATTERNS: dict[str, tuple[str, bool, str | None]] = {
    "/a": ("/a", True, None),
    "/a/": ("/a/", True, None),
    "/*": ("/", False, None),
    "*": ("/", False, None),
    "/a*": ("/a", False, None),
    "/a/*": ("/a/", False, None),
    "/user/:id": ("/user/", False, "/user/[^/]+"),
    "/user/:id/": ("/user/", False, "/user/[^/]+/"),
    "/user/:id/*rest": ("/user/", False, "/user/[^/]+/.*"),
    "/files/*path": ("/files/", False, "/files/.*"),
    "/v.1/*path/end": ("/v.1/", False, r"/v\.1/.*/end"),
    "/file:list": ("/file:list", True, None),
    "/a*b": ("/a", False, None),
    "/grüße": ("/gr%C3%BC%C3%9Fe", True, None),
    "/with space/*": ("/with%20space/", False, None),
    "/kept%20as+it-is;x=1": ("/kept%20as+it-is;x=1", True, None),
}


@pytest.mark.parametrize("uri", PATTERNS)
def test_a_pattern_has_a_key_and_maybe_a_regex(uri: str) -> None:
    key, exact, regex = PATTERNS[uri]
    assert parse(uri) == Pattern(uri, key, exact, regex)
