"""redirect: answers with another address."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Difference, Plugin
from gatechat.gateway.regex import check_replacement, compile_regex

_SEGMENT = re.compile(r"(\\\$[0-9a-zA-Z_]+)|\$\{([0-9a-zA-Z_]+)\}|\$([0-9a-zA-Z_]+)|(\$|[^$\\]+)")
HTTPS_URI = "https://$host$request_uri"


class Redirect(Plugin):
    name = "redirect"
    priority = 900
    phases = ("rewrite",)
    schema = {
        "type": "object",
        "properties": {
            "ret_code": {
                "type": "integer",
                "minimum": 200,
                "default": 302,
                "description": "The status of the answer.",
            },
            "uri": {
                "type": "string",
                "minLength": 2,
                "description": "The new address; $name and ${name} are variables, \\$name stands for itself.",
            },
            "regex_uri": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
                "description": "A regular expression for the path, and the new address with $1, $2 …",
            },
            "http_to_https": {
                "type": "boolean",
                "description": "Send http requests to https: 301 for GET and HEAD, else 308.",
            },
            "encode_uri": {
                "type": "boolean",
                "default": False,
                "description": "Percent-encode the path of the new address.",
            },
            "append_query_string": {
                "type": "boolean",
                "default": False,
                "description": "Append the request's query string to the new address.",
            },
        },
        "oneOf": [{"required": ["uri"]}, {"required": ["regex_uri"]}, {"required": ["http_to_https"]}],
    }
    differs = (
        Difference(
            "http_to_https", "The address has no port: plugin_attr.redirect.https_port is not there.", False
        ),
        Difference("(body)", "The answer has no HTML page.", False),
    )
    docs = """\
Answers with a redirect instead of asking the upstream. Give one of `uri`, `regex_uri` and `http_to_https`.

```json
{"uri": "/talks/*", "plugins": {"redirect": {"regex_uri": ["^/talks/(.*)", "/sessions/$1"], "ret_code": 301}}}
```

| `uri` | GET /speaker/1?lang=en is sent to |
|---|---|
| `/new$uri` | `/new/speaker/1` |
| `https://$host$request_uri` | `https://conf.example/speaker/1?lang=en` |
| `/find?lang=${arg_lang}` | `/find?lang=en` |

Good to know:

- A path that `regex_uri` does not match goes to the upstream.
- Behind a trusted proxy that ends TLS, `http_to_https` believes its `X-Forwarded-Proto`.
- Variables that are not there are empty.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        if "uri" in conf and not _SEGMENT.search(conf["uri"]):
            raise Refused('property "uri" validation failed: it holds nothing to send clients to')
        if "regex_uri" in conf:
            pattern, replacement = conf["regex_uri"]
            try:
                compile_regex(pattern)
                check_replacement(replacement)
            except Refused as refused:
                raise Refused(
                    f"invalid regex_uri ({pattern}, {replacement}), err:{refused.message}"
                ) from None
        if conf.get("http_to_https") and conf.get("append_query_string"):
            raise Refused("only one of `http_to_https` and `append_query_string` can be configured.")

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """``uri`` and ``https`` as lists of texts and ``{"v": variable}``, ``regex_uri`` with its tree."""
        compiled = super().compile(conf)
        if "uri" in conf:
            compiled["uri"] = segments(conf["uri"])
        if "regex_uri" in conf:
            pattern, replacement = conf["regex_uri"]
            compiled["regex_uri"] = [compile_regex(pattern), replacement]
        if conf.get("http_to_https"):
            compiled["https"] = segments(HTTPS_URI)
        return compiled


def segments(uri: str) -> list[str | dict[str, str]]:
    r"""``/a$uri`` as ``["/a", {"v": "uri"}]``. A backslash before anything but a variable is dropped."""
    parts: list[str | dict[str, str]] = []
    for literal, braced, plain, other in _SEGMENT.findall(uri):
        parts.append({"v": braced or plain} if braced or plain else literal or other)
    return parts
