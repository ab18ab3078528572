"""What is around the routes: the route table with what all of them have in common, and the Lua they run."""

from __future__ import annotations

from collections.abc import Mapping

from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf.wrappers_pb2 import BoolValue

from gatechat.gateway.translate import names
from gatechat.gateway.translate.wire import dump, extension, field, type_url

_VIRTUAL_HOST = dump(route_components_pb2.VirtualHost(name=names.ROUTES, domains=["*"]))


def route_table(matcher: bytes) -> bytes:
    """The RouteConfiguration whose one virtual host finds routes by ``matcher``."""
    matcher_field = route_components_pb2.VirtualHost.DESCRIPTOR.fields_by_name["matcher"].number
    hosts_field = route_pb2.RouteConfiguration.DESCRIPTOR.fields_by_name["virtual_hosts"].number
    return _COMMON + field(hosts_field, _VIRTUAL_HOST + field(matcher_field, matcher))


def lua_extension(sources: Mapping[str, str]) -> bytes:
    lua = lua_pb2.Lua(clear_route_cache=BoolValue(value=False))
    for name, text in sources.items():
        lua.source_codes[name].inline_string = text
    return extension(names.LUA_FILTER, type_url(lua_pb2.Lua), dump(lua))


def _common() -> bytes:
    """The private headers stay here."""
    table = route_pb2.RouteConfiguration(name=names.ROUTES)
    table.request_headers_to_remove.extend(names.PRIVATE)
    return dump(table)


_COMMON = _common()
