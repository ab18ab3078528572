"""response-rewrite: another status, body or headers for the client."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Difference, Plugin, variables
from gatechat.gateway.plugins.vars import compile_vars
from gatechat.gateway.regex import check_replacement, compile_regex

_VALUES: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "patternProperties": {"^[^:]+$": {"oneOf": [{"type": "string"}, {"type": "number"}]}},
}
_ADDED = re.compile(r"^([^:\s]+)\s*:\s*([^:]+)$")


class ResponseRewrite(Plugin):
    name = "response-rewrite"
    priority = 899
    phases = ("rewrite", "header_filter", "body_filter")
    schema = {
        "type": "object",
        "properties": {
            "max_resp_body_size": {
                "type": "integer",
                "minimum": 1,
                "default": 67108864,
                "description": "Bytes of a response that filters look at; what is longer is cut off.",
            },
            "headers": {
                "description": "New headers; values may hold variables.",
                "anyOf": [
                    {**_VALUES, "description": "The same as set."},
                    {
                        "type": "object",
                        "properties": {
                            "add": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "string", "pattern": "^[^:]+:[^:]*[^/]$"},
                                "description": 'Lines "Name: value", added to those that are there.',
                            },
                            "set": {**_VALUES, "description": "Replace those that are there."},
                            "remove": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "string", "pattern": "^[^:]+$"},
                                "description": "Names of headers to take out.",
                            },
                        },
                    },
                ],
            },
            "body": {"type": "string", "description": "The new body."},
            "body_base64": {"type": "boolean", "default": False, "description": "body is base64."},
            "status_code": {
                "type": "integer",
                "minimum": 200,
                "maximum": 598,
                "description": "The new status.",
            },
            "vars": {"type": "array", "description": "A condition, also over $status; without one: always."},
            "filters": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["regex", "replace"],
                    "properties": {
                        "regex": {
                            "type": "string",
                            "minLength": 1,
                            "description": "What to replace in the body.",
                        },
                        "scope": {
                            "type": "string",
                            "enum": ["once", "global"],
                            "default": "once",
                            "description": "The first match or all.",
                        },
                        "replace": {"type": "string", "description": "The new text, with $1, $2 …"},
                        "options": {
                            "type": "string",
                            "default": "jo",
                            "description": "Of i, m, s, x (as in PCRE); j, o and a d do nothing here.",
                        },
                    },
                },
                "description": "Replacements in the body, one after the other.",
            },
        },
        "dependencies": {
            "body": {"not": {"required": ["filters"]}},
            "filters": {"not": {"required": ["body"]}},
        },
    }
    differs = (
        Difference(
            "filters",
            "The upstream is asked not to compress (no Accept-Encoding), instead of decoding its response. "
            "One that is compressed nevertheless goes through as it is.",
            refused=False,
        ),
        Difference(
            "$upstream_addr, $balancer_ip, $balancer_port",
            "Known for a response of an upstream's only, to this plugin on a route, a service or in a "
            "plugin_config or global rule; $upstream_addr is the last node tried, not all of them.",
            refused=False,
        ),
        Difference("filters.options", "Other letters than i, j, m, o, s and x.", refused=True),
        Difference(
            "filters, body",
            "A response of more than 1 MiB cannot be held; the answer then is a 500.",
            refused=False,
        ),
    )
    docs = """\
Changes what the client gets: status, headers, body, or texts in the body.

```json
{"uri": "/speaker/*",
 "plugins": {"response-rewrite": {
   "vars": [["status", "==", 503]],
   "status_code": 200,
   "headers": {"set": {"X-Fallback": "$route_id", "Content-Type": "application/json"}, "remove": ["Server"]},
   "body": "[]"}},
 "upstream_id": "1"}
```

Replacing texts:

```json
{"filters": [{"regex": "http://internal\\\\.example", "replace": "https://example.com", "scope": "global"}]}
```

- `headers` without `add`, `set` or `remove` means `set`. The order is add, set, remove.
- `body` and `filters` exclude each other; both take Content-Length, Content-Encoding, Last-Modified and ETag
  away.

Good to know:

- `filters` and `body` hold the whole response of the upstream, which may have 1 MiB; they are not for streams
  and downloads.
- Answers of other plugins (a 401 of key-auth) are rewritten too.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        headers = conf.get("headers", {})
        if not _is_grouped(headers):
            for name, value in headers.items():
                if isinstance(value, bool) or not isinstance(value, str | int | float):
                    raise Refused("invalid type as header value")
                if not name:
                    raise Refused("invalid field length in header")
        if conf.get("body_base64"):
            _decoded(conf.get("body", ""))
        if "vars" in conf:
            try:
                compile_vars(conf["vars"])
            except Refused as refused:
                raise Refused(f"failed to validate the 'vars' expression: {refused.message}") from None
        for one in conf.get("filters", ()):
            try:
                _tree(one["regex"], one.get("options", "jo"))
                check_replacement(one["replace"])
            except Refused as refused:
                raise Refused(f'regex "{one["regex"]}" validation failed: {refused.message}') from None

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """``add`` and ``set`` as lists of ``[name, value]``, ``base64`` for such a body, trees."""
        compiled = super().compile(conf)
        headers = compiled.pop("headers", {})
        if not _is_grouped(headers):
            headers = {"set": headers}
        added = [found.groups() for line in headers.get("add", ()) if (found := _ADDED.match(line))]
        replaced = sorted((name, _text(value)) for name, value in headers.get("set", {}).items())
        if added:
            compiled["add"] = [list(pair) for pair in added]
        if replaced:
            compiled["set"] = [list(pair) for pair in replaced]
        if "remove" in headers:
            compiled["remove"] = headers["remove"]
        if "vars" in compiled:
            compiled["vars"] = compile_vars(compiled["vars"])
        if compiled.pop("body_base64"):
            compiled["base64"] = base64.b64encode(_decoded(compiled.pop("body"))).decode()
        if "filters" in compiled:
            compiled["filters"] = [
                {**one, "regex": _tree(one["regex"], one["options"])} for one in compiled["filters"]
            ]
        compiled["_vars"] = _names(value for _, value in [*added, *replaced])
        return compiled

    def phases_of(self, conf: Mapping[str, JSON]) -> tuple[str, ...]:
        return self.phases if "filters" in conf else ("header_filter",)


def _is_grouped(headers: Mapping[str, JSON]) -> bool:
    return any(isinstance(headers.get(name), dict | list) for name in ("add", "set", "remove"))


def _names(templates: Iterable[str]) -> list[str]:
    return sorted({name for template in templates for name in variables(template)})


def _decoded(body: str) -> bytes:
    try:
        decoded = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise Refused("invalid base64 content")
    return decoded


def _tree(pattern: str, options: str) -> JSON:
    unknown = sorted(set(options) - set("ijmosx"))
    if unknown:
        raise Refused(f"the option {unknown[0]!r} is not supported; known are i, j, m, o, s and x")
    flags = "".join(sorted(set(options) & set("msx")))
    return compile_regex(f"(?{flags}){pattern}" if flags else pattern, ignore_case="i" in options)


def _text(value: JSON) -> str:
    """A number as Lua writes it: 1.0 is "1"."""
    return value if isinstance(value, str) else f"{value:.14g}"
