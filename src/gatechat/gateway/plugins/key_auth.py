"""key-auth: a request must carry the key of a consumer."""

from __future__ import annotations

from gatechat.gateway.plugin import Difference, Plugin


class KeyAuth(Plugin):
    name = "key-auth"
    priority = 2500
    phases = ("rewrite",)
    auth = True
    consumer_key = "key"
    encrypt_fields = ("key",)
    schema = {
        "type": "object",
        "properties": {
            "header": {
                "type": "string",
                "default": "apikey",
                "description": "The header that carries the key.",
            },
            "query": {
                "type": "string",
                "default": "apikey",
                "description": "The query argument that carries it when the header is not there.",
            },
            "realm": {
                "type": "string",
                "pattern": "^[\x20-\x21\x23-\x5b\\]-\x7e]+$",
                "default": "key",
                "minLength": 1,
                "maxLength": 128,
                "description": "The realm in the WWW-Authenticate header of a 401.",
            },
            "hide_credentials": {
                "type": "boolean",
                "default": False,
                "description": "Take the key out of the request before it goes upstream.",
            },
            "anonymous_consumer": {
                "type": "string",
                "minLength": 1,
                "description": "The consumer that requests without a right key count as, instead of a 401.",
            },
        },
    }
    consumer_schema = {
        "type": "object",
        "properties": {
            "key": {"type": "string", "description": "Unique among all consumers and credentials."},
        },
        "required": ["key"],
    }
    differs = (
        Difference(
            "_meta", "On consumers and credentials, where APISIX takes it to no effect.", refused=True
        ),
    )
    docs = """\
Lets a request through only with the key of a consumer. The upstream learns who it was:
`X-Consumer-Username`, `X-Credential-Identifier` (the credential's id, when the key is a credential's) and
`X-Consumer-Custom-Id` (the consumer's label `custom_id`). What a client sends under these names is removed.

A consumer with a key, as a credential of its own so that it can be exchanged without touching the consumer:

```json
PUT /apisix/admin/consumers
{"username": "jack"}

PUT /apisix/admin/consumers/jack/credentials/laptop
{"plugins": {"key-auth": {"key": "$env://JACKS_KEY"}}}
```

A route that asks for it:

```json
{"uri": "/speaker/*", "plugins": {"key-auth": {}}, "upstream_id": "conference"}
```

Without a key the answer is 401 `{"message":"Missing API key in request"}`, with a wrong one
`{"message":"Invalid API key in request"}`.

Good to know:

- A key in the query ends up in logs and browser histories; prefer the header, and set `hide_credentials`.
- With `anonymous_consumer` no request is refused; give that consumer a `limit-count`.
- Plugins of the consumer, and of its consumer group, replace the route's of the same name.
"""
