"""The whole state as one snapshot. The outcome depends on the state alone; what did not change is not made
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gatechat.gateway.model import JSON, Resource, State
from gatechat.gateway.plugins import Program, build_program, compile_vars, lua_sources
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.translate import names, routes
from gatechat.gateway.translate.listener import listener
from gatechat.gateway.translate.matching import Candidate, OnMatch, act, by_method
from gatechat.gateway.translate.merge import Inline, Merged, Missing, Named, merge
from gatechat.gateway.translate.options import Options
from gatechat.gateway.translate.paths import parse
from gatechat.gateway.translate.retries import NOT_IDEMPOTENT, variants
from gatechat.gateway.translate.secrets import resolve
from gatechat.gateway.translate.shell import lua_extension, route_table
from gatechat.gateway.translate.table import Table
from gatechat.gateway.translate.tls import ClientCertificate
from gatechat.gateway.translate.upstreams import Upstream, compile_upstream

_SHARED = ("services", "plugin_configs", "upstreams", "ssls", "global_rules")
"""Kinds that routes are made from, besides their own."""
_FOR_LUA = ("consumers", "credentials", "consumer_groups")
_Globals: TypeAlias = Sequence[Mapping[str, JSON]]


@dataclass(frozen=True, slots=True)
class _Route:
    """A route as it stands in the table. ``made_from`` is all that it depends on; ``upstream`` is None
    without any.
    """

    made_from: tuple[object, ...]
    hosts: tuple[str, ...] | None
    candidates: tuple[Candidate, ...]
    upstream: Upstream | None
    connect: float


class Translator:
    """Keeps what it made last, so that a change costs what it changes. Not for several threads at a time."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._listener = listener(options)
        self._state = State()
        self._table = Table(options.proxy_port)
        self._resources: Mapping[str, Resource] = {}
        self._routes: dict[str, _Route] = {}
        self._upstreams: dict[str, Upstream] = {}
        self._globals: _Globals = ()
        self._extension = b""
        self._clusters: dict[tuple[str, float], tuple[Upstream, bytes]] = {}
        self._endpoints: dict[str, tuple[Upstream, bytes]] = {}

    def compile(self, state: State) -> Snapshot:
        """Raises Refused, naming the resource, for what cannot be translated; that leaves no trace here."""
        before = self._state
        shared_is_new = any(state.all(kind) is not before.all(kind) for kind in _SHARED)
        if shared_is_new:
            upstreams = self._compile_upstreams(state)
            globals_ = self._globals_of(state)
        else:
            upstreams, globals_ = self._upstreams, self._globals
        new_routes = state.all("routes")
        stale = [
            resource
            for id, resource in new_routes.items()
            if (kept := self._resources.get(id)) is not resource or (shared_is_new and kept is not None)
        ]
        made = {resource.id: self._compile_route(resource, state, upstreams, globals_) for resource in stale}
        extension = self._extension
        if not extension or any(state.all(kind) is not before.all(kind) for kind in _FOR_LUA):
            extension = lua_extension(lua_sources(self._resolved(state), shm_path=self._options.shm_path))
        try:
            self._replace(new_routes, made)
            self._state, self._upstreams, self._globals = state, upstreams, globals_
            self._resources, self._extension = new_routes, extension
            return self._snapshot()
        except BaseException:
            self.__init__(self._options)  # type: ignore[misc]
            raise

    def _replace(self, resources: Mapping[str, Resource], made: Mapping[str, _Route | None]) -> None:
        gone = self._resources.keys() - resources.keys()
        for id in gone:
            self._drop(id)
        for id, route in made.items():
            kept = self._routes.get(id)
            if kept is not None and route is not None and kept.made_from == route.made_from:
                self._routes[id] = route
                continue
            self._drop(id)
            if route is not None:
                self._routes[id] = route
                self._table.add(route.hosts, route.candidates)

    def _drop(self, id: str) -> None:
        old = self._routes.pop(id, None)
        if old is not None:
            self._table.remove(old.hosts, old.candidates)

    def _snapshot(self) -> Snapshot:
        program = build_program(globals_=self._globals, plugins={}, scope={}) if self._globals else None
        table = self._table.build(program)
        used = {
            (route.upstream.name, route.connect): route.upstream
            for route in self._routes.values()
            if route.upstream
        }
        clusters, endpoints, secrets = {}, {}, {}
        kept_clusters, kept_endpoints = self._clusters, self._endpoints
        self._clusters, self._endpoints = {}, {}
        for (name, connect), upstream in sorted(used.items(), key=lambda item: item[0]):
            kept = kept_clusters.get((name, connect))
            if kept is None or kept[0] is not upstream:
                kept = (upstream, upstream.cluster(connect))
            self._clusters[name, connect] = kept
            clusters[upstream.cluster_name(connect)] = kept[1]
            if upstream.over_eds:
                load = kept_endpoints.get(name)
                if load is None or load[0] is not upstream:
                    load = (upstream, upstream.endpoints())
                self._endpoints[name] = load
                endpoints[name] = load[1]
            if (certificate := upstream.client_certificate) is not None:
                secrets[certificate.name] = certificate.secret()
        return Snapshot(
            {
                SECRET: secrets,
                CLUSTER: clusters,
                ENDPOINTS: endpoints,
                LISTENER: {names.LISTENER: self._listener},
                EXTENSION: {names.LUA_FILTER: self._extension},
                ROUTES: {names.ROUTES: route_table(table)},
            }
        )

    def _compile_upstreams(self, state: State) -> dict[str, Upstream]:
        made = {}
        for id, resource in state.all("upstreams").items():
            certificate = self._certificate(resource.value, state)
            kept = self._upstreams.get(id)
            if kept and kept.conf is resource.value and kept.client_certificate == certificate:
                made[id] = kept
            else:
                made[id] = compile_upstream(
                    resource.value,
                    id=id,
                    where=f"upstream {id}",
                    client_certificate=certificate,
                    trusted_ca=self._options.trusted_ca,
                )
        return made

    def _certificate(self, conf: Mapping[str, JSON], state: State) -> ClientCertificate | None:
        tls = conf.get("tls", {})
        if "client_cert_id" in tls:
            ssl = state.get("ssls", str(tls["client_cert_id"]))
            tls = (
                {"client_cert": ssl.value["cert"], "client_key": ssl.value["key"]} if ssl is not None else {}
            )
        if "client_cert" not in tls:
            return None
        texts = (resolve(tls[name], self._options.environment) for name in ("client_cert", "client_key"))
        return ClientCertificate(*texts)

    def _globals_of(self, state: State) -> _Globals:
        rules = sorted(state.all("global_rules").values(), key=lambda rule: (rule.created_index, rule.id))
        found = [resolve(rule.value.get("plugins", {}), self._options.environment) for rule in rules]
        return self._globals if found == self._globals else found

    def _resolved(self, state: State) -> State:
        """``state`` with the references to the environment replaced in what the Lua is given."""
        environment = self._options.environment
        kinds = dict(state.kinds)
        for kind in _FOR_LUA:
            kinds[kind] = {
                id: Resource(kind, id, value, resource.created_index, resource.modified_index)
                if (value := resolve(resource.value, environment)) is not resource.value
                else resource
                for id, resource in state.all(kind).items()
            }
        return State(state.revision, kinds)

    def _compile_route(
        self, resource: Resource, state: State, upstreams: Mapping[str, Upstream], globals_: _Globals
    ) -> _Route | None:
        value = resource.value
        if value.get("status", 1) == 0:
            return None
        service = state.get("services", str(value["service_id"])) if "service_id" in value else None
        plugin_config = (
            state.get("plugin_configs", str(value["plugin_config_id"]))
            if "plugin_config_id" in value
            else None
        )
        merged = merge(resource, service, plugin_config)
        upstream = self._upstream_of(merged, state, upstreams)
        profile = upstream.profile if isinstance(upstream, Upstream) else upstream
        made_from = (resource, service, plugin_config, profile, globals_)
        kept = self._routes.get(resource.id)
        same = kept is not None and all(
            a is b or a == b for a, b in zip(kept.made_from, made_from, strict=True)
        )
        if kept is not None and same:
            candidates = kept.candidates
        else:
            candidates = self._candidates(merged, upstream, globals_)
        if not isinstance(upstream, Upstream):
            return _Route(made_from, merged.hosts, candidates, None, 0)
        return _Route(made_from, merged.hosts, candidates, upstream, routes.connect_timeout(merged, upstream))

    def _upstream_of(
        self, merged: Merged, state: State, upstreams: Mapping[str, Upstream]
    ) -> Upstream | Missing:
        wanted = merged.upstream
        if isinstance(wanted, Named):
            return upstreams.get(wanted.id) or Missing(502)
        if isinstance(wanted, Inline):
            return compile_upstream(
                wanted.conf,
                id=None,
                where=f"route {merged.id}",
                client_certificate=self._certificate(wanted.conf, state),
                trusted_ca=self._options.trusted_ca,
            )
        return wanted or Missing(503)

    def _candidates(
        self, merged: Merged, upstream: Upstream | Missing, globals_: _Globals
    ) -> tuple[Candidate, ...]:
        value = merged.value
        patterns = [parse(uri) for uri in merged.uris]
        scope = merged.scope
        if any(pattern.regex for pattern in patterns):
            scope["uris"] = list(merged.uris)
        program = None
        if merged.plugins or globals_:
            plugins = resolve(merged.plugins, self._options.environment)
            program = build_program(globals_=globals_, plugins=plugins, scope=scope)
        if isinstance(upstream, Missing):
            leads_to = act(routes.answered(merged, upstream.status, program))
        else:
            leads_to = _proxied(merged, upstream, program)
        addresses = value.get("remote_addrs") or ([value["remote_addr"]] if "remote_addr" in value else ())
        return tuple(
            Candidate(
                id=merged.id,
                pattern=pattern,
                order=(-value.get("priority", 0), -len(pattern.text), merged.created),
                methods=tuple(value.get("methods", ())),
                addresses=tuple(addresses),
                condition=compile_vars(value["vars"]) if value.get("vars") else None,
                scope=scope,
                leads_to=leads_to,
                program=program,
            )
            for pattern in patterns
        )


def _proxied(merged: Merged, upstream: Upstream, program: Program | None) -> OnMatch:
    made = {
        idempotent: act(routes.proxied(merged, upstream, program, idempotent=idempotent))
        for idempotent in variants(upstream, merged.value.get("methods", ()))
    }
    if len(made) == 1:
        return next(iter(made.values()))
    return by_method(NOT_IDEMPOTENT, made[False], made[True])
