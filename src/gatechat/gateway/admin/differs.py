"""Where the embedded gateway's resources differ from APISIX's: fields and kinds without effect on traffic.

They are refused with a 400 that names them and says why: what is accepted is never ignored. (Plugins carry
their own differences.) The documentation prints this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gatechat.gateway.model import JSON, Refused

_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """``field`` (a dotted path; "" is the kind itself) of ``kinds``, only for ``values`` if there are any.

    ``default`` is the value that a resource without the field has.
    """

    kinds: tuple[str, ...]
    field: str
    why: str
    values: tuple[JSON, ...] = ()
    default: JSON = _MISSING
    text: str | None = None
    """APISIX's own words, where it refuses the same."""

    def message(self, kind: str, value: JSON) -> str:
        if self.text:
            return self.text
        if not self.field:
            return f"{kind} have no effect in the embedded gateway: {self.why}"
        shown = f' "{value}"' if self.values else ""
        return f'property "{self.field}"{shown} has no effect in the embedded gateway: {self.why}'


def _upstream(field: str, why: str, values: tuple[JSON, ...] = ()) -> tuple[Unsupported, ...]:
    return (
        Unsupported(("upstreams",), field, why, values),
        Unsupported(("routes", "services"), f"upstream.{field}", why, values),
    )


_NO_DISCOVERY = "it asks no service registry; list the nodes, by address or by domain name"
_NO_LUA = "it runs no Lua from the configuration"

STREAM_OFF: Final = "stream mode is disabled, can not add stream routes"

UNSUPPORTED: Final = (
    Unsupported(("routes",), "filter_func", f"{_NO_LUA}; say the condition in vars"),
    Unsupported(("routes", "services"), "script", f"{_NO_LUA}; use plugins"),
    Unsupported(("routes",), "script_id", f"{_NO_LUA}; use plugins"),
    *_upstream("discovery_type", _NO_DISCOVERY),
    *_upstream("service_name", _NO_DISCOVERY),
    *_upstream("discovery_args", _NO_DISCOVERY),
    *_upstream("scheme", "it proxies HTTP; use http, https, grpc or grpcs", ("tcp", "tls", "udp", "kafka")),
    *_upstream("checks.active.http_method", "Envoy's health checks cannot use it", ("PURGE", "CONNECT")),
    Unsupported(
        ("ssls",),
        "type",
        "it does not serve TLS yet; put a TLS proxy before it. A certificate shown to upstreams has the "
        'type "client"',
        ("server",),
        default="server",
    ),
    *(
        Unsupported(("ssls",), field, f"{why}, and it does not serve TLS yet")
        for field, why in {
            "client": "it is for the certificates of clients",
            "certs": "one certificate is shown to upstreams, in cert",
            "keys": "one certificate is shown to upstreams, in cert and key",
            "ssl_protocols": "it is for clients",
        }.items()
    ),
    Unsupported(("ssls",), "status", "delete the certificate, or refer to it nowhere", (0,)),
    Unsupported(("stream_routes",), "", "it proxies HTTP only", text=STREAM_OFF),
    Unsupported(("protos",), "", "no plugin of it reads protos yet"),
    Unsupported(
        ("secrets",), "", "it asks no secret manager; use $env://NAME for a secret from its environment"
    ),
)

ENVIRONMENT: Final = frozenset({"plugins", "cert", "key", "certs", "keys", "client_cert", "client_key"})
"""Fields in which, and below which, ``$env://`` is looked up."""

LARGEST_NUMBER: Final = 2**31 - 1
"""Of seconds, retries, weights and the like. APISIX has no bound; Envoy's messages do."""


def refuse_unsupported(kind: str, value: Mapping[str, JSON]) -> None:
    """Refused for the first field that would be accepted and then ignored."""
    for rule in UNSUPPORTED:
        if kind not in rule.kinds:
            continue
        found = _value_at(value, rule.field, rule.default)
        if found is _MISSING or (rule.values and found not in rule.values):
            continue
        raise Refused(rule.message(kind, found))


def refuse_large_numbers(kind: str, value: Mapping[str, JSON]) -> None:
    """Of routes, services and upstreams; plugins have bounds of their own."""
    if kind in ("routes", "services", "upstreams"):
        _refuse_large_numbers({name: it for name, it in value.items() if name not in ("plugins", "vars")}, "")


def _refuse_large_numbers(value: JSON, where: str) -> None:
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        text = f"{value} is too large in the embedded gateway, at most {LARGEST_NUMBER} can be used"
        raise Refused(f'property "{where.removesuffix(".")}": {text}')
    for name, item in _items(value):
        _refuse_large_numbers(item, f"{where}{name}.")


def refuse_references(kind: str, value: JSON) -> None:
    """``$secret://`` needs a secret manager; ``$env://`` is looked up in plugins and for certificates."""
    _refuse_references(value, (), allowed=kind == "plugin_metadata")


def _refuse_references(value: JSON, path: tuple[str, ...], *, allowed: bool) -> None:
    if isinstance(value, str):
        lower, where = value.lower(), f'property "{".".join(path)}"'
        if lower.startswith("$secret://"):
            why = "has no effect in the embedded gateway; use $env://NAME for a secret from its environment"
            raise Refused(f"{where}: a reference to a secret manager ($secret://) {why}")
        if lower.startswith("$env://") and not allowed:
            why = (
                "has no effect in the embedded gateway: it is looked up in plugins and for certificates only"
            )
            raise Refused(f"{where}: a reference to the environment ($env://) {why}")
        return
    for name, item in _items(value):
        _refuse_references(item, (*path, str(name)), allowed=allowed or name in ENVIRONMENT)


def _items(value: JSON) -> Iterable[tuple[str | int, JSON]]:
    """What is inside an object or an array, by name or by number."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _value_at(value: JSON, path: str, default: JSON) -> JSON:
    for name in path.split(".") if path else ():
        if not isinstance(value, dict) or name not in value:
            return default
        value = value[name]
    return value
