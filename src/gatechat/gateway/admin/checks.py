"""Is a resource fit to be written? Schema, rules of its kind, plugins, references, in APISIX's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import IPv6Address
from typing import Final

from gatechat.apisix.kinds import KINDS, Kind
from gatechat.apisix.schemas import CHASH_KEYS, SECRET_MANAGERS, Schema
from gatechat.apisix.validation import Validator
from gatechat.gateway.admin.certificates import check_pair
from gatechat.gateway.admin.differs import (
    refuse_large_numbers,
    refuse_references,
    refuse_unsupported,
)
from gatechat.gateway.model import JSON, Refused, State
from gatechat.gateway.plugins import REGISTRY, check_duplicate_keys, check_plugins, compile_vars
from gatechat.gateway.plugins.limit_count import check_groups
from gatechat.gateway.translate import compile_upstream

ANY_OBJECT: Final[Schema] = {"type": "object"}


@cache
def kind_validator(kind: str) -> Validator | None:
    """The validator of a kind's JSON Schema; None for the kinds whose schema depends on the id."""
    schema = KINDS[kind].json_schema
    return Validator(schema) if schema is not None else None


@cache
def _secret_validator(manager: str) -> Validator:
    return Validator(SECRET_MANAGERS[manager])


@cache
def _chash_validator(hash_on: str) -> Validator:
    return Validator(CHASH_KEYS[hash_on])


def check(kind: Kind, id: str | None, conf: JSON, state: State, *, references: bool = True) -> None:
    """Refused if ``conf`` must not be written as resource ``id`` of ``kind`` into ``state``.

    ``id`` is Resource.id, None for one that has none yet. ``references``: whether what it refers to must be
    there.
    """
    _check_rules_before_schema(kind, conf)
    _check_schema(kind, id, conf)
    refuse_references(kind.plural, conf)
    refuse_unsupported(kind.plural, conf)
    refuse_large_numbers(kind.plural, conf)
    match kind.plural:
        case "upstreams":
            _check_upstream(conf, f"upstream {id}" if id else "the upstream", state, references=references)
        case "routes" | "services" if "upstream" in conf:
            where = f"{kind.title} {id}" if id else f"the {kind.title}"
            _check_upstream(conf["upstream"], where, state, references=references)
        case "ssls":
            check_pair(conf["cert"], conf["key"])
    if kind.plural == "consumers":
        _check_plugins(kind, conf)
        check_duplicate_keys(state, conf.get("plugins", {}), conf["username"])
    if references:
        _check_references(kind, conf, state)
    if kind.plural != "consumers":
        _check_plugins(kind, conf)
    check_groups(state, conf.get("plugins", {}))
    match kind.plural:
        case "credentials":
            _check_credential(id, conf, state)
        case "global_rules":
            _check_global_rule(conf, state)
        case "routes" if "vars" in conf:
            compile_vars(conf["vars"])


def _check_schema(kind: Kind, id: str | None, conf: JSON) -> None:
    validator = kind_validator(kind.plural)
    if kind.plural == "plugin_metadata":
        _check_metadata(id, conf)
    elif kind.plural == "secrets":
        manager = (id or "").partition("/")[0]
        if manager not in SECRET_MANAGERS:
            raise Refused(f"invalid secret manager: {manager}")
        validator = _secret_validator(manager)
        conf = {name: value for name, value in conf.items() if name != "id"}
    wrong = validator.error(conf) if validator else None
    if wrong:
        raise Refused(f"invalid configuration: {wrong}")


def _check_metadata(name: str | None, conf: JSON) -> None:
    if not name:
        raise Refused("missing plugin name")
    plugin = REGISTRY.get(name)
    if plugin is None:
        raise Refused("invalid plugin name")
    if plugin.metadata_schema is None:
        raise Refused(f"plugin {name} has no metadata: what is written here would have no effect")
    wrong = Validator(plugin.metadata_schema).error(conf)
    if wrong:
        raise Refused(f"invalid configuration: {wrong}")


def _check_plugins(kind: Kind, conf: Mapping[str, JSON]) -> None:
    plugins = conf.get("plugins")
    if kind.plugins is None or not plugins:
        return
    if kind.plural in ("consumers", "consumer_groups"):
        for name in plugins:
            if name in REGISTRY and not REGISTRY[name].phases:
                raise Refused(f"plugin {name} has no effect here: put it on a route or a global rule")
    if kind.plugins != "consumer":
        check_plugins(plugins, "", kind.plugins)
        return
    try:
        check_plugins(plugins, "", kind.plugins)
    except Refused as error:
        raise Refused(f"invalid plugins configuration: {error.message}", error.status) from error


def _check_credential(id: str | None, conf: Mapping[str, JSON], state: State) -> None:
    plugins = conf.get("plugins", {})
    if not all(REGISTRY[name].auth for name in plugins):
        raise Refused("only supports auth type plugins in consumer credential")
    consumer, _, credential = (id or "").partition("/credentials/")
    if consumer:
        check_duplicate_keys(state, plugins, consumer, credential)


def _check_rules_before_schema(kind: Kind, conf: JSON) -> None:
    """Rules that APISIX tells before it looks at the schema, as their words are clearer."""
    if not isinstance(conf, dict):
        return
    if kind.plural == "routes":
        if conf.get("host") and conf.get("hosts"):
            raise Refused("only one of host or hosts is allowed")
        if conf.get("remote_addr") and conf.get("remote_addrs"):
            raise Refused("only one of remote_addr or remote_addrs is allowed")
    for upstream in (conf if kind.plural == "upstreams" else None, conf.get("upstream")):
        nodes = upstream.get("nodes") if isinstance(upstream, dict) else None
        if isinstance(nodes, list) and any(_is_bare_ipv6(node) for node in nodes):
            raise Refused("invalid configuration: IPv6 address must be enclosed with '[' and ']'")


def _is_bare_ipv6(node: JSON) -> bool:
    host = node.get("host") if isinstance(node, dict) else None
    if not isinstance(host, str):
        return False
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _check_upstream(conf: Mapping[str, JSON], where: str, state: State, *, references: bool) -> None:
    """The rules of an upstream, alone or inside a route or service, that its schema cannot say.

    ``where`` names the resource in what the translator refuses.
    """
    tls = conf.get("tls", {})
    certificate = tls.get("client_cert_id")
    if references and certificate is not None:
        ssl = state.get("ssls", str(certificate))
        if ssl is None:
            raise Refused(f"failed to fetch ssl info by ssl id [{certificate}], response code: 404")
        if ssl.value.get("type") != "client":
            raise Refused(f"failed to fetch ssl info by ssl id [{certificate}], wrong ssl type")
    if conf.get("pass_host") == "rewrite" and not conf.get("upstream_host"):
        raise Refused("`upstream_host` can't be empty when `pass_host` is `rewrite`")
    if "client_cert" in tls:
        check_pair(tls["client_cert"], tls["client_key"])
    if conf.get("type") == "chash":
        _check_chash(conf)
    compile_upstream(conf, id=None, where=where, client_certificate=None, trusted_ca="")


def _check_chash(conf: Mapping[str, JSON]) -> None:
    hash_on = conf.get("hash_on", "vars")
    if hash_on == "consumer":
        return
    if "key" not in conf:
        raise Refused("missing key")
    wrong = _chash_validator(hash_on).error(conf["key"])
    if wrong:
        raise Refused(f"invalid configuration: {wrong}")


def _check_references(kind: Kind, conf: Mapping[str, JSON], state: State) -> None:
    for reference in kind.references:
        if "." in reference.field:
            continue  # inside the upstream, and checked with it
        id = conf.get(reference.field)
        if id is not None and state.get(reference.to, str(id)) is None:
            label = reference.label
            raise Refused(f"failed to fetch {label} info by {label} id [{id}], response code: 404")


def _check_global_rule(conf: Mapping[str, JSON], state: State) -> None:
    """A plugin may be in one global rule only."""
    for rule in state.all("global_rules").values():
        if rule.id == str(conf["id"]):
            continue
        for plugin in conf["plugins"]:
            if plugin in rule.value["plugins"]:
                raise Refused(f"plugin '{plugin}' already exists in global rule with id '{rule.id}'")


def check_unused(kind: Kind, id: str, state: State) -> None:
    """Refused if another resource refers to this one."""
    for user in kind.users:
        for resource in state.all(user.kind).values():
            if id in (str(found) for found in _values_at(resource.value, user.field.split("."))):
                raise Refused(user.text.format(user=f"{user.label} [{resource.id}]"))


def _values_at(value: JSON, path: list[str]) -> Iterator[JSON]:
    """What is at a path, where "*" stands for every item of a list."""
    if not path:
        yield value
        return
    first, rest = path[0], path[1:]
    if first == "*" and isinstance(value, list):
        for item in value:
            yield from _values_at(item, rest)
    elif isinstance(value, dict) and first in value:
        yield from _values_at(value[first], rest)
