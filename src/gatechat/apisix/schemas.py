"""The JSON Schemas (draft 7) of every resource kind, with the constraints of APISIX 3.18's schema_def.lua.

What validates a resource is what ``/apisix/admin/schema/{kind}`` serves and what documents it, so a
constraint is written here and nowhere else. ``default`` documents what the gateway does without the field;
nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, **more}


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _integer(minimum: int | None = None, maximum: int | None = None, **more: Any) -> Schema:
    bounds = {"minimum": minimum, "maximum": maximum}
    return {"type": "integer", **{k: v for k, v in bounds.items() if v is not None}, **more}


def _text(shortest: int | None = None, longest: int | None = None, **more: Any) -> Schema:
    bounds = {"minLength": shortest, "maxLength": longest}
    return {"type": "string", **{k: v for k, v in bounds.items() if v is not None}, **more}


def _required(*names: str) -> Schema:
    return {"required": list(names)}


ID: Final[Schema] = {"anyOf": [_text(1, 64, pattern="^[a-zA-Z0-9_.-]+$"), _integer(1)]}
HOST_PATTERN: Final = r"^\*$|^\*?[0-9a-zA-Z_.\[\]:-]+$"
HOST: Final = _text(pattern=HOST_PATTERN)

_OCTET = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_IPV4 = r"\.".join([_OCTET] * 4)
# As in APISIX, more than valid IPv6 passes here (":/8" as well as "::/8"): the exact form is checked in use.
_IPV6 = "([a-fA-F0-9]{0,4}:){1,8}(:[a-fA-F0-9]{0,4}){0,8}([a-fA-F0-9]{0,4})?"
IP: Final[list[Schema]] = [
    {"title": "IPv4", **_text(format="ipv4")},
    {"title": "IPv4/CIDR", **_text(pattern=f"^{_IPV4}/([12]?[0-9]|3[0-2])$")},
    {"title": "IPv6", **_text(format="ipv6")},
    {"title": "IPv6/CIDR", **_text(pattern=f"^{_IPV6}/[0-9]{{1,3}}$")},
]
_CLIENT_ADDRESS: Schema = {"description": "client IP", "type": "string", "anyOf": IP}
_URL = _text(pattern=r"^[^/]+://([\da-zA-Z.-]+|\[[\da-fA-F:]+\])(:\d+)?")

_NAME = _text(1, 256)
_DESC = _text(longest=256)
_LABELS: Schema = {
    "description": "key/value pairs to specify attributes",
    "type": "object",
    "patternProperties": {".*": {"description": "value of label", **_text(1, 256, pattern=r"^\S+$")}},
}
_TIMESTAMP = _integer()
_TIMES: Schema = {"create_time": _TIMESTAMP, "update_time": _TIMESTAMP}
_META: Schema = {"id": ID, "name": _NAME, "desc": _DESC, "labels": _LABELS, **_TIMES}

_PLUGINS: Schema = {"type": "object"}
_WEBSOCKET: Schema = {"description": "enable websocket for request", "type": "boolean"}
_SCRIPT = _text(10, 102400)
_PORT = _integer(1, 65535)
METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"]
_METHOD: Schema = {"description": "HTTP method", "type": "string", "enum": METHODS}

_SECONDS: Schema = {"type": "number", "exclusiveMinimum": 0}
_TIMEOUT = _object(
    {"connect": _SECONDS, "send": _SECONDS, "read": _SECONDS}, **_required("connect", "send", "read")
)


def _statuses(*default: int) -> Schema:
    return _array(_integer(200, 599), minItems=1, uniqueItems=True, default=list(default))


_CHECK_TYPE = _text(enum=["http", "https", "tcp"], default="http")
_ACTIVE = _object(
    {
        "type": _CHECK_TYPE,
        "timeout": {"type": "number", "default": 1},
        "concurrency": _integer(default=10),
        "host": HOST,
        "port": _PORT,
        "http_method": _text(enum=METHODS, default="GET"),
        "http_path": _text(default="/"),
        "http_req_body": _text(default=""),
        "https_verify_certificate": {"type": "boolean", "default": True},
        "healthy": _object(
            {
                "interval": _integer(1, default=1),
                "http_statuses": _statuses(200, 302),
                "successes": _integer(1, 254, default=2),
            }
        ),
        "unhealthy": _object(
            {
                "interval": _integer(1, default=1),
                "http_statuses": _statuses(429, 404, 500, 501, 502, 503, 504, 505),
                "http_failures": _integer(1, 254, default=5),
                "tcp_failures": _integer(1, 254, default=2),
                "timeouts": _integer(1, 254, default=3),
            }
        ),
        "req_headers": _array(_text(uniqueItems=True), minItems=1),
    }
)
_PASSIVE = _object(
    {
        "type": _CHECK_TYPE,
        "healthy": _object(
            {
                "http_statuses": _statuses(*range(200, 209), 226, *range(300, 309)),
                "successes": _integer(0, 254, default=5),
            }
        ),
        "unhealthy": _object(
            {
                "http_statuses": _statuses(429, 500, 503),
                "tcp_failures": _integer(0, 254, default=2),
                "timeouts": _integer(0, 254, default=7),
                "http_failures": _integer(0, 254, default=5),
            }
        ),
    }
)
_CHECKS = _object(
    {"active": _ACTIVE, "passive": _PASSIVE},
    anyOf=[_required("active"), _required("active", "passive")],
)

_WEIGHT = _integer(0, description="weight of node")
_NODES: Schema = {
    "anyOf": [
        {"type": "object", "patternProperties": {".*": _WEIGHT}},
        _array(
            _object(
                {
                    "host": HOST,
                    "port": {**_PORT, "description": "port of node"},
                    "weight": _WEIGHT,
                    "priority": _integer(description="priority of node", default=0),
                    "metadata": {"description": "metadata of node", "type": "object"},
                },
                **_required("host", "weight"),
            )
        ),
    ]
}

_CERTIFICATE = _text(128, 64 * 1024)
_PRIVATE_KEY = _text(64, 64 * 1024)

UPSTREAM: Final = _object(
    {
        **_META,
        "nodes": _NODES,
        "retries": _integer(0),
        "retry_timeout": {"type": "number", "minimum": 0},
        "timeout": _TIMEOUT,
        "tls": _object(
            {
                "client_cert_id": ID,
                "client_cert": _CERTIFICATE,
                "client_key": _PRIVATE_KEY,
                "verify": {
                    "type": "boolean",
                    "description": "verify the certificate that the upstream shows",
                    "default": False,
                },
            },
            dependencies={
                "client_cert": _required("client_key"),
                "client_key": _required("client_cert"),
                "client_cert_id": {"not": _required("client_cert", "client_key")},
            },
        ),
        "keepalive_pool": _object(
            {
                "size": _integer(1, default=320),
                "idle_timeout": {"type": "number", "default": 60, "minimum": 0},
                "requests": _integer(1, default=1000),
            }
        ),
        "type": _text(description="algorithms of load balancing", default="roundrobin"),
        "checks": _CHECKS,
        "hash_on": _text(default="vars", enum=["vars", "header", "cookie", "consumer", "vars_combinations"]),
        "key": _text(description="the key of chash for dynamic load balancing"),
        "scheme": {
            "default": "http",
            "enum": ["grpc", "grpcs", "http", "https", "tcp", "tls", "udp", "kafka"],
            "description": "the protocol spoken to the nodes: grpc, grpcs, http or https for a Route; "
            "tcp, tls or udp for a stream route; kafka for the kafka-proxy plugin",
        },
        "discovery_type": _text(description="discovery type"),
        "discovery_args": _object(
            {
                "namespace_id": _text(description="namespace id"),
                "group_name": _text(description="group name"),
            }
        ),
        "pass_host": _text(
            description="which Host the upstream is sent", enum=["pass", "node", "rewrite"], default="pass"
        ),
        "upstream_host": HOST,
        "service_name": _NAME,
    },
    oneOf=[_required("nodes"), _required("service_name", "discovery_type")],
    additionalProperties=False,
)

CHASH_KEYS: Final[Mapping[str, Schema]] = {
    "vars": _text(
        pattern="^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname"
        "|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$"
    ),
    "header": _text(pattern="^[a-zA-Z0-9_-]+$"),
    "cookie": _text(pattern="^[a-zA-Z0-9_-]+$"),
    "vars_combinations": _text(),
}
"""What ``upstream.key`` may be for each ``hash_on``; a consumer needs no key."""


def _one_or_many(one: str, many: str) -> Schema:
    """Neither, or exactly one of the two."""
    neither = {"not": {"anyOf": [_required(one), _required(many)]}}
    return {"oneOf": [neither, _required(one), _required(many)]}


ROUTE: Final = _object(
    {
        **_META,
        "uri": _text(1, 4096),
        "uris": _array(_text(description="HTTP uri"), minItems=1, uniqueItems=True),
        "priority": _integer(default=0),
        "methods": _array(_METHOD, uniqueItems=True),
        "host": HOST,
        "hosts": _array(HOST, minItems=1, uniqueItems=True),
        "remote_addr": _CLIENT_ADDRESS,
        "remote_addrs": _array(_CLIENT_ADDRESS, minItems=1, uniqueItems=True),
        "timeout": _TIMEOUT,
        "vars": {"type": "array"},
        "filter_func": _text(10, pattern="^function"),
        "script": _SCRIPT,
        "script_id": ID,
        "plugins": _PLUGINS,
        "plugin_config_id": ID,
        "upstream": UPSTREAM,
        "service_id": ID,
        "upstream_id": ID,
        "enable_websocket": _WEBSOCKET,
        "status": _integer(description="route status, 1 to enable, 0 to disable", enum=[1, 0], default=1),
    },
    allOf=[
        {"oneOf": [_required("uri"), _required("uris")]},
        _one_or_many("host", "hosts"),
        _one_or_many("remote_addr", "remote_addrs"),
    ],
    anyOf=[
        _required(what, uri)
        for uri in ("uri", "uris")
        for what in ("plugins", "upstream", "upstream_id", "service_id", "script")
    ],
    **{"not": {"anyOf": [_required("script", "plugins"), _required("script", "plugin_config_id")]}},
    additionalProperties=False,
)

SERVICE: Final = _object(
    {
        **_META,
        "plugins": _PLUGINS,
        "upstream": UPSTREAM,
        "upstream_id": ID,
        "script": _SCRIPT,
        "enable_websocket": _WEBSOCKET,
        "hosts": _array(HOST, minItems=1, uniqueItems=True),
    },
    additionalProperties=False,
)

CONSUMER: Final = _object(
    {
        "id": ID,
        "username": _text(1, 256, pattern=r"^[a-zA-Z0-9_-]+$"),
        "desc": _DESC,
        "labels": _LABELS,
        **_TIMES,
        "group_id": ID,
        "plugins": _PLUGINS,
    },
    **_required("username"),
    additionalProperties=False,
)

CREDENTIAL: Final = _object(
    {
        **_META,
        "id": {"oneOf": [ID, _text(15, 128, pattern="^[a-zA-Z0-9_-]+/credentials/[a-zA-Z0-9_.-]+$")]},
        "plugins": {"type": "object", "maxProperties": 1},
    },
    additionalProperties=False,
)

_SNI = _text(pattern=HOST_PATTERN)
SSL: Final = _object(
    {
        "id": ID,
        "desc": _DESC,
        "labels": _LABELS,
        **_TIMES,
        "type": _text(
            description="server: shown to clients; client: shown to upstreams",
            default="server",
            enum=["server", "client"],
        ),
        "cert": _CERTIFICATE,
        "key": _PRIVATE_KEY,
        "sni": _SNI,
        "snis": _array(_SNI, minItems=1),
        "certs": _array(_CERTIFICATE),
        "keys": _array(_PRIVATE_KEY),
        "client": _object(
            {
                "ca": _CERTIFICATE,
                "depth": _integer(0, default=1),
                "skip_mtls_uri_regex": _array(
                    _text(description="uri regular expression to skip mtls"), minItems=1, uniqueItems=True
                ),
            },
            **_required("ca"),
        ),
        "status": _integer(description="ssl status, 1 to enable, 0 to disable", enum=[1, 0], default=1),
        "ssl_protocols": _array(
            {"enum": ["TLSv1.1", "TLSv1.2", "TLSv1.3"]},
            description="set ssl protocols",
            maxItems=3,
            uniqueItems=True,
        ),
    },
    **{
        "if": {"properties": {"type": {"enum": ["server"]}}},
        "then": {"oneOf": [_required("sni", "key", "cert"), _required("snis", "key", "cert")]},
        "else": _required("key", "cert"),
    },
    additionalProperties=False,
)

PROTO: Final = _object(
    {**_META, "content": _text(1, 1024 * 1024)}, **_required("content"), additionalProperties=False
)

GLOBAL_RULE: Final = _object(
    {"id": ID, **_TIMES, "plugins": _PLUGINS}, **_required("id", "plugins"), additionalProperties=False
)

PLUGIN_CONFIG: Final = _object(
    {**_META, "name": _text(), "plugins": _PLUGINS}, **_required("id", "plugins"), additionalProperties=False
)
CONSUMER_GROUP: Final = _object(
    {**_META, "plugins": _PLUGINS}, **_required("id", "plugins"), additionalProperties=False
)

STREAM_ROUTE: Final = _object(
    {
        **_META,
        "remote_addr": _CLIENT_ADDRESS,
        "server_addr": {"description": "server IP", "type": "string", "anyOf": IP},
        "server_port": {**_PORT, "description": "server port"},
        "sni": {**_SNI, "description": "server name indication"},
        "upstream": UPSTREAM,
        "upstream_id": ID,
        "service_id": ID,
        "plugins": _PLUGINS,
        "protocol": _object(
            {
                "name": _text(),
                "superior_id": ID,
                "conf": {"description": "protocol-specific configuration", "type": "object"},
                "logger": _array(
                    {
                        "properties": {
                            "name": _text(),
                            "filter": {"description": "logger filter rules", "type": "array"},
                            "conf": {"description": "logger plugin configuration", "type": "object"},
                        },
                        "dependencies": {"name": ["conf"]},
                        "additionalProperties": False,
                    }
                ),
            },
            **_required("name"),
        ),
    },
    additionalProperties=False,
)

PLUGIN_LIST: Final = _array(_object({"name": _text(1), "stream": {"type": "boolean"}}, **_required("name")))

SCHEMAS: Final[Mapping[str, Schema]] = {
    "route": ROUTE,
    "service": SERVICE,
    "upstream": UPSTREAM,
    "consumer": CONSUMER,
    "credential": CREDENTIAL,
    "consumer_group": CONSUMER_GROUP,
    "plugin_config": PLUGIN_CONFIG,
    "global_rule": GLOBAL_RULE,
    "ssl": SSL,
    "proto": PROTO,
    "stream_route": STREAM_ROUTE,
    "plugins": PLUGIN_LIST,
}
"""By the name under which ``/apisix/admin/schema/{name}`` serves it."""

SECRET_MANAGERS: Final[Mapping[str, Schema]] = {
    "vault": _object(
        {"uri": _URL, "prefix": _text(), "token": _text(), "namespace": _text()},
        **_required("uri", "prefix", "token"),
    ),
    "aws": _object(
        {
            "access_key_id": _text(),
            "secret_access_key": _text(),
            "session_token": _text(),
            "region": _text(default="us-east-1"),
            "endpoint_url": _URL,
        },
        **_required("access_key_id", "secret_access_key"),
    ),
    "gcp": _object(
        {
            "auth_config": _object(
                {
                    "client_email": _text(),
                    "private_key": _text(),
                    "project_id": _text(),
                    "token_uri": _text(default="https://oauth2.googleapis.com/token"),
                    "scope": _array(_text(), default=["https://www.googleapis.com/auth/cloud-platform"]),
                    "entries_uri": _text(default="https://secretmanager.googleapis.com/v1"),
                },
                **_required("client_email", "private_key", "project_id"),
            ),
            "ssl_verify": {"type": "boolean", "default": True},
            "auth_file": _text(),
        },
        oneOf=[_required("auth_config"), _required("auth_file")],
    ),
}
"""By the manager's name in ``/apisix/admin/secrets/{manager}/{id}``."""
