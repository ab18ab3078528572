"""request-id: a unique id for every request, for the upstream and for the client."""

from __future__ import annotations

from collections.abc import Mapping

from gatechat.gateway.model import JSON
from gatechat.gateway.plugin import Plugin

_RANGE = {"length": 16, "char_set": "abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789"}


class RequestId(Plugin):
    name = "request-id"
    priority = 12015
    phases = ("rewrite", "header_filter")
    schema = {
        "type": "object",
        "properties": {
            "header_name": {
                "type": "string",
                "default": "X-Request-Id",
                "description": "The header of the id. An id that the client sends under it is kept.",
            },
            "include_in_response": {
                "type": "boolean",
                "default": True,
                "description": "Send the id to the client too.",
            },
            "algorithm": {
                "type": "string",
                "enum": ["uuid", "nanoid", "range_id", "ksuid", "uuidv7"],
                "default": "uuid",
                "description": "How the id is made.",
            },
            "range_id": {
                "type": "object",
                "properties": {
                    "length": {"type": "integer", "minimum": 6, "default": _RANGE["length"]},
                    "char_set": {"type": "string", "minLength": 6, "default": _RANGE["char_set"]},
                },
                "default": _RANGE,
                "description": "Length and characters of the algorithm range_id.",
            },
        },
    }
    docs = """\
Gives every request an id, in a header for the upstream and, unless told otherwise, for the client.

```json
{"uri": "/speaker/*", "plugins": {"request-id": {"algorithm": "ksuid"}}, "upstream_id": "1"}
```

| algorithm | looks like |
|---|---|
| `uuid` | `2d0b4b6c-9a47-4b8e-8e0a-7f5a3f5f0a51` (version 4) |
| `uuidv7` | the same form, in the order of time |
| `nanoid` | `V1StGXR8_Z5jdHi6B-myT` |
| `ksuid` | `0ujtsYcgvSTl8PAuAdqWYSMnLOv`, in the order of time |
| `range_id` | `range_id.length` characters out of `range_id.char_set` |

Good to know:

- An id that the client or a proxy before the gateway sends is kept, and so is one in the upstream's response.
- Several plugins can read it as the variable `$http_x_request_id`.
"""

    def phases_of(self, conf: Mapping[str, JSON]) -> tuple[str, ...]:
        return self.phases if conf.get("include_in_response", True) else ("rewrite",)
