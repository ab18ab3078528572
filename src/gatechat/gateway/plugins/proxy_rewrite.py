"""proxy-rewrite: another path, method, host or headers for the upstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Difference, Plugin
from gatechat.gateway.regex import check_replacement, compile_regex

_METHODS = [
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
]
_VALUE: dict[str, Any] = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_VALUES: dict[str, Any] = {
    "oneOf": [{"type": "string"}, {"type": "number"}, {"type": "array", "minItems": 1, "items": _VALUE}]
}


class ProxyRewrite(Plugin):
    name = "proxy-rewrite"
    priority = 1008
    phases = ("rewrite",)
    schema = {
        "type": "object",
        "properties": {
            "uri": {
                "type": "string",
                "minLength": 1,
                "maxLength": 4096,
                "pattern": r"^\/.*",
                "description": "The new path; may hold variables ($uri, ${arg_name ?? none}) and a query.",
            },
            "method": {"type": "string", "enum": _METHODS, "description": "The new method."},
            "regex_uri": {
                "type": "array",
                "minItems": 2,
                "items": {"type": "string"},
                "description": "Pairs of a regular expression and a new path ($1 …); the first match counts. "
                "uri comes before it.",
            },
            "host": {
                "type": "string",
                "pattern": r"^[0-9a-zA-Z-.]+(:\d{1,5})?$",
                "description": "The Host for the upstream.",
            },
            "headers": {
                "description": "Headers for the upstream; values may hold variables and $1 … of regex_uri.",
                "oneOf": [
                    {
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": False,
                        "properties": {
                            "add": {
                                "type": "object",
                                "minProperties": 1,
                                "patternProperties": {"^[^:]+$": _VALUES},
                                "description": "Added to those that are there.",
                            },
                            "set": {
                                "type": "object",
                                "minProperties": 1,
                                "patternProperties": {"^[^:]+$": _VALUES},
                                "description": "Replace those that are there.",
                            },
                            "remove": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "string", "pattern": "^[^:]+$"},
                                "description": "Names of headers to take out.",
                            },
                        },
                    },
                    {
                        "type": "object",
                        "minProperties": 1,
                        "patternProperties": {"^[^:]+$": _VALUE},
                        "description": "The same as set.",
                    },
                ],
            },
            "use_real_request_uri_unsafe": {
                "type": "boolean",
                "default": False,
                "description": "Work on the path as the client sent it, and send it on unchecked.",
            },
        },
        "minProperties": 1,
    }
    differs = (
        Difference(
            "scheme", "Set scheme on the upstream; APISIX took it out of this plugin with 3.0.", refused=True
        ),
        Difference(
            "use_real_request_uri_unsafe",
            "The path is as sent, but . and .., double slashes and encoded letters are resolved already.",
            refused=False,
        ),
    )
    docs = """\
Changes the request before it goes to the upstream. The client sees none of it.

```json
{"uri": "/api/*",
 "plugins": {"proxy-rewrite": {
   "regex_uri": ["^/api/v1/(.*)", "/$1"],
   "headers": {"set": {"X-Api": "v1/$1", "X-Client": "$remote_addr"}, "remove": ["Cookie"]}}},
 "upstream_id": "1"}
```

- `uri` replaces the whole path; the query string is kept (`?a=1` is appended, with `&` where `uri` has a
  query itself).
- `regex_uri` works on the decoded path. With several pairs the first one that matches counts.
- `headers` without `add`, `set` or `remove` means `set`. The order is add, set, remove.

Good to know:

- Later plugins and the variables `$uri` and `$request_uri` still see what the client sent; `$upstream_uri` is
  the result.
- A path is encoded anew: `%2F` in it becomes `/`. `use_real_request_uri_unsafe` keeps it, and with it
  everything else that a client can write into a path.
- A variable that is not there is empty; give it a default: `${http_x_lang ?? en}`.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        if "scheme" in conf:
            raise Refused(
                'property "scheme" is not part of proxy-rewrite any more: set "scheme" on the upstream'
            )
        pairs = conf.get("regex_uri", [])
        if len(pairs) % 2:
            raise Refused("The length of regex_uri should be an even number")
        for pattern, replacement in zip(pairs[::2], pairs[1::2], strict=True):
            try:
                compile_regex(pattern)
                check_replacement(replacement)
            except Refused as refused:
                raise Refused(f"invalid regex_uri({pattern}, {replacement}): {refused.message}") from None
        headers = conf.get("headers", {})
        if not _is_grouped(headers):
            for name, value in headers.items():
                if not all(0x20 < ord(char) < 0x7F for char in name) or ":" in name:
                    raise Refused("invalid field character in header")
                if isinstance(value, str) and not all(0x20 <= ord(char) < 0x7F for char in value):
                    raise Refused("invalid value character in header")

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """``headers`` becomes ``add`` and ``set``, lists of ``[name, [value, …]]``, and ``remove``."""
        compiled = super().compile(conf)
        headers = compiled.pop("headers", {})
        if not _is_grouped(headers):
            headers = {"set": headers}
        for operation in ("add", "set"):
            if headers.get(operation):
                compiled[operation] = [
                    [name, [_text(item) for item in (value if isinstance(value, list) else [value])]]
                    for name, value in sorted(headers[operation].items())
                ]
        if "remove" in headers:
            compiled["remove"] = headers["remove"]
        if "regex_uri" in compiled:
            pairs = compiled["regex_uri"]
            compiled["regex_uri"] = [
                [compile_regex(pattern), replacement]
                for pattern, replacement in zip(pairs[::2], pairs[1::2], strict=True)
            ]
        return compiled

    def sets_host(self, conf: Mapping[str, JSON]) -> bool:
        headers = conf.get("headers", {})
        replaced = headers.get("set", {}) if _is_grouped(headers) else headers
        return "host" in conf or any(name.lower() == "host" for name in replaced)


def _is_grouped(headers: Mapping[str, JSON]) -> bool:
    return any(isinstance(headers.get(name), dict | list) for name in ("add", "set", "remove"))


def _text(value: JSON) -> str:
    """A number as Lua writes it: 1.0 is "1"."""
    return value if isinstance(value, str) else f"{value:.14g}"
