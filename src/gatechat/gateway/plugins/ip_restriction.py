"""ip-restriction: who may call, by network address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Plugin

_NETWORKS: dict[str, Any] = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}


class IpRestriction(Plugin):
    name = "ip-restriction"
    priority = 3000
    phases = ("access",)
    schema = {
        "type": "object",
        "properties": {
            "whitelist": {**_NETWORKS, "description": "Only these addresses and networks may call."},
            "blacklist": {**_NETWORKS, "description": "These may not."},
            "message": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "default": "Your IP address is not allowed",
                "description": "The message of the refusal.",
            },
            "response_code": {
                "type": "integer",
                "minimum": 403,
                "maximum": 404,
                "default": 403,
                "description": "The status of the refusal.",
            },
        },
        "oneOf": [{"required": ["whitelist"]}, {"required": ["blacklist"]}],
    }
    docs = """\
Lets requests through, or keeps them out, by the address they come from: single addresses and networks, IPv4
and IPv6.

```json
{"uri": "/admin/*", "plugins": {"ip-restriction": {"whitelist": ["10.0.0.0/8", "::1"]}}, "upstream_id": "1"}
```

Give either `whitelist` or `blacklist`. Who is refused gets a 403
`{"message":"Your IP address is not allowed"}`.

Good to know:

- The address is that of the connection. Behind another proxy it is that proxy's, but that a proxy on this
  machine (127.0.0.1) is believed what its `X-Real-IP` says.
- An IPv4 client on an IPv6 socket (`::ffff:10.0.0.1`) counts as IPv4.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        for text in [*conf.get("whitelist", ()), *conf.get("blacklist", ())]:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise Refused(f"invalid ip address: {text}") from None
