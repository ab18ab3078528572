"""What each field means, for a model that must fill it in. The schemas themselves say types and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "Route": "Which requests, what is done with them (plugins), and where they go. Needs uri or uris, and "
    "one of upstream, upstream_id, service_id and plugins. Give host or hosts, remote_addr or remote_addrs, "
    "not both.",
    "Route.uri": "Path to match: exact (/speakers), every path below a prefix (/speaker/*), or with a "
    "parameter (/user/:id). Without host name and query. Longer prefixes win over shorter ones.",
    "Route.uris": "Several such paths, instead of uri.",
    "Route.priority": "Among routes with the same path the higher number wins.",
    "Route.methods": "Leave out for all methods.",
    "Route.host": "Host name to match, also *.example.com. Leave out for all.",
    "Route.hosts": "Several host names, instead of host.",
    "Route.remote_addr": "Client address to match: IPv4, IPv6 or CIDR.",
    "Route.remote_addrs": "Several client addresses, instead of remote_addr.",
    "Route.vars": "Further conditions, all of which must hold: [variable, operator, value] such as "
    '["arg_version", "==", "2"] or ["http_x_beta", "has", "yes"]. Variables: arg_NAME, http_NAME, '
    "cookie_NAME, uri, host, request_method, remote_addr. Operators: ==, ~=, >, >=, <, <=, ~~ (regex), "
    "~* (regex, any case), in, has, ipmatch.",
    "Route.plugin_config_id": "A shared set of plugins.",
    "Route.upstream": "The backend, when only this route uses it.",
    "Route.upstream_id": "The backend, shared: the id of an upstream.",
    "Route.service_id": "The id of the service this route belongs to.",
    "Route.enable_websocket": "true lets WebSocket through.",
    "Route.status": "1: on, 0: switched off.",
    "Upstream": "The servers of one backend and how they are used.",
    "Upstream.type": "roundrobin (by weight), chash (the same key goes to the same node), least_conn, ewma "
    "(the fastest).",
    "Upstream.hash_on": "chash: where the key comes from.",
    "Upstream.key": "chash: the name of the variable, header or cookie, e.g. remote_addr or arg_user.",
    "Upstream.scheme": "How nodes are spoken to: http, https, grpc or grpcs. https for a public API on port "
    "443.",
    "Upstream.pass_host": "Which Host the nodes are sent: pass (the client's), node (the node's own name; "
    "what a public API needs), rewrite (upstream_host).",
    "Upstream.upstream_host": "The Host to send with pass_host rewrite.",
    "Upstream.retries": "How many other nodes are tried after a failure. 0: none.",
    "Upstream.retry_timeout": "Seconds after which no further node is tried. 0: no limit.",
    "Upstream.keepalive_pool": "Connections that are kept open to the nodes.",
    "Upstream.service_name": "Name in a service registry, instead of nodes.",
    "Upstream.discovery_type": "Which service registry service_name is in.",
    "Service": "What several routes have in common. A route's own settings win over its service's.",
    "Service.upstream": "The backend, when only this service uses it.",
    "Service.upstream_id": "The backend, shared: the id of an upstream.",
    "Service.enable_websocket": "true lets WebSocket through.",
    "Service.hosts": "Host names that the service's routes answer for.",
    "Consumer": "Somebody who calls APIs through the gateway.",
    "Consumer.username": "Names the consumer; letters, digits, '_' and '-'.",
    "Consumer.group_id": "The id of a consumer group, whose plugins apply too.",
    "Consumer.plugins": "What applies to this consumer's calls only, e.g. a limit-count of its own.",
    "Credential": "One way in for one consumer.",
    "Credential.plugins": "Exactly one auth plugin with the secret: key-auth {key}, basic-auth {username, "
    "password}, jwt-auth {key, secret}.",
    "Plugins": "Plugin name to its configuration; {} for the defaults. getAllPlugins lists the names, "
    "getPluginSchema says what each takes. _meta.disable: true switches one off. null, in a change, removes "
    "it.",
    "Id": "1 to 64 letters, digits, '-', '_' and '.'.",
    "Labels": "Key and value pairs of your choice, without blanks.",
    "Nodes": '{"host:port": weight}, e.g. {"127.0.0.1:8080": 1}, or a list of hosts. Nodes are as the '
    "gateway sees them. Weight 0 gets no traffic.",
    "Timeout": "Seconds; all three are needed.",
    "HealthChecks": "Takes nodes out that fail, and back in. active: the gateway asks them by itself; "
    "passive: it watches the traffic, and needs active too.",
    "HealthChecks.active.http_path": "What to ask for, e.g. /health.",
    "HealthChecks.active.concurrency": "How many nodes are asked at once.",
    "HealthChecks.active.req_headers": 'Headers to send, e.g. "X-Check: 1".',
}
"""By component and field: "Route", "Route.uri"."""
