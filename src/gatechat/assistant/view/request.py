"""A request as a router sees it, from what was said of it; what was not said is not known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes


class Unknown(Enum):
    """The value of a variable that the request, as it was told, does not settle."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Value: TypeAlias = str | bool | Unknown | None
"""``True`` is a query argument without "=", None is "not there"."""

_NOT_YET: Final = frozenset(
    {"consumer_name", "consumer_group_id", "route_id", "route_name", "service_id", "service_name"}
)
"""Not set before a route is found."""
_UNRESERVED: Final = re.compile(r"%(4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe]|3[0-9]|2[DdEe])")
_COOKIE: Final = re.compile(r"\s*([^=;]+)=([^;]*)")


@dataclass(frozen=True)
class Request:
    """``target`` is path and query as sent. Header names are in lower case, ``host`` is there as said, ""
    if not.

    ``address`` is the client's, None when it is not known. Headers that are not named are taken as not sent.
    ``parameters`` are what a path's pattern found, None when the gateway does not tell them to conditions.
    ``any`` stands for every request to this path: what it does not say is not known, instead of not sent.
    """

    method: str
    target: str
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    scheme: str | None = None
    parameters: Mapping[str, str] | None = None
    any: bool = False

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0] or "/"

    @cached_property
    def query(self) -> str:
        return self.target.partition("?")[2].partition("#")[0]

    @cached_property
    def path(self) -> str:
        """As APISIX matches it (nginx's $uri): decoded, with single slashes, without "." and ".."."""
        return plain_path(unquote_to_bytes(self.raw_path).decode(errors="surrogateescape"))

    @cached_property
    def encoded_path(self) -> str:
        """As the embedded gateway matches it: only what need not be encoded is decoded."""
        return plain_path(_UNRESERVED.sub(lambda found: chr(int(found[1], 16)), self.raw_path))

    @cached_property
    def plain_host(self) -> str:
        """In lower case and without port."""
        host = self.host.lower()
        return re.sub(r":\d+$", "", host)

    @cached_property
    def _arguments(self) -> Mapping[str, str | bool]:
        found: dict[str, str | bool] = {}
        for part in self.query.split("&"):
            name, equals, value = part.partition("=")
            if part:
                found.setdefault(_decoded(name), _decoded(value) if equals else True)
        return found

    @cached_property
    def _cookies(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, value in _COOKIE.findall(self.headers.get("cookie", "")):
            found.setdefault(name, value.strip().strip('"'))
        return found

    def variable(self, name: str) -> Value:
        """What nginx and APISIX call by this name, while a route is looked for."""
        unsaid = UNKNOWN if self.any else None
        if name.startswith("arg_"):
            return self._arguments.get(name[4:], unsaid)
        if name.startswith("cookie_"):
            return self._cookies.get(name[7:], unsaid)
        if name == "http_host":
            return self.host or None
        if name.startswith("http_"):
            wanted = name[5:].lower()
            headers = (value for header, value in self.headers.items() if header.replace("-", "_") == wanted)
            return next(headers, unsaid)
        if name.startswith("uri_param_") and self.parameters is not None:
            return self.parameters.get(name[10:])
        if name in _NOT_YET:
            return None
        return self._plain.get(name, UNKNOWN)

    @cached_property
    def _plain(self) -> Mapping[str, Value]:
        address: Value = UNKNOWN if self.address is None else self.address
        unsaid = UNKNOWN if self.any else None
        return {
            "uri": self.path,
            "document_uri": self.path,
            "request_uri": UNKNOWN if self.any else self.target,
            "args": self.query or unsaid,
            "query_string": self.query or unsaid,
            "is_args": "?" if self.query else UNKNOWN if self.any else "",
            "host": self.plain_host,
            "request_method": self.method,
            "method": self.method,
            "scheme": self.scheme or UNKNOWN,
            "remote_addr": address,
            "content_type": self.headers.get("content-type", unsaid),
            "content_length": self.headers.get("content-length", unsaid),
        }


def plain_path(path: str) -> str:
    """Single slashes, and "." and ".." resolved; both leave a slash at the end where they stood there."""
    segments: list[str] = []
    parts = path.split("/")[1:] if path.startswith("/") else path.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "..":
            if segments:
                segments.pop()
        elif part not in ("", "."):
            segments.append(part)
            continue
        if last and part in ("", ".", ".."):
            segments.append("")
    return "/" + "/".join(segments)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")
