"""The whole state as one snapshot. The outcome depends on the state alone; what did not change is not made
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatechat.gateway.model import JSON, Resource, State
from gatechat.gateway.plugins import build_program, lua_sources
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.translate import names
from gatechat.gateway.translate.compiled import CompiledRoute, Globals, Surroundings, compile_route
from gatechat.gateway.translate.listener import listener
from gatechat.gateway.translate.options import Options
from gatechat.gateway.translate.secrets import resolve
from gatechat.gateway.translate.shell import lua_extension, route_table
from gatechat.gateway.translate.table import Table
from gatechat.gateway.translate.tls import ClientCertificate
from gatechat.gateway.translate.upstreams import Upstream, compile_upstream
from gatechat.gateway.translate.values import key_of

_SHARED = ("services", "plugin_configs", "upstreams", "ssls", "global_rules")
"""Kinds that routes are made from, besides their own."""
_SPARE = 1000
"""How many compiled inline upstreams may be kept that no route has any more, besides one for each route."""
_FOR_LUA = ("consumers", "credentials", "consumer_groups", "plugin_metadata")


@dataclass(slots=True)
class _Kept:
    """What the last compilation made: ``table`` holds the candidates of ``routes``."""

    table: Table
    state: State = field(default_factory=State)
    routes: dict[str, CompiledRoute] = field(default_factory=dict)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    inline: dict[str, Upstream] = field(default_factory=dict)
    """By content: what equal upstreams of any number of routes share."""
    globals_: Globals = ()
    extension: bytes = b""


class Translator:
    """Keeps what it made last, so that a change costs what it changes. Not for several threads at a time."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._listener = listener(options)
        self._kept = _Kept(Table(options.proxy_port))

    def compile(self, state: State) -> Snapshot:
        """Raises Refused, naming the resource, for what cannot be translated; that leaves no trace here."""
        kept = self._kept
        shared_is_new = any(state.all(kind) is not kept.state.all(kind) for kind in _SHARED)
        upstreams = self._upstreams(state) if shared_is_new else kept.upstreams
        globals_ = self._globals(state) if shared_is_new else kept.globals_
        inline: dict[str, Upstream] = {}

        def compile_inline(conf: Mapping[str, JSON], route: str) -> Upstream:
            certificate = self._certificate(conf, state)
            key = key_of(conf) + (certificate.name if certificate else "")
            if key not in inline:
                inline[key] = kept.inline.get(key) or self._upstream(conf, certificate, f"route {route}")
            return inline[key]

        around = Surroundings(state, upstreams, globals_, self._options.environment, compile_inline)
        routes, old_routes = state.all("routes"), kept.state.all("routes")
        made = {
            id: compile_route(resource, around, kept.routes.get(id))
            for id, resource in routes.items()
            if shared_is_new or old_routes.get(id) is not resource
        }
        extension = kept.extension
        if not extension or any(state.all(kind) is not kept.state.all(kind) for kind in _FOR_LUA):
            extension = lua_extension(lua_sources(self._resolved(state), shm_path=self._options.shm_path))
        self._kept = _Kept(Table(self._options.proxy_port))  # should anything below fail, all is made anew
        for id in old_routes.keys() - routes.keys():
            _put(kept, id, None)
        for id, route in made.items():
            _put(kept, id, route)
        kept.state, kept.upstreams, kept.globals_, kept.extension = state, upstreams, globals_, extension
        kept.inline |= inline
        if len(kept.inline) > 2 * len(routes) + _SPARE:
            kept.inline = {}
        snapshot = self._snapshot(kept)
        self._kept = kept
        return snapshot

    def _snapshot(self, kept: _Kept) -> Snapshot:
        program = build_program(globals_=kept.globals_, plugins={}, scope={}) if kept.globals_ else None
        used = {
            (upstream.name, route.connect): upstream
            for route in kept.routes.values()
            if isinstance(upstream := route.upstream, Upstream)
        }
        upstreams = sorted({upstream.name: upstream for upstream in used.values()}.items())
        certificates = [one.client_certificate for _, one in upstreams if one.client_certificate]
        return Snapshot(
            {
                SECRET: {certificate.name: certificate.secret() for certificate in certificates},
                CLUSTER: {used[key].cluster_name(key[1]): used[key].cluster(key[1]) for key in sorted(used)},
                ENDPOINTS: {name: upstream.endpoints() for name, upstream in upstreams if upstream.over_eds},
                LISTENER: {names.LISTENER: self._listener},
                EXTENSION: {names.LUA_FILTER: kept.extension},
                ROUTES: {names.ROUTES: route_table(kept.table.build(program))},
            }
        )

    def _upstreams(self, state: State) -> dict[str, Upstream]:
        made = {}
        for id, resource in state.all("upstreams").items():
            certificate = self._certificate(resource.value, state)
            old = self._kept.upstreams.get(id)
            if old is not None and old.conf is resource.value and old.client_certificate == certificate:
                made[id] = old
            else:
                made[id] = self._upstream(resource.value, certificate, f"upstream {id}", id)
        return made

    def _upstream(
        self,
        conf: Mapping[str, JSON],
        certificate: ClientCertificate | None,
        where: str,
        id: str | None = None,
    ) -> Upstream:
        ca = self._options.trusted_ca
        return compile_upstream(conf, id=id, where=where, client_certificate=certificate, trusted_ca=ca)

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

    def _globals(self, state: State) -> Globals:
        rules = sorted(state.all("global_rules").values(), key=lambda rule: (rule.created_index, rule.id))
        found = [resolve(rule.value.get("plugins", {}), self._options.environment) for rule in rules]
        return self._kept.globals_ if found == self._kept.globals_ else found

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


def _put(kept: _Kept, id: str, route: CompiledRoute | None) -> None:
    old = kept.routes.get(id)
    if route is not None and old is not None and old.candidates is route.candidates:
        kept.routes[id] = route
        return
    if old is not None:
        kept.table.remove(old.hosts, old.candidates)
        del kept.routes[id]
    if route is not None:
        kept.table.add(route.hosts, route.candidates)
        kept.routes[id] = route
