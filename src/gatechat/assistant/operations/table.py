"""The table itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatechat.apisix.kinds import PAGE_SIZES, PREFIX
from gatechat.apisix.schemas import CONSUMER, ID
from gatechat.assistant.operations import examples
from gatechat.assistant.operations.operation import Body, Operation, Parameter, Risk

_ID_TEXT = dict(ID["anyOf"][0])


def _id(kind: str) -> Parameter:
    return Parameter(
        "id",
        "path",
        f"The {kind}'s id: 1 to 64 letters, digits, '-', '_' and '.'. A {kind}'s name is not its id.",
        _ID_TEXT,
        examples.EXAMPLE_ID,
    )


_USERNAME = Parameter(
    "username",
    "path",
    "The consumer's username: letters, digits, '_' and '-'.",
    CONSUMER["properties"]["username"],
    examples.EXAMPLE_USERNAME,
)
_CREDENTIAL_ID = Parameter(
    "credential_id",
    "path",
    "The credential's id, chosen by whoever creates it. It is no secret and not the key itself.",
    _ID_TEXT,
    examples.EXAMPLE_CREDENTIAL,
)
_PAGE = (
    Parameter("page", "query", "Which page, from 1. Needs page_size.", {"type": "integer", "minimum": 1}),
    Parameter(
        "page_size",
        "query",
        "How many on a page. Without page and page_size all come at once; with many resources use 20.",
        {"type": "integer", "minimum": PAGE_SIZES[0], "maximum": PAGE_SIZES[-1]},
    ),
)
_NAME = Parameter(
    "name",
    "query",
    "Only those whose name matches this regular expression; plain text matches inside a name.",
    {"type": "string"},
)
_LABEL = Parameter("label", "query", "Only those that have a label with this key.", {"type": "string"})
_URI = Parameter(
    "uri",
    "query",
    "Only routes whose uri or one of uris matches this regular expression; plain text matches inside.",
    {"type": "string"},
)
_FILTER = Parameter(
    "filter",
    "query",
    "Only routes that use one service or upstream: service_id=ID or upstream_id=ID.",
    {"type": "string"},
)
_TTL = Parameter(
    "ttl",
    "query",
    "Seconds after which the resource disappears by itself. Leave out to keep it for ever.",
    {"type": "integer", "minimum": 1},
)
_FORCE = Parameter(
    "force",
    "query",
    "true deletes it although others still use it; those then fail. Only when the user asks for that.",
    {"type": "string", "enum": ["true"]},
)
_PLUGIN_NAME = Parameter(
    "plugin_name",
    "path",
    "A plugin's name as getAllPlugins lists it.",
    {"type": "string"},
    "limit-count",
)
_SCHEMA_TYPE = Parameter(
    "schema_type",
    "query",
    "consumer: what the plugin takes inside a consumer or a credential (key-auth: the key). Leave out for "
    "routes, services and everything else.",
    {"type": "string", "enum": ["consumer"]},
)

_FOUND: Mapping[int, str] = {200: "Found."}
_CREATED: Mapping[int, str] = {201: "Created; value.id is its id."}
_PUT: Mapping[int, str] = {200: "Replaced.", 201: "Created."}
_CHANGED: Mapping[int, str] = {200: "Changed; value is the whole new state."}
_DELETED: Mapping[int, str] = {200: "Deleted."}

_ROUTES = f"{PREFIX}/routes"
_UPSTREAMS = f"{PREFIX}/upstreams"
_SERVICES = f"{PREFIX}/services"
_CONSUMERS = f"{PREFIX}/consumers"
_CREDENTIALS = f"{_CONSUMERS}/{{username}}/credentials"

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "getAllRoutes",
        "get",
        _ROUTES,
        "Route",
        "Get all routes",
        "Lists routes with their ids, paths, plugins and upstreams. Look here first, before a route is "
        "created or changed.",
        Risk.READ,
        "RouteList",
        _FOUND,
        (*_PAGE, _NAME, _LABEL, _URI, _FILTER),
    ),
    Operation(
        "createRoute",
        "post",
        _ROUTES,
        "Route",
        "Create a route",
        "Puts an API behind the gateway: requests that match uri (and host, methods, vars) go to the "
        "upstream. Give upstream, upstream_id or service_id. The gateway chooses the id. Calling it twice "
        "makes two routes.",
        Risk.WRITE,
        "RouteEntry",
        _CREATED,
        (_TTL,),
        Body("Route", examples.new_route),
    ),
    Operation(
        "getRouteById",
        "get",
        f"{_ROUTES}/{{id}}",
        "Route",
        "Get a route by id",
        "Shows one route with all its settings.",
        Risk.READ,
        "RouteEntry",
        _FOUND,
        (_id("route"),),
    ),
    Operation(
        "replaceRoute",
        "put",
        f"{_ROUTES}/{{id}}",
        "Route",
        "Create or replace a route under an id",
        "Stores exactly this route under the id you choose; whatever was there is gone, so send everything "
        "that is to stay. To change only some fields use updateRoute.",
        Risk.WRITE,
        "RouteEntry",
        _PUT,
        (_id("route"), _TTL),
        Body("Route", examples.whole_route),
    ),
    Operation(
        "updateRoute",
        "patch",
        f"{_ROUTES}/{{id}}",
        "Route",
        "Change some fields of a route",
        "Merges the body into the route: fields you send change, null removes a field, lists are replaced "
        'whole, the rest stays. {"status": 0} switches a route off, {"plugins": {"key-auth": null}} '
        "removes a plugin.",
        Risk.WRITE,
        "RouteEntry",
        _CHANGED,
        (_id("route"), _TTL),
        Body("RouteChange", examples.route_change),
    ),
    Operation(
        "deleteRoute",
        "delete",
        f"{_ROUTES}/{{id}}",
        "Route",
        "Delete a route",
        "Its paths stop working at once. Ask the user first, and name the route's id and paths.",
        Risk.DELETE,
        "Deleted",
        _DELETED,
        (_id("route"),),
    ),
    Operation(
        "getAllUpstreams",
        "get",
        _UPSTREAMS,
        "Upstream",
        "Get all upstreams",
        "Lists upstreams: the backend servers that routes and services can share by upstream_id.",
        Risk.READ,
        "UpstreamList",
        _FOUND,
        (*_PAGE, _NAME, _LABEL),
    ),
    Operation(
        "getUpstreamById",
        "get",
        f"{_UPSTREAMS}/{{id}}",
        "Upstream",
        "Get an upstream by id",
        "Shows one upstream: its nodes, weights, health checks and timeouts.",
        Risk.READ,
        "UpstreamEntry",
        _FOUND,
        (_id("upstream"),),
    ),
    Operation(
        "createOrReplaceUpstream",
        "put",
        f"{_UPSTREAMS}/{{id}}",
        "Upstream",
        "Create or replace an upstream under an id",
        "Stores backend servers under the id you choose, for routes and services to use as upstream_id. "
        "Replaces the whole upstream that was there.",
        Risk.WRITE,
        "UpstreamEntry",
        _PUT,
        (_id("upstream"), _TTL),
        Body("Upstream", examples.upstream),
    ),
    Operation(
        "updateUpstream",
        "patch",
        f"{_UPSTREAMS}/{{id}}",
        "Upstream",
        "Change some fields of an upstream",
        "Merges the body into the upstream, for every route and service that uses it. null removes: "
        '{"nodes": {"10.0.0.1:80": null, "10.0.0.2:80": 1}} swaps one node for another. Lists are replaced '
        "whole.",
        Risk.WRITE,
        "UpstreamEntry",
        _CHANGED,
        (_id("upstream"), _TTL),
        Body("UpstreamChange", examples.upstream_change),
    ),
    Operation(
        "deleteUpstream",
        "delete",
        f"{_UPSTREAMS}/{{id}}",
        "Upstream",
        "Delete an upstream",
        "Refused while a route or service uses it; the answer names which. Ask the user first.",
        Risk.DELETE,
        "Deleted",
        _DELETED,
        (_id("upstream"), _FORCE),
    ),
    Operation(
        "getAllServices",
        "get",
        _SERVICES,
        "Service",
        "Get all services",
        "Lists services: plugins, hosts and an upstream that several routes share by service_id.",
        Risk.READ,
        "ServiceList",
        _FOUND,
        (*_PAGE, _NAME, _LABEL),
    ),
    Operation(
        "getServiceById",
        "get",
        f"{_SERVICES}/{{id}}",
        "Service",
        "Get a service by id",
        "Shows one service with all its settings.",
        Risk.READ,
        "ServiceEntry",
        _FOUND,
        (_id("service"),),
    ),
    Operation(
        "createOrReplaceService",
        "put",
        f"{_SERVICES}/{{id}}",
        "Service",
        "Create or replace a service under an id",
        "Stores what several routes have in common under the id you choose; routes use it as service_id, "
        "and what a route says itself wins. Replaces the whole service that was there.",
        Risk.WRITE,
        "ServiceEntry",
        _PUT,
        (_id("service"), _TTL),
        Body("Service", examples.service),
    ),
    Operation(
        "updateService",
        "patch",
        f"{_SERVICES}/{{id}}",
        "Service",
        "Change some fields of a service",
        "Merges the body into the service, for every route that uses it: fields you send change, null "
        "removes a field, lists are replaced whole, the rest stays.",
        Risk.WRITE,
        "ServiceEntry",
        _CHANGED,
        (_id("service"), _TTL),
        Body("ServiceChange", examples.service_change),
    ),
    Operation(
        "deleteService",
        "delete",
        f"{_SERVICES}/{{id}}",
        "Service",
        "Delete a service",
        "Refused while a route uses it; the answer names which. Ask the user first.",
        Risk.DELETE,
        "Deleted",
        _DELETED,
        (_id("service"), _FORCE),
    ),
    Operation(
        "getAllConsumers",
        "get",
        _CONSUMERS,
        "Consumer",
        "Get all consumers",
        "Lists consumers: those who call APIs through the gateway and are known by their credentials.",
        Risk.READ,
        "ConsumerList",
        _FOUND,
        (*_PAGE, _LABEL),
    ),
    Operation(
        "createOrReplaceConsumer",
        "put",
        _CONSUMERS,
        "Consumer",
        "Create or replace a consumer",
        "Stores the consumer named by username in the body, replacing all of one that was there. Then give "
        "it a credential, and put key-auth (or another auth plugin) on the routes that are to ask for it.",
        Risk.WRITE,
        "ConsumerEntry",
        _PUT,
        (_TTL,),
        Body("Consumer", examples.consumer),
    ),
    Operation(
        "getConsumerByUsername",
        "get",
        f"{_CONSUMERS}/{{username}}",
        "Consumer",
        "Get a consumer by username",
        "Shows one consumer. Its keys are under getAllCredentials.",
        Risk.READ,
        "ConsumerEntry",
        _FOUND,
        (_USERNAME,),
    ),
    Operation(
        "deleteConsumer",
        "delete",
        f"{_CONSUMERS}/{{username}}",
        "Consumer",
        "Delete a consumer",
        "The consumer and its credentials are gone; its calls are refused from then on. Ask the user first.",
        Risk.DELETE,
        "Deleted",
        _DELETED,
        (_USERNAME,),
    ),
    Operation(
        "getAllCredentials",
        "get",
        _CREDENTIALS,
        "Credential",
        "Get all credentials of a consumer",
        "Lists a consumer's credentials. They hold secrets: never repeat a key or password to anybody.",
        Risk.READ,
        "CredentialList",
        _FOUND,
        (_USERNAME,),
    ),
    Operation(
        "createOrReplaceCredential",
        "put",
        f"{_CREDENTIALS}/{{credential_id}}",
        "Credential",
        "Create or replace a credential of a consumer",
        "Gives an existing consumer a key (or other secret) of one auth plugin, under an id you choose. No "
        "two consumers may have the same key. Let the user choose the secret.",
        Risk.WRITE,
        "CredentialEntry",
        _PUT,
        (_USERNAME, _CREDENTIAL_ID),
        Body("Credential", examples.credential),
    ),
    Operation(
        "deleteCredential",
        "delete",
        f"{_CREDENTIALS}/{{credential_id}}",
        "Credential",
        "Delete a credential of a consumer",
        "The key stops working at once. Ask the user first.",
        Risk.DELETE,
        "Deleted",
        _DELETED,
        (_USERNAME, _CREDENTIAL_ID),
    ),
    Operation(
        "getAllPlugins",
        "get",
        f"{PREFIX}/plugins/list",
        "Plugin",
        "Get the names of all plugins",
        "Lists the plugins that this gateway has. Others are refused, so look before you use one you have "
        "not seen here.",
        Risk.READ,
        "PluginNames",
        _FOUND,
    ),
    Operation(
        "getPluginSchema",
        "get",
        f"{PREFIX}/plugins/{{plugin_name}}",
        "Plugin",
        "Get the JSON Schema of a plugin",
        "Shows what a plugin's configuration takes: fields, types, defaults and what is required. Read it "
        "before you configure a plugin.",
        Risk.READ,
        "PluginSchema",
        _FOUND,
        (_PLUGIN_NAME, _SCHEMA_TYPE),
    ),
)
"""In the order in which documents show it."""
