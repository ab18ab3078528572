"""limit-count: at most so many requests in a time window."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from gatechat.gateway.model import JSON, Refused, State
from gatechat.gateway.plugin import Difference, Plugin, variables, with_defaults
from gatechat.gateway.plugins.vars import refuse_unknown_variable

_NUMBER: dict[str, Any] = {"oneOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "string"}]}
_HEADERS = {
    "limit_header": "X-RateLimit-Limit",
    "remaining_header": "X-RateLimit-Remaining",
    "reset_header": "X-RateLimit-Reset",
}


class LimitCount(Plugin):
    name = "limit-count"
    priority = 1002
    version = 0.5
    phases = ("access", "header_filter")
    counts = True
    encrypt_fields = ("redis_password", "sentinel_password")
    schema = {
        "type": "object",
        "properties": {
            "count": {**_NUMBER, "description": "Requests in a window; a text may hold variables."},
            "time_window": {
                **_NUMBER,
                "description": "Length of the window in seconds; a text may hold variables.",
            },
            "window_type": {
                "type": "string",
                "enum": ["fixed", "sliding"],
                "default": "fixed",
                "description": "fixed: begins with its first request; sliding: the last time_window seconds.",
            },
            "rules": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "count": {**_NUMBER, "description": "As count."},
                        "time_window": {**_NUMBER, "description": "As time_window."},
                        "key": {
                            "type": "string",
                            "description": "Variables; without any value the rule does not apply.",
                        },
                        "header_prefix": {
                            "type": "string",
                            "description": "X-PREFIX-RateLimit-Limit and so on; default: the rule's number.",
                        },
                    },
                    "required": ["count", "time_window", "key"],
                },
                "description": "Several limits at once, instead of count and time_window.",
            },
            "group": {
                "type": "string",
                "description": "Plugins of one group count together; their configurations must be the same.",
            },
            "key": {
                "type": "string",
                "default": "remote_addr",
                "description": "What is counted by. A key without a value: by the client's address.",
            },
            "key_type": {
                "type": "string",
                "enum": ["var", "var_combination", "constant"],
                "default": "var",
                "description": "How key is read: a variable's name, a text with variables, or as it is.",
            },
            "rejected_code": {
                "type": "integer",
                "minimum": 200,
                "maximum": 599,
                "default": 503,
                "description": "The status of a refusal; 429 is what clients understand.",
            },
            "rejected_msg": {"type": "string", "minLength": 1, "description": "The error_msg of a refusal."},
            "policy": {
                "type": "string",
                "enum": ["local", "redis", "redis-cluster", "redis-sentinel"],
                "default": "local",
                "description": "Where the counters are. This gateway has local.",
            },
            "allow_degradation": {
                "type": "boolean",
                "default": False,
                "description": "Let requests through when counting fails, instead of a 500.",
            },
            "show_limit_quota_header": {
                "type": "boolean",
                "default": True,
                "description": "Send X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset.",
            },
            "sync_interval": {"type": "number", "default": -1, "description": "Only for redis."},
        },
        "oneOf": [{"required": ["count", "time_window"]}, {"required": ["rules"]}],
    }
    metadata_schema = {
        "type": "object",
        "properties": {
            field: {"type": "string", "default": default, "description": f"The name of the header {default}."}
            for field, default in _HEADERS.items()
        },
    }
    differs = (
        Difference(
            "policy", "redis, redis-cluster and redis-sentinel: this gateway is one machine.", refused=True
        ),
        Difference("sync_interval", "It is for redis.", refused=True),
        Difference("key", "Variables that Envoy does not know, as for conditions.", refused=True),
        Difference(
            "rejected_msg", "Without it the answer has no body; APISIX's has a page of nginx's.", False
        ),
        Difference("(counters)", "They outlive a restart of the gateway, but not one of the machine.", False),
    )
    docs = """\
Lets `count` requests through in `time_window` seconds, and refuses the rest until the window is over. Exact
for all worker threads together.

```json
{"uri": "/speaker/*",
 "plugins": {"limit-count": {"count": 10, "time_window": 60, "rejected_code": 429, "rejected_msg": "slowly"}},
 "upstream_id": "1"}
```

Every answer says where the client stands: `X-RateLimit-Limit: 10`, `X-RateLimit-Remaining: 7`,
`X-RateLimit-Reset: 41.5` (seconds). Other names for these headers stand in the plugin's metadata
(`limit_header`, `remaining_header`, `reset_header`).

| counted by | `key_type` | `key` |
|---|---|---|
| client address | | |
| consumer | `var` | `consumer_name` |
| address and a header | `var_combination` | `$remote_addr $http_x_tenant` |
| all together | `constant` | `all` |

On a consumer or consumer group the limit is that consumer's or group's own; on a service all its routes
count together.

Several limits at once:

```json
{"rules": [{"key": "${remote_addr}_s", "count": 5, "time_window": 1},
           {"key": "${remote_addr}_h", "count": 1000, "time_window": 3600}]}
```

Good to know:

- The default `rejected_code` is 503, as in APISIX; 429 tells clients what happened.
- A changed configuration begins to count anew, the same one put again does not. With `group`, change its name
  along with the configuration.
- A header as a key is the client's choice: who changes it is counted anew.
- There is room for 131,072 counters; then the one that would end first makes room.
"""

    def check(self, conf: Mapping[str, JSON]) -> None:
        if conf.get("policy", "local") != "local":
            raise Refused(
                f"policy {conf['policy']} is not there: counters are kept on this machine; use local"
            )
        if conf.get("sync_interval", -1) != -1:
            raise Refused("sync_interval is for redis, which this gateway does not use; leave it out")
        if "rules" in conf and ("count" in conf or "time_window" in conf):
            raise Refused("count/time_window and rules cannot be specified at the same time")
        if "rules" in conf and "group" in conf:
            raise Refused("group and rules cannot be specified at the same time")
        for name in _counted_by(conf):
            refuse_unknown_variable(name)
        keys = set()
        for rule in conf.get("rules", ()):
            if rule["key"] in keys:
                raise Refused(f"duplicate key '{rule['key']}' in rules")
            keys.add(rule["key"])

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """With ``version``: counters of another configuration are other counters."""
        compiled = super().compile(conf)
        compiled["version"] = zlib.crc32(json.dumps(compiled, sort_keys=True).encode())
        return compiled

    def phases_of(self, conf: Mapping[str, JSON]) -> tuple[str, ...]:
        return self.phases if conf.get("show_limit_quota_header", True) else ("access",)


def _counted_by(conf: Mapping[str, JSON]) -> list[str]:
    """The names of the variables in the keys."""
    if "rules" in conf:
        return [name for rule in conf["rules"] for name in variables(rule["key"])]
    key, kind = conf.get("key", "remote_addr"), conf.get("key_type", "var")
    return [key] if kind == "var" else variables(key) if kind == "var_combination" else []


def check_groups(state: State, plugins: Mapping[str, JSON]) -> None:
    """Refuse a limit-count whose group is stored with another configuration, be it in the same resource."""
    conf = plugins.get(LimitCount.name)
    if not isinstance(conf, dict) or "group" not in conf:
        return
    for kind, resources in state.kinds.items():
        for resource in resources.values():
            other = resource.value.get("plugins", {}).get(LimitCount.name)
            if other and other.get("group") == conf["group"] and _counting(other) != _counting(conf):
                raise Refused(
                    f"failed to check the configuration of plugin {LimitCount.name} err: "
                    f"group conf mismatched: {kind}/{resource.id} has another one; name a new group"
                )


def _counting(conf: Mapping[str, JSON]) -> JSON:
    return with_defaults(LimitCount.schema, {name: value for name, value in conf.items() if name != "_meta"})
