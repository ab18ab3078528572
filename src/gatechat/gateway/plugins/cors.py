"""cors: lets browsers call from other origins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Plugin
from gatechat.gateway.regex import compile_regex

_ORIGINS = r"^(\*|\*\*|null|\w+://[^,]+(,\w+://[^,]+)*)$"
_NAMES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 4096},
    "minItems": 1,
    "uniqueItems": True,
}
_NOT_WITH_CREDENTIALS = (
    "allow_origins",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "timing_allow_origins",
)
_REGEXES = ("allow_origins_by_regex", "timing_allow_origins_by_regex")


class Cors(Plugin):
    name = "cors"
    priority = 4000
    phases = ("rewrite", "header_filter")
    schema = {
        "type": "object",
        "properties": {
            "allow_origins": {
                "type": "string",
                "pattern": _ORIGINS,
                "default": "*",
                "description": "Origins that may call, by commas; * is any, ** any with credentials.",
            },
            "allow_methods": {
                "type": "string",
                "default": "*",
                "description": "Methods that they may use, separated by commas; *, or ** for a list of all.",
            },
            "allow_headers": {
                "type": "string",
                "default": "*",
                "description": "Headers that they may send; *, or ** for those that the browser asks for.",
            },
            "expose_headers": {"type": "string", "description": "Response headers that scripts may read."},
            "max_age": {
                "type": "integer",
                "default": 5,
                "description": "Seconds that a browser may keep the answer to a preflight; -1: not at all.",
            },
            "allow_credential": {
                "type": "boolean",
                "default": False,
                "description": "Allow cookies and authorization; then no other field may be *.",
            },
            "allow_origins_by_regex": {
                **_NAMES,
                "description": "Origins that match one of these regular expressions; replaces allow_origins.",
            },
            "allow_origins_by_metadata": {
                **_NAMES,
                "description": "Names of origins in the plugin's metadata.",
            },
            "timing_allow_origins": {
                "type": "string",
                "pattern": _ORIGINS,
                "description": "Origins that may see timings (Timing-Allow-Origin).",
            },
            "timing_allow_origins_by_regex": {
                **_NAMES,
                "description": "The same by regular expressions; replaces timing_allow_origins.",
            },
        },
    }
    metadata_schema = {
        "type": "object",
        "properties": {
            "allow_origins": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": _ORIGINS},
                "description": "Name to origins, as in allow_origins; routes refer to the names.",
            }
        },
    }
    docs = """\
Answers preflight requests (OPTIONS) and puts the CORS headers on responses, so that scripts of other sites
may call.

```json
{"uri": "/speaker/*", "plugins": {"cors": {"allow_origins": "https://app.example.com,https://chatgpt.com"}},
 "upstream_id": "1"}
```

An origin that is not allowed gets its answer without CORS headers: the browser then keeps it from the script.

Origins for many routes stand in the plugin's metadata, under names:

```json
PUT /apisix/admin/plugin_metadata/cors
{"allow_origins": {"partners": "https://a.example.com,https://b.example.com"}}

{"uri": "/api/*", "plugins": {"cors": {"allow_origins": "null", "allow_origins_by_metadata": ["partners"]}},
 "upstream_id": "1"}
```

Good to know:

- Every OPTIONS request to the route is answered with 200 and does not reach the upstream, nor an auth plugin.
- `**` with `allow_credential` lets any site call with the user's cookies. Name the origins instead.
- Anchor regular expressions (`^https://.*\\.example\\.com$`): without anchors `https://example.com.evil.net`
  matches.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        filled = super().compile(conf)
        if filled["allow_credential"] and any(filled.get(field) == "*" for field in _NOT_WITH_CREDENTIALS):
            raise Refused("you can not set '*' for other option when 'allow_credential' is true")
        for field in _REGEXES:
            for pattern in filled.get(field, ()):
                compile_regex(pattern)

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        compiled = super().compile(conf)
        for field in _REGEXES:
            if field in compiled:
                compiled[field] = compile_regex("|".join(compiled[field]))
        return compiled
