"""APISIX's ``uri`` patterns, as Envoy's maps and regular expressions can tell them.

Source: lua-resty-radixtree (common_route_data, fetch_pat). ``/a`` is exact, ``/a/*`` a prefix,
``/a/:id/*rest`` lives at the prefix before its first parameter and is then checked whole. Unlike there, ``:``
is a parameter only where a segment begins with it, and the rest of a pattern means itself: a dot is a dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>')


@dataclass(frozen=True, slots=True)
class Pattern:
    """``key`` is the whole path if ``exact``, else the prefix. ``regex`` (RE2) must match the whole path, if
    there is one.
    """

    text: str
    key: str
    exact: bool
    regex: str | None


@lru_cache(maxsize=65536)
def parse(uri: str) -> Pattern:
    path = quote(uri, safe=_KEPT)
    segments = path.split("/")
    named = any(segment[:1] == ":" for segment in segments)
    star = path.find("*")
    if not named and star < 0:
        return Pattern(uri, path, True, None)
    if not named and star == len(path) - 1:
        return Pattern(uri, path[:star] or "/", False, None)
    colon = path.find("/:") + 1 if named else len(path)
    first = colon if star < 0 else min(colon, star)
    return Pattern(uri, path[:first] or "/", False, _regex(segments))


def _regex(segments: list[str]) -> str | None:
    parts = []
    checked = False
    for segment in segments:
        if segment[:1] == ":":
            parts.append("[^/]+")
        elif segment[:1] == "*":
            parts.append(".*")
        else:
            parts.append(re.escape(segment).replace("\\/", "/"))
            continue
        checked = True
    return "/".join(parts) if checked else None
