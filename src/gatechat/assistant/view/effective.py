"""What a route is once its service, plugin config, global rules and consumer are merged in, and where each
part came from.

Source: APISIX's apisix/plugin.lua (merge_service_route, merge_consumer_route) and apisix/plugin_config.lua
(merge): plugins of the route, then of its plugin config, then of its service; for a known consumer those of
the consumer, then of its group, come before them all, but not before what has run by then (run_plugin,
"rewrite_in_consumer"). Global rules run beside them and replace nothing. Of
the upstreams the route's comes before the service's, and an ``upstream_id`` before an inline ``upstream``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final
from weakref import WeakKeyDictionary

from gatechat.assistant.view.configuration import JSON, Configuration, Item

AUTHENTICATION: Final = frozenset(
    {
        "authz-casbin",
        "authz-casdoor",
        "authz-keycloak",
        "basic-auth",
        "cas-auth",
        "dingtalk-auth",
        "feishu-auth",
        "forward-auth",
        "hmac-auth",
        "jwe-decrypt",
        "jwt-auth",
        "key-auth",
        "ldap-auth",
        "ldap-auth-advanced",
        "multi-auth",
        "opa",
        "openid-connect",
        "saml-auth",
        "wolf-rbac",
    }
)
"""Plugins of APISIX that ask who calls, or ask another server whether the caller may."""

_BEFORE_CONSUMERS: Final = frozenset(
    {
        "ai-prompt-decorator",
        "ai-prompt-template",
        "client-control",
        "exit-transformer",
        "ext-plugin-pre-req",
        "fault-injection",
        "proxy-buffering",
        "proxy-control",
        "proxy-rewrite",
        "real-ip",
        "redirect",
        "request-validation",
        "uri-blocker",
    }
)
"""Plugins that do all their work in the rewrite phase: on a route that has one, it is done before the
consumer is known, whose own comes too late."""

RATE_LIMITS: Final = frozenset(
    {"ai-rate-limiting", "graphql-limit-count", "limit-conn", "limit-count", "limit-req"}
)

_FROM_SERVICE: Final = ("hosts", "enable_websocket", "script")
_HAVE_PLUGINS: Final = (
    "routes",
    "services",
    "plugin_configs",
    "consumers",
    "consumer_groups",
    "global_rules",
)


@dataclass(frozen=True, slots=True)
class Applied:
    """One plugin in effect. ``source`` is "routes/1", "services/s", …"""

    name: str
    conf: Mapping[str, JSON]
    source: str

    @property
    def _meta(self) -> Mapping[str, JSON]:
        meta = self.conf.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def off(self) -> bool:
        """Switched off by ``_meta.disable`` (or ``disable``, as it was written before APISIX 3)."""
        return self._meta.get("disable") is True or self.conf.get("disable") is True

    @property
    def conditional(self) -> bool:
        """Runs only for requests that ``_meta.filter`` lets to it."""
        return bool(self._meta.get("filter"))


@dataclass(frozen=True)
class Backend:
    """Where requests go. ``source`` is "upstreams/u", "routes/1" or "services/s" (written there), or "".

    ``conf`` is None when nothing is said or what is referred to is not there; ``missing`` names that.
    """

    source: str
    conf: Mapping[str, JSON] | None
    missing: str = ""

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """ "host:port" each, without a port where none is given; a service name stands as "name@registry"."""
        conf = self.conf or {}
        nodes = conf.get("nodes")
        if isinstance(nodes, Mapping):
            return tuple(nodes)
        if isinstance(nodes, list):
            return tuple(
                f"{node['host']}:{node['port']}" if node.get("port") else str(node.get("host", ""))
                for node in nodes
            )
        if "service_name" in conf:
            return (f"{conf['service_name']}@{conf.get('discovery_type', 'discovery')}",)
        return ()


@dataclass(frozen=True, eq=False)
class Route:
    """``plugins`` hold those switched off too; ``globals_`` are those of the global rules.

    ``missing`` names what the route refers to and is not there ("services/s"); requests to it then fail.
    """

    id: str
    item: Item
    service: str | None
    plugin_config: str | None
    hosts: tuple[str, ...]
    hosts_from: str
    plugins: Mapping[str, Applied]
    globals_: tuple[Applied, ...]
    backend: Backend
    missing: tuple[str, ...]
    fields: Mapping[str, JSON] = field(repr=False)
    """Every field but plugins and upstream, merged."""
    sources: Mapping[str, str] = field(repr=False)
    """Where each field came from, for those that are not the route's own."""
    parts: tuple[Item | None, Item | None] = field(repr=False)
    """The service and the plugin config, as they were merged in."""

    @property
    def uris(self) -> tuple[str, ...]:
        uris = self.item.value.get("uris")
        return tuple(uris) if uris else (str(self.item.value.get("uri", "")),)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.item.value.get("methods") or ())

    @property
    def on(self) -> bool:
        return bool(self.item.value.get("status", 1) != 0)

    @cached_property
    def running(self) -> tuple[Applied, ...]:
        """The plugins that run for a request: the global rules', then the route's, sorted by name."""
        own = sorted((one for one in self.plugins.values() if not one.off), key=lambda one: one.name)
        return (*self.globals_, *own)

    @cached_property
    def open(self) -> str:
        """Why a request without credentials gets through; "" if none does. A route that is off lets none
        through."""
        if not self.on:
            return ""
        asking = [one for one in self.running if one.name in AUTHENTICATION]
        loopholes = [(one, _loophole(one)) for one in asking]
        if any(not why for _, why in loopholes):
            return ""
        if not asking:
            return "no authentication plugin"
        return "; ".join(f"{one.name} {why}" for one, why in loopholes)

    @cached_property
    def limits(self) -> tuple[Applied, ...]:
        """What limits the rate of everybody's requests. Those of consumers are not counted."""
        return tuple(one for one in self.running if _limits(one))


def _loophole(one: Applied) -> str:
    conf = one.conf
    if one.conditional:
        return "asks only some requests (_meta.filter)"
    if conf.get("anonymous_consumer"):
        return "lets strangers in as anonymous_consumer"
    if one.name == "openid-connect" and conf.get("unauth_action") == "pass":
        return "lets strangers pass (unauth_action)"
    if one.name == "multi-auth":
        inner = [conf for each in conf.get("auth_plugins") or () for conf in each.values()]
        if any(isinstance(conf, Mapping) and conf.get("anonymous_consumer") for conf in inner):
            return "lets strangers in as anonymous_consumer"
    if one.name == "jwe-decrypt" and conf.get("strict") is False:
        return "lets requests without a token pass (strict false)"
    return ""


def _limits(one: Applied) -> bool:
    if one.name in RATE_LIMITS:
        return True
    if one.name == "workflow":
        rules = one.conf.get("rules") or ()
        actions = [action for rule in rules for action in rule.get("actions") or ()]
        return any(action and action[0] in RATE_LIMITS for action in actions)
    return False


class Effective:
    """Every route of one configuration, merged when first asked for.

    ``like`` is the one of another configuration: a route of which no part is another there is taken over.
    """

    def __init__(self, configuration: Configuration, like: Effective | None = None) -> None:
        self._services = configuration.all("services")
        self._plugin_configs = configuration.all("plugin_configs")
        self._upstreams = configuration.all("upstreams")
        self._routes = configuration.all("routes")
        self.globals_ = tuple(
            applied
            for id, item in configuration.all("global_rules").items()
            for applied in _plugins(item, f"global_rules/{id}").values()
            if not applied.off
        )
        if like is not None and like.globals_ == self.globals_:
            self.globals_ = like.globals_
        self._merged: dict[str, Route] = {}
        self._known = like._merged if like is not None else {}
        self._shared: dict[str, Mapping[str, Applied]] = {}
        self._backends: dict[str, Backend] = {}

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        every = {id: self.route(id) for id in self._routes}
        self._known = {}
        return every

    def route(self, id: str) -> Route:
        """Raises KeyError when there is none."""
        found = self._merged.get(id)
        if found is None:
            item, known = self._routes[id], self._known.get(id)
            found = (self._taken_over(known, item) if known is not None else None) or self._route(id, item)
            self._merged[id] = found
        return found

    def _taken_over(self, known: Route, item: Item) -> Route | None:
        """What is known of the route, with the backend of now; None if anything else of it is another."""
        service = self._services.get(known.service or "")
        shared = self._plugin_configs.get(known.plugin_config or "")
        same = known.item is item and known.globals_ is self.globals_ and not known.missing
        if not same or known.parts[0] is not service or known.parts[1] is not shared:
            return None
        backend = self._backend_of(known.id, item.value, service)
        if backend.missing:
            return None
        return known if backend == known.backend else replace(known, backend=backend)

    def _route(self, id: str, item: Item) -> Route:
        value, own = item.value, f"routes/{id}"
        missing: list[str] = []
        service, service_source = _referred(value, "service_id", "services", self._services, missing)
        shared, shared_source = _referred(
            value, "plugin_config_id", "plugin_configs", self._plugin_configs, missing
        )
        plugins = {
            **self._plugins_of(service, service_source),
            **self._plugins_of(shared, shared_source),
            **_plugins(item, own),
        }
        service_value: Mapping[str, JSON] = service.value if service is not None else {}
        hosts = value.get("hosts") or ([value["host"]] if "host" in value else None)
        hosts_from = own
        if hosts is None:
            hosts, hosts_from = service_value.get("hosts") or (), service_source
        backend = self._backend_of(id, value, service)
        if backend.missing:
            missing.append(backend.missing)
        fields = {name: part for name, part in value.items() if name not in _SHOWN_APART}
        sources = {}
        for name in _FROM_SERVICE:
            if name in service_value and name not in fields and not (name == "hosts" and "host" in fields):
                fields[name], sources[name] = service_value[name], service_source
        return Route(
            id,
            item,
            str(value["service_id"]) if "service_id" in value else None,
            str(value["plugin_config_id"]) if "plugin_config_id" in value else None,
            tuple(str(host).lower() for host in hosts),
            hosts_from if hosts else "",
            plugins,
            self.globals_,
            backend,
            tuple(missing),
            fields,
            sources,
            (service, shared),
        )

    def _plugins_of(self, item: Item | None, source: str) -> Mapping[str, Applied]:
        """Those of a service or a plugin config, which many routes may share."""
        if source not in self._shared:
            self._shared[source] = _plugins(item, source)
        return self._shared[source]

    def _backend_of(self, id: str, value: Mapping[str, JSON], service: Item | None) -> Backend:
        found = self._backend(value, f"routes/{id}")
        if found is None and service is not None:
            found = self._backend(service.value, f"services/{value['service_id']}")
        return found or _NO_BACKEND

    def _backend(self, value: Mapping[str, JSON], source: str) -> Backend | None:
        if "upstream_id" in value:
            id = str(value["upstream_id"])
            if id not in self._backends:
                upstream = self._upstreams.get(id)
                self._backends[id] = (
                    Backend(f"upstreams/{id}", upstream.value)
                    if upstream is not None
                    else Backend("", None, f"upstreams/{id}")
                )
            return self._backends[id]
        return Backend(source, value["upstream"]) if "upstream" in value else None


_NO_BACKEND: Final = Backend("", None)
_SHOWN_APART: Final = ("plugins", "upstream", "upstream_id")


def _referred(
    value: Mapping[str, JSON], field: str, kind: str, there: Mapping[str, Item], missing: list[str]
) -> tuple[Item | None, str]:
    if field not in value:
        return None, ""
    source = f"{kind}/{value[field]}"
    found = there.get(str(value[field]))
    if found is None:
        missing.append(source)
    return found, source


def _plugins(item: Item | None, source: str) -> dict[str, Applied]:
    if item is None:
        return {}
    plugins = item.value.get("plugins") or {}
    return {name: Applied(name, conf, source) for name, conf in plugins.items() if isinstance(conf, dict)}


def consumer_plugins(configuration: Configuration, username: str) -> dict[str, Applied]:
    """What a consumer brings along: its own plugins before its group's, but not those that let it in."""
    item = configuration.get("consumers", username)
    if item is None:
        return {}
    group = str(item.value.get("group_id", ""))
    found = {
        **_plugins(configuration.get("consumer_groups", group), f"consumer_groups/{group}"),
        **_plugins(item, f"consumers/{username}"),
    }
    return {name: applied for name, applied in found.items() if name not in AUTHENTICATION}


def met_by(route: Route, configuration: Configuration, username: str) -> dict[str, Applied]:
    """The route's plugins that run for requests of a consumer that it knows."""
    found = dict(route.plugins)
    for name, one in consumer_plugins(configuration, username).items():
        if name not in found or name not in _BEFORE_CONSUMERS:
            found[name] = one
    return {name: one for name, one in found.items() if not one.off}


def own_plugins(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    """(plugin, kind, id) for every plugin that is written anywhere."""
    for kind in _HAVE_PLUGINS:
        for id, item in configuration.all(kind).items():
            for name in item.value.get("plugins") or {}:
                yield name, kind, id


_made: WeakKeyDictionary[Configuration, Effective] = WeakKeyDictionary()


def effective(configuration: Configuration, like: Configuration | None = None) -> Effective:
    """Made once for each configuration; in less time where what is ``like`` it was made already."""
    found = _made.get(configuration)
    if found is None:
        found = _made[configuration] = Effective(configuration, _made.get(like) if like is not None else None)
    return found
