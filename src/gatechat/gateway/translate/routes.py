"""One route as the Envoy route that a match leads to.

What all routes have in common is in listener.py and shell.py: each carries only what is its own, because
Envoy's time to take in a table of 10,000 goes with its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf.wrappers_pb2 import BoolValue

from gatechat.gateway.model import JSON
from gatechat.gateway.plugins import Program
from gatechat.gateway.plugins.prometheus import mark, mark_stand_in
from gatechat.gateway.translate import names, pages
from gatechat.gateway.translate.merge import Merged
from gatechat.gateway.translate.retries import wait_and_retry
from gatechat.gateway.translate.upstreams import DEFAULT_TIMEOUT, Upstream
from gatechat.gateway.translate.wire import dump


def proxied(merged: Merged, upstream: Upstream, program: Program | None, *, idempotent: bool) -> bytes:
    """The route to ``upstream``, for requests that may be sent twice (``idempotent``) or may not."""
    route = _bare(merged.id)
    action = route.route
    timeout = merged.timeout or upstream.conf.get("timeout") or {}
    action.cluster = upstream.cluster_name(connect_timeout(merged, upstream))
    action.timeout.SetInParent()
    _host(action, upstream)
    wait_and_retry(action, upstream, float(timeout.get("read", DEFAULT_TIMEOUT)), idempotent=idempotent)
    if merged.websocket:
        _allow_websocket(route)
    if program is not None and program.node:
        _set_header(route, names.NODE, "%UPSTREAM_REMOTE_ADDRESS%")
    _run(route, merged.scope, program, merged.uris, merged.hosts or ())
    return dump(route)


def connect_timeout(merged: Merged, upstream: Upstream) -> float:
    """Seconds. A route's timeout comes before the upstream's: set_balancer_opts in apisix/balancer.lua."""
    return float(merged.timeout["connect"]) if merged.timeout else upstream.connect_timeout


def answered(merged: Merged, status: int, program: Program | None) -> bytes:
    """A route that has nowhere to send its requests: the plugins run, then the answer is ``status``."""
    return _direct(merged.id, merged.scope, status, pages.page(status), pages.HTML, program)


def not_found(program: Program | None) -> bytes:
    """What a request is told that no route wanted. ``program`` runs the global rules."""
    return _direct("", {}, 404, pages.NOT_FOUND, pages.PLAIN_TEXT, program)


def dispatching(program: Program, *, websocket: bool) -> bytes:
    """The stand-in for routes that are chosen by conditions: its Lua chooses, and has the request matched
    again. ``websocket``: one of them takes upgrades.
    """
    route = _bare("")
    if websocket:
        _stand_in_for_websockets(route)
    else:
        route.direct_response.status = 404
    _run_lua(route, program)
    if program.prometheus is not None:
        mark_stand_in(route)
    return dump(route)


def finding_host() -> bytes:
    """The stand-in for a Host with capitals or a foreign port: its Lua has the request matched with a plain
    one.

    The plugins' filter is enabled here too: which filters a request passes is settled before the second
    match, and so is whether it may be upgraded.
    """
    route = _bare("")
    _stand_in_for_websockets(route)
    for name in (names.HOST_FILTER, names.LUA_FILTER):
        source = "host" if name == names.HOST_FILTER else "both"
        route.typed_per_filter_config[name].Pack(lua_pb2.LuaPerRoute(name=source))
    mark_stand_in(route)
    return dump(route)


def _stand_in_for_websockets(route: pb.Route) -> None:
    """Envoy takes no upgrade for a direct response. No request gets to the cluster, which is not there."""
    route.route.cluster = "none"
    _allow_websocket(route)


def _allow_websocket(route: pb.Route) -> None:
    """The metadata tells the Lua that looks for the host."""
    route.route.upgrade_configs.add(upgrade_type="websocket", enabled=BoolValue(value=True))
    route.metadata.filter_metadata[names.HOST_FILTER].update({"websocket": True})


def _bare(name: str) -> pb.Route:
    route = pb.Route(name=name)
    route.match.prefix = ""
    return route


def _direct(
    name: str, scope: Mapping[str, JSON], status: int, body: str, content_type: str, program: Program | None
) -> bytes:
    route = _bare(name)
    route.direct_response.status = status
    route.direct_response.body.inline_string = body
    _set_header(route, "content-type", content_type)
    _run(route, scope, program)
    return dump(route)


def _set_header(route: pb.Route, name: str, value: str) -> None:
    header = route.response_headers_to_add.add()
    header.header.key, header.header.value = name, value
    header.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def _host(action: pb.RouteAction, upstream: Upstream) -> None:
    mode = upstream.conf.get("pass_host", "pass")
    if mode == "rewrite":
        action.host_rewrite_literal = upstream.conf["upstream_host"]
    elif mode == "node":
        action.auto_host_rewrite.value = True


def _run(
    route: pb.Route,
    scope: Mapping[str, JSON],
    program: Program | None,
    uris: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> None:
    if program is None:
        return
    _run_lua(route, program)
    if program.prometheus is not None:
        uri, host = (patterns[0] if len(patterns) == 1 else "" for patterns in (uris, hosts))
        mark(route, program.prometheus, scope, uri=uri, host=host)


def _run_lua(route: pb.Route, program: Program) -> None:
    if program.text:
        lua = lua_pb2.LuaPerRoute(name="both" if program.response else "request")
        lua.filter_context.update({"k": program.key, "p": program.text})
        route.typed_per_filter_config[names.LUA_FILTER].Pack(lua, deterministic=True)
