"""The listener: everything that all traffic passes, settled once so that no change of a route touches it."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from gatechat.gateway.plugins.prometheus import access_logs, counting_filters
from gatechat.gateway.translate import names
from gatechat.gateway.translate.options import Options
from gatechat.gateway.translate.replies import local_replies
from gatechat.gateway.translate.values import duration, over_ads
from gatechat.gateway.translate.wire import dump, type_url

_HOST_SCRIPT = """
-- Has the request matched as if its Host had neither capitals nor a port.
-- The Host itself stays as the client sent it.
function envoy_on_request(handle)
  local headers = handle:headers()
  local authority = headers:get(":authority")
  headers:replace(":authority", (authority:lower():gsub(":%d+$", "")))
  handle:clearRouteCache()
  local websocket = handle:metadata():get("websocket") -- asks for the route: it is matched now
  headers:replace(":authority", authority)
  if not websocket and headers:get("upgrade") then handle:respond({ [":status"] = "403" }) end
end
"""
_OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_APPEND = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
_TRUSTED = ("127.0.0.1",)
"""APISIX's ``real_ip_from``; X-Real-IP is its ``real_ip_header``."""
_LARGEST_HEADERS_KB = 96
"""Of all the headers of a request or response; nginx takes four buffers of 8 kB and APISIX's users send large
cookies.
"""
_MOST_HEADERS = 1000
"""nginx does not count them; Envoy's own limit is 100."""
_IDLE_STREAM = 60.0
"""Seconds without a byte in either direction: nginx's client_body_timeout and proxy_read_timeout."""
_IDLE_CONNECTION = 60.0
"""Seconds (keepalive_timeout of APISIX's config.lua)."""
_REQUEST_HEADERS = 60.0
"""Seconds (client_header_timeout)."""


def listener(options: Options) -> bytes:
    out = listener_pb2.Listener(name=names.LISTENER)
    address = out.address.socket_address
    address.address, address.port_value = options.proxy_address, options.proxy_port
    for sources in (_TRUSTED, ()):
        chain = out.filter_chains.add(name="trusted" if sources else "all")
        for source in sources:
            chain.filter_chain_match.source_prefix_ranges.add(address_prefix=source).prefix_len.value = 32
        manager = chain.filters.add(name="envoy.filters.network.http_connection_manager")
        manager.typed_config.Pack(_connection_manager(options.proxy_port, trusting=bool(sources)))
    return dump(out)


def _connection_manager(port: int, *, trusting: bool) -> hcm.HttpConnectionManager:
    """``trusting``: the client is a proxy on this machine, whose X-Real-IP says who the client is."""
    manager = hcm.HttpConnectionManager(
        stat_prefix="gatechat",
        rds=hcm.Rds(route_config_name=names.ROUTES, config_source=over_ads()),
        server_name="gatechat",
        use_remote_address=BoolValue(value=False),
        skip_xff_append=True,
        generate_request_id=BoolValue(value=False),
        normalize_path=BoolValue(value=True),
        merge_slashes=True,
        max_request_headers_kb=UInt32Value(value=_LARGEST_HEADERS_KB),
        stream_idle_timeout=duration(_IDLE_STREAM),
        request_headers_timeout=duration(_REQUEST_HEADERS),
        local_reply_config=local_replies(),
    )
    manager.common_http_protocol_options.idle_timeout.CopyFrom(duration(_IDLE_CONNECTION))
    manager.common_http_protocol_options.max_headers_count.value = _MOST_HEADERS
    manager.upgrade_configs.add(upgrade_type="websocket", enabled=BoolValue(value=False))
    manager.http_protocol_options.ignore_http_11_upgrade.add(prefix="h2c", ignore_case=True)
    manager.http_protocol_options.accept_http_10 = True
    manager.http_protocol_options.allow_custom_methods = True
    manager.http_protocol_options.default_host_for_http_10 = "localhost"
    early = manager.early_header_mutation_extensions.add(
        name="envoy.http.early_header_mutation.header_mutation"
    )
    early.typed_config.Pack(_request_headers(port, trusting=trusting))
    manager.http_filters.extend([_host_filter(), *counting_filters(), _plugins_filter(), _router()])
    manager.access_log.extend(access_logs())
    return manager


def _request_headers(port: int, *, trusting: bool) -> header_mutation_pb2.HeaderMutation:
    """What the client may not say is dropped; then what routes are matched by and what upstreams are told is
    written.

    Upstreams are told what APISIX's nginx tells them (apisix/cli/ngx_tpl.lua), here and not in the route
    table, so that plugins can say otherwise.
    """
    mutation = header_mutation_pb2.HeaderMutation()
    for prefix in (names.PRIVATE_PREFIX, "x-envoy-"):
        mutation.mutations.add().remove_on_match.key_matcher.prefix = prefix
    mutation.mutations.add(remove="forwarded")
    written = [
        (names.PATH, "%PATH(NQ:PATH)%", _OVERWRITE),
        (names.ADDRESS, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", _OVERWRITE),
        *([(names.ADDRESS, "%REQ(x-real-ip)%", _OVERWRITE)] if trusting else []),
        ("x-real-ip", f"%REQ({names.ADDRESS})%", _OVERWRITE),
        ("x-forwarded-for", f"%REQ({names.ADDRESS})%", _APPEND),
        ("x-forwarded-proto", "http", _OVERWRITE),
        ("x-forwarded-host", "%REQ(:AUTHORITY)%", _OVERWRITE),
        ("x-forwarded-port", str(port), _OVERWRITE),
    ]
    for name, value, action in written:
        append = mutation.mutations.add().append
        append.header.key, append.header.value = name, value
        append.append_action = action
    return mutation


def _host_filter() -> hcm.HttpFilter:
    lua = lua_pb2.Lua(clear_route_cache=BoolValue(value=False))
    lua.source_codes["host"].inline_string = _HOST_SCRIPT
    filter = hcm.HttpFilter(name=names.HOST_FILTER, disabled=True)
    filter.typed_config.Pack(lua)
    return filter


def _plugins_filter() -> hcm.HttpFilter:
    """Its Lua comes over ECDS: a new consumer changes neither the listener nor the routes."""
    filter = hcm.HttpFilter(name=names.LUA_FILTER, disabled=True)
    filter.config_discovery.config_source.CopyFrom(over_ads())
    filter.config_discovery.type_urls.append(type_url(lua_pb2.Lua))
    return filter


def _router() -> hcm.HttpFilter:
    router = router_pb2.Router(suppress_envoy_headers=True, dynamic_stats=BoolValue(value=False))
    filter = hcm.HttpFilter(name="envoy.filters.http.router")
    filter.typed_config.Pack(router)
    return filter
