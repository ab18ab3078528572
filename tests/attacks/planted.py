"""An Admin API in memory with every plugin of APISIX that keeps secrets, and secrets planted wherever one
can be: each is a text of its own that can be found again in whatever is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.assistant.admin_client import Answer
from tests.assistant.change.ledger_rig import AdminInMemory

CANARY = re.compile(r"cnry[0-9]{4}q")
CONSUMERS_SIGN_IN = ("basic-auth", "hmac-auth", "jwt-auth", "jwe-decrypt", "key-auth", "ldap-auth")
OPEN = {"type": "object"}


@dataclass
class Plants:
    """Makes canaries and remembers what each was planted in."""

    places: list[str] = field(default_factory=list)

    def __call__(self, place: str) -> str:
        self.places.append(place)
        return f"cnry{len(self.places) - 1:04d}q"

    def found(self, text: str) -> set[str]:
        """The places of the canaries that are in a text, also URL-encoded or as JSON."""
        texts = (text, unquote(text))
        return {self.places[int(it[4:8])] for one in texts for it in CANARY.findall(one)}


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    for name, part in other.items():
        if isinstance(part, dict) and isinstance(one.get(name), dict):
            merged(one[name], part)
        else:
            one[name] = part
    return one


def plugin_confs(plant: Plants, where: str) -> dict[str, Any]:
    """Every plugin that APISIX encrypts fields of, with a canary in each."""
    confs: dict[str, Any] = {}
    for plugin, fields in PLUGIN_SECRETS.items():
        confs[plugin] = {"a": 1}
        for path in fields:
            secret: Any = plant(f"{where} {plugin}.{path}")
            if path.rpartition(".")[2] in ("headers", "header", "query", "introspection_headers"):
                secret = {"X-Anything": secret}
            merged(confs[plugin], nested(path, secret))
    return confs


def by_name_and_form(plant: Plants, where: str) -> dict[str, Any]:
    """What no schema tells: names, header maps, URLs and forms, in plugins that nobody knows."""

    def c(place: str) -> str:
        return plant(f"{where} {place}")

    names = (
        "password",
        "passwd",
        "secret",
        "clientSecret",
        "token",
        "access-token",
        "api_key",
        "apiKey",
        "key",
    )
    names += (
        "PRIVATE_KEY",
        "authorization",
        "credentials_secret",
        "signing_key",
        "master_key",
        "session_key",
    )
    return {
        "my-custom": {
            **{name: c(f"name {name}") for name in names},
            "deep": [{"er": {"still": [{"db_password": c("deep name")}]}}],
            "tokens": [c("list 1"), c("list 2")],
            "headers": {"Authorization": c("header"), "X-Api-Key": c("header"), "Cookie": c("header")},
            "url": f"http://someone:{c('userinfo')}@backend.example/x",
            "other_url": f"https://backend.example/x?access_token={c('query argument')}&a=1",
            "basic": f"Basic {c('basic')}",
            "bearer": f"Bearer {c('bearer')}",
            "jwt_like": f"eyJhbGciOiJIUzI1.{c('jwt')}.abc",
            "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{c('pem')}\n-----END RSA PRIVATE KEY-----",
            "pairs": [{"key": "X-Api-Key", "value": c("pair")}, {"name": "password", "value": c("pair")}],
            "_meta": {"filter": [["http_x_api_key", "==", c("vars in _meta")]], "secret": c("_meta")},
        },
        "proxy-rewrite": {
            "headers": {
                "set": {"Authorization": f"Bearer {c('set')}", "X-API-Key": c("set")},
                "add": {"Cookie": f"session={c('add')}"},
                "X-Auth-Token": c("old form"),
            }
        },
        "response-rewrite": {"headers": {"add": [f"X-Auth-Token: {c('line')}"]}},
        "http-logger": {"uri": f"http://u:{c('userinfo')}@logs.example/", "auth_header": c("auth_header")},
        "multi-auth": {"auth_plugins": [{"key-auth": {"key": c("multi-auth")}}]},
        "workflow": {"rules": [{"actions": [["limit-count", {"redis_password": c("workflow")}]]}]},
        "traffic-split": {
            "rules": [
                {
                    "match": [{"vars": [["http_authorization", "==", c("match")]]}],
                    "weighted_upstreams": [
                        {"upstream": {"nodes": {"a:1": 1}, "tls": {"client_key": c("split tls")}}}
                    ],
                }
            ]
        },
    }


def configuration(plant: Plants, nodes: dict[str, int]) -> dict[tuple[str, str], dict[str, Any]]:
    """Resources of every kind, full of secrets."""
    upstream = {"type": "roundrobin", "nodes": nodes}
    tls = {"client_cert": "cert", "client_key": plant("upstreams tls.client_key")}
    values: dict[tuple[str, str], dict[str, Any]] = {
        ("upstreams", "u"): upstream | {"tls": tls},
        ("routes", "named"): {
            "uri": "/named",
            "upstream_id": "u",
            "plugins": by_name_and_form(plant, "route"),
        },
        ("routes", "secret"): {"uri": "/secret", "upstream_id": "u", "plugins": plugin_confs(plant, "route")},
        ("routes", "inline"): {
            "uri": "/inline",
            "upstream": upstream | {"tls": {"client_key": plant("routes upstream.tls.client_key")}},
            "vars": [
                ["http_x_api_key", "==", plant("routes vars")],
                ["arg_token", "==", plant("routes vars")],
            ],
        },
        ("services", "s"): {
            "upstream": upstream | {"tls": {"client_key": plant("services tls")}},
            "plugins": by_name_and_form(plant, "service"),
        },
        ("consumers", "jack"): {
            "username": "jack",
            "plugins": {
                name: {f: plant(f"consumers {name}.{f}") for f in PLUGIN_SECRETS[name]}
                for name in CONSUMERS_SIGN_IN
                if name in PLUGIN_SECRETS
            }
            | {
                "my-auth": {
                    "pin": plant("consumers my-auth.pin"),
                    "secret": plant("consumers my-auth.secret"),
                }
            },
        },
        ("credentials", "jack/credentials/c"): {"plugins": {"key-auth": {"key": plant("credentials key")}}},
        ("credentials", "jack/credentials/d"): {"plugins": {"my-auth": {"pin": plant("credentials pin")}}},
        ("consumer_groups", "g"): {"plugins": by_name_and_form(plant, "consumer group")},
        ("plugin_configs", "p"): {"plugins": plugin_confs(plant, "plugin config")},
        ("global_rules", "1"): {"plugins": by_name_and_form(plant, "global rule")},
        ("ssls", "t"): {
            "snis": ["a.example"],
            "cert": "cert",
            "key": plant("ssls key"),
            "certs": ["cert"],
            "keys": [plant("ssls keys")],
        },
        ("secrets", "vault/1"): {
            "uri": "http://vault.example",
            "prefix": "p",
            "token": plant("secrets vault"),
        },
        ("secrets", "aws/1"): {
            "access_key_id": "id",
            "secret_access_key": plant("secrets aws"),
            "session_token": plant("secrets aws session"),
        },
        ("secrets", "gcp/1"): {"auth_config": {"private_key": plant("secrets gcp"), "client_email": "e"}},
    }
    for plugin in ("error-log-logger", "elasticsearch-logger", "my-custom"):
        values["plugin_metadata", plugin] = merged(
            {"log_format": {"host": "$host"}, "password": plant(f"metadata {plugin}.password")},
            nested("auth.password", plant(f"metadata {plugin}.auth.password")),
        )
    return values


@dataclass
class Planted(AdminInMemory):
    """Holds whatever it is given; tells which fields its plugins encrypt; quotes what it refuses."""

    def _send(self, method: str, target: bytes, body: bytes) -> Answer:
        path = target.decode().partition("?")[0].removeprefix("/apisix/admin/")
        if path == "plugins":
            named: dict[str, tuple[str, ...]] = {"my-custom": (), "my-auth": (), **PLUGIN_SECRETS}
            for name in (
                "proxy-rewrite",
                "response-rewrite",
                "multi-auth",
                "workflow",
                "traffic-split",
                "cors",
            ):
                named.setdefault(name, ())
            return told(
                {
                    name: {"priority": 1, "schema": OPEN | {"encrypt_fields": list(fields)}}
                    for name, fields in named.items()
                }
            )
        if path == "plugins/list":
            return told([*PLUGIN_SECRETS, "my-custom"])
        if method == "GET" and (asked := re.fullmatch(r"consumers/([^/]+)/credentials", path)):
            mine = [id for kind, id in self.values if kind == "credentials" and id.startswith(f"{asked[1]}/")]
            rows = [self._row("credentials", id) for id in mine]
            return told({"list": rows, "total": len(rows)})
        if path.startswith("schema/plugins/"):
            fields = PLUGIN_SECRETS.get(path.rpartition("/")[2], ())
            return told(OPEN | {"encrypt_fields": list(fields)})
        if path.startswith(("schema/", "configs/validate")) or method == "HEAD":
            return told({"error_msg": "not found"}, 404)
        if method in ("PUT", "PATCH") and b'"refuse me"' in body:
            return told({"error_msg": f"invalid configuration: {body.decode()}"}, 400)
        return super()._send(method, target, body)

    def plant(self, values: dict[tuple[str, str], dict[str, Any]]) -> None:
        for (kind, id), value in values.items():
            self.hold(kind, id, value)


def told(body: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())


def paths(values: dict[tuple[str, str], dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(kind, id, path below /apisix/admin/) of each resource."""
    for kind, id in values:
        yield kind, id, f"{'consumers' if kind == 'credentials' else kind}/{id}"


def hidden(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """What the Admin API shows of a value."""
    return {name: part for name, part in value.items() if name not in KINDS[kind].hidden}
