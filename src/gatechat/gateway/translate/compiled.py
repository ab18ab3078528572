"""One route and all that it is made from, as candidates for the matcher tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gatechat.gateway.model import JSON, Resource, State
from gatechat.gateway.plugins import Program, build_program, compile_vars
from gatechat.gateway.translate import routes
from gatechat.gateway.translate.matching import Candidate, OnMatch, act, by_method
from gatechat.gateway.translate.merge import Inline, Merged, Missing, Named, merge
from gatechat.gateway.translate.paths import parse
from gatechat.gateway.translate.retries import NOT_IDEMPOTENT, variants
from gatechat.gateway.translate.secrets import resolve
from gatechat.gateway.translate.upstreams import Upstream

Globals: TypeAlias = Sequence[Mapping[str, JSON]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What routes are made from besides themselves. ``inline`` compiles the upstream within a route."""

    state: State
    upstreams: Mapping[str, Upstream]
    globals_: Globals
    environment: Mapping[str, str]
    inline: Callable[[Mapping[str, JSON], str], Upstream]


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """``candidates`` and ``hosts`` are for the table; ``connect`` (seconds) chooses ``upstream``'s cluster.

    The rest is what it was made from.
    """

    resource: Resource
    service: Resource | None
    plugin_config: Resource | None
    globals_: Globals
    wanted: Named | Inline | Missing
    upstream: Upstream | Missing
    connect: float
    hosts: tuple[str, ...] | None
    candidates: tuple[Candidate, ...]


def compile_route(
    resource: Resource, around: Surroundings, kept: CompiledRoute | None
) -> CompiledRoute | None:
    """None for a route that is switched off. ``kept`` is what the route was compiled to before, if it was.

    Its candidates are kept where nothing that they are made from changed. Raises Refused.
    """
    value = resource.value
    if value.get("status", 1) == 0:
        return None
    service = _referred(around.state, "services", value.get("service_id"))
    plugin_config = _referred(around.state, "plugin_configs", value.get("plugin_config_id"))
    if (
        kept is not None
        and kept.resource is resource
        and kept.service is service
        and kept.plugin_config is plugin_config
        and kept.globals_ is around.globals_
    ):
        upstream = kept.upstream if _is_whole(kept.wanted) else _found(kept.wanted, around, resource.id)
        if upstream is kept.upstream:
            return kept
        if _profile(upstream) == _profile(kept.upstream):
            return replace(kept, upstream=upstream)
    merged = merge(resource, service, plugin_config)
    wanted = merged.upstream or Missing(503)
    upstream = _found(wanted, around, resource.id)
    return CompiledRoute(
        resource,
        service,
        plugin_config,
        around.globals_,
        wanted,
        upstream,
        connect=0 if isinstance(upstream, Missing) else routes.connect_timeout(merged, upstream),
        hosts=merged.hosts,
        candidates=_candidates(merged, upstream, around),
    )


def _referred(state: State, kind: str, id: JSON | None) -> Resource | None:
    return None if id is None else state.get(kind, str(id))


def _is_whole(wanted: Named | Inline | Missing) -> bool:
    """Whether it refers to nothing else."""
    return isinstance(wanted, Inline) and "client_cert_id" not in wanted.conf.get("tls", {})


def _found(wanted: Named | Inline | Missing, around: Surroundings, route: str) -> Upstream | Missing:
    if isinstance(wanted, Named):
        return around.upstreams.get(wanted.id) or Missing(502)
    return around.inline(wanted.conf, route) if isinstance(wanted, Inline) else wanted


def _profile(upstream: Upstream | Missing) -> object:
    return upstream.profile if isinstance(upstream, Upstream) else upstream


def _candidates(merged: Merged, upstream: Upstream | Missing, around: Surroundings) -> tuple[Candidate, ...]:
    value = merged.value
    patterns = [parse(uri) for uri in merged.uris]
    scope = merged.scope
    if any(pattern.regex for pattern in patterns):
        scope["uris"] = list(merged.uris)
    program = None
    if merged.plugins or around.globals_:
        plugins = resolve(merged.plugins, around.environment)
        program = build_program(globals_=around.globals_, plugins=plugins, scope=scope)
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
            websocket=merged.websocket,
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
