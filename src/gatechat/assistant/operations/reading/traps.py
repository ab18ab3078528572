"""What the users of a plugin or a kind fall into, and an example that works: data, in words of our own.

Sources: the plugins of APISIX 3.18 (apisix/plugins/*.lua), and its issue tracker for what surprises people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_SECRET: Final = "$env://NAME"  # noqa: S105  a reference, not a secret


@dataclass(frozen=True, slots=True)
class Notes:
    """``example`` is the plugin's configuration on a route, ``consumer`` that of the consumer's side."""

    example: Mapping[str, Any] = field(default_factory=dict)
    consumer: Mapping[str, Any] | None = None
    traps: tuple[str, ...] = ()


_CREDENTIAL: Final = "The secret goes into a credential of the consumer, never into the route."

PLUGINS: Final[Mapping[str, Notes]] = {
    "key-auth": Notes(
        {"header": "apikey", "hide_credentials": True},
        {"key": _SECRET},
        (
            _CREDENTIAL,
            "The default header is apikey, not X-API-Key, and the default query argument apikey.",
            "The key is passed on to the backend unless hide_credentials is true.",
            "Two consumers cannot have the same key.",
        ),
    ),
    "basic-auth": Notes(
        {"hide_credentials": True},
        {"username": "jack", "password": _SECRET},
        (_CREDENTIAL, "Over plain HTTP the password can be read by everybody on the way."),
    ),
    "jwt-auth": Notes(
        {"header": "authorization", "hide_credentials": True},
        {"key": "jack-key", "secret": _SECRET, "algorithm": "HS256"},
        (
            "A token without a time claim is refused by most versions (Missing one of claims - [ "
            "nbf, exp ]): "
            "always give exp.",
            "The token's payload must hold the claim key (key_claim_name) with the consumer's key; "
            "sub is not "
            "looked at.",
            "RS256 and the like take public_key at the consumer instead of secret.",
            "The gateway issues no tokens since APISIX 3.0; sign them yourself.",
        ),
    ),
    "hmac-auth": Notes(
        {"clock_skew": 300, "signed_headers": ["date"]},
        {"key_id": "jack", "secret_key": _SECRET},
        (
            "Since APISIX 3.11 the fields are key_id and secret_key and the signature is in Authorization; "
            "clients made for older versions fail.",
            "Clients whose clock is off by more than clock_skew seconds are refused.",
            "The body is signed only with validate_request_body.",
        ),
    ),
    "ldap-auth": Notes(
        {"base_dn": "ou=users,dc=example,dc=org", "ldap_uri": "ldap.internal:389"},
        {"user_dn": "cn=jack,ou=users,dc=example,dc=org"},
        (
            "ldap_uri is host:port without ldap://.",
            "Without use_tls passwords go to the server in plain text.",
        ),
    ),
    "multi-auth": Notes(
        {"auth_plugins": [{"key-auth": {}}, {"basic-auth": {}}]},
        None,
        ("Do not also set the inner plugins on the route: then both are asked for.",),
    ),
    "openid-connect": Notes(
        {
            "client_id": "gateway",
            "client_secret": _SECRET,
            "discovery": "https://id.example.com/.well-known/openid-configuration",
            "bearer_only": True,
            "use_jwks": True,
        },
        None,
        (
            "Without bearer_only browsers are redirected to sign in; APIs want bearer_only true.",
            "redirect_uri must be a path of this route, and not the route's own page.",
            "Without bearer_only session.secret is needed, the same on all gateways.",
            "Signed tokens are checked locally with use_jwks or public_key; else each request asks the "
            "introspection endpoint.",
            "unauth_action pass lets everybody in.",
            "Older versions do not verify TLS to the provider unless ssl_verify is true: say it.",
        ),
    ),
    "forward-auth": Notes(
        {
            "uri": "http://auth.internal/check",
            "request_headers": ["Authorization"],
            "upstream_headers": ["X-User"],
        },
        None,
        (
            "Only the headers in request_headers go to the server that decides: name Authorization "
            "and Cookie.",
            "The body is not sent unless request_method is POST.",
            "With allow_degradation everybody gets in while that server is away.",
        ),
    ),
    "opa": Notes(
        {"host": "http://opa.internal:8181", "policy": "http/authz"},
        None,
        ("The policy must answer result.allow; policy is the path below /v1/data.",),
    ),
    "jwe-decrypt": Notes(
        {"header": "Authorization", "forward_header": "Authorization"},
        {"key": "jack-key", "secret": _SECRET},
        ("The secret has exactly 32 characters.", "strict false lets requests without a token pass."),
    ),
    "wolf-rbac": Notes({}, {"server": "http://wolf.internal:12180", "appid": "app"}, ()),
    "consumer-restriction": Notes(
        {"whitelist": ["jack"]},
        None,
        (
            "Needs an authentication plugin on the same route; alone it refuses everybody.",
            "type chooses what the list holds: consumer_name (default), consumer_group_id, route_id, "
            "service_id.",
            "consumer_name is the username, not the credential's id.",
        ),
    ),
    "ip-restriction": Notes(
        {"whitelist": ["10.0.0.0/8"]},
        None,
        (
            "It sees the address of the connection: behind a load balancer that is the balancer's, unless "
            "real-ip is set up.",
            "whitelist and blacklist exclude each other.",
        ),
    ),
    "ua-restriction": Notes(
        {"denylist": ["bad-bot"], "bypass_missing": True},
        None,
        (
            "Clients that send no User-Agent are turned away unless bypass_missing is true.",
            "The lists hold regular expressions that match anywhere; allowlist and denylist exclude "
            "each other.",
        ),
    ),
    "referer-restriction": Notes(
        {"whitelist": ["example.com", "*.example.com"], "bypass_missing": True},
        None,
        ("Without bypass_missing requests without a Referer are refused: links, apps and curl send none.",),
    ),
    "uri-blocker": Notes(
        {"block_rules": ["root.exe", "select.+from"]}, None, ("Rules also look at the query.",)
    ),
    "csrf": Notes({"key": _SECRET}, None, ("GET, HEAD and OPTIONS are never checked.",)),
    "cors": Notes(
        {
            "allow_origins": "https://app.example.com",
            "allow_methods": "GET,POST",
            "allow_headers": "authorization",
        },
        None,
        (
            "allow_credential true cannot stand beside a * in any other field.",
            "An origin is scheme://host:port without a path or slash at the end; several are joined "
            "by commas.",
            "A route limited to some methods must have OPTIONS among them, or preflights get 404.",
            "Answers of the backend that have CORS headers themselves are overwritten.",
        ),
    ),
    "limit-count": Notes(
        {"count": 100, "time_window": 60, "key": "remote_addr", "rejected_code": 429},
        None,
        (
            "rejected_code is 503 unless you say 429.",
            "policy local counts in each gateway by itself: with 3 gateways 3 times as much gets through.",
            "The key remote_addr is the load balancer's address behind one; http_x_forwarded_for can "
            "be forged.",
            "To count by consumer: key consumer_name with key_type var; needs authentication on the route.",
            "group makes several routes count together; all members must then have the same configuration.",
            "The window is fixed: twice count may pass around its border.",
        ),
    ),
    "limit-req": Notes(
        {"rate": 10, "burst": 5, "key": "remote_addr", "rejected_code": 429},
        None,
        (
            "rate is requests a second; what is above waits, up to burst, unless nodelay is true.",
            "rejected_code is 503 unless you say 429.",
        ),
    ),
    "limit-conn": Notes(
        {"conn": 10, "burst": 5, "default_conn_delay": 0.1, "key": "remote_addr", "rejected_code": 429},
        None,
        ("It counts requests under way, not connections.", "rejected_code is 503 unless you say 429."),
    ),
    "api-breaker": Notes(
        {"break_response_code": 502, "unhealthy": {"http_statuses": [500, 503], "failures": 3}},
        None,
        ("It breaks the whole route, not one node, for 2, 4, 8 … seconds up to max_breaker_sec (300).",),
    ),
    "proxy-rewrite": Notes(
        {"regex_uri": ["^/api/(.*)", "/$1"]},
        None,
        (
            "uri replaces the whole path; to take a prefix off use regex_uri. uri wins over regex_uri.",
            "Matching happens before: the route keeps seeing the client's path.",
            "headers takes add, set and remove; a flat map of headers is the old form of set.",
            "host changes the Host sent to the backend, not where it is sent.",
        ),
    ),
    "response-rewrite": Notes(
        {"headers": {"set": {"X-Served-By": "gateway"}}},
        None,
        (
            "body and filters exclude each other.",
            "It also changes the answers of other plugins, such as 401 and 429.",
        ),
    ),
    "redirect": Notes(
        {"http_to_https": True},
        None,
        (
            "http_to_https behind a TLS proxy redirects for ever unless X-Forwarded-Proto is trusted.",
            "uri and regex_uri answer 302 unless ret_code says otherwise; http_to_https answers 301, "
            "308 for "
            "other methods than GET and HEAD.",
            "The query is kept only with append_query_string.",
        ),
    ),
    "traffic-split": Notes(
        {"rules": [{"weighted_upstreams": [{"upstream_id": "new", "weight": 1}, {"weight": 9}]}]},
        None,
        (
            "An entry without upstream is the route's own backend; without one nothing goes there any more.",
            "Weights are shares of a round, not percent.",
            "Rules with match are asked in order; the first that fits decides.",
        ),
    ),
    "proxy-cache": Notes(
        {"cache_strategy": "memory", "cache_zone": "memory_cache", "cache_ttl": 60, "cache_method": ["GET"]},
        None,
        (
            "cache_ttl is heeded only with cache_strategy memory. On disk the zone in the gateway's own "
            "configuration decides, or the backend's Cache-Control and Expires.",
            "cache_zone must exist in the gateway's configuration: disk_cache_one for disk, "
            "memory_cache for memory.",
            "In older versions one consumer may get what another asked for: put $consumer_name into "
            "cache_key.",
            "In memory, answers with Set-Cookie are not kept unless cache_set_cookie is true.",
        ),
    ),
    "proxy-mirror": Notes(
        {"host": "http://shadow.internal:8080", "sample_ratio": 0.1},
        None,
        (
            "host is scheme://host:port without a path; the path goes into path.",
            "Answers of the mirror are ignored.",
        ),
    ),
    "fault-injection": Notes(
        {"abort": {"http_status": 503, "percentage": 10}},
        None,
        ("Without percentage every request is hit.",),
    ),
    "mocking": Notes(
        {"response_status": 200, "response_example": '{"ok":true}'}, None, ("The backend is never asked.",)
    ),
    "request-validation": Notes(
        {"body_schema": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
        None,
        (
            "Requests without a body are refused where body_schema is there: limit the route to "
            "POST, PUT and PATCH.",
            "rejected_code is 400.",
        ),
    ),
    "request-id": Notes(
        {"header_name": "X-Request-Id"},
        None,
        ("An id that the client sends is kept.",),
    ),
    "real-ip": Notes(
        {"source": "http_x_forwarded_for", "trusted_addresses": ["10.0.0.0/8"]},
        None,
        ("Without trusted_addresses every client can say that it is another.",),
    ),
    "client-control": Notes({"max_body_size": 1048576}, None, ("Bytes; 0 is without limit.",)),
    "gzip": Notes(
        {"types": ["text/html", "application/json"], "min_length": 256},
        None,
        ("Only text/html is compressed unless types says more.",),
    ),
    "grpc-transcode": Notes(
        {"proto_id": "1", "service": "helloworld.Greeter", "method": "SayHello"},
        None,
        (
            "Needs a proto with this id, and an upstream with scheme grpc.",
            "service carries the package's name.",
        ),
    ),
    "prometheus": Notes(
        {"prefer_name": True},
        None,
        (
            "Requests are counted only where it is set: a global rule counts all.",
            "The page is on its own port: http://127.0.0.1:9091/apisix/prometheus/metrics.",
        ),
    ),
    "http-logger": Notes(
        {"uri": "https://logs.internal/in"},
        None,
        (
            "Lines are sent in batches: up to inactive_timeout (5 s) late.",
            "include_req_body logs secrets of bodies.",
        ),
    ),
    "kafka-logger": Notes(
        {"brokers": [{"host": "kafka.internal", "port": 9092}], "kafka_topic": "access"},
        None,
        (
            "broker_list is the old form of brokers.",
            "A topic that is not there makes no error that a client sees.",
        ),
    ),
    "zipkin": Notes(
        {"endpoint": "http://zipkin.internal:9411/api/v2/spans", "sample_ratio": 0.1},
        None,
        ("sample_ratio is needed; 1 traces every request.",),
    ),
    "opentelemetry": Notes(
        {"sampler": {"name": "trace_id_ratio", "options": {"fraction": 0.1}}},
        None,
        (
            "The default sampler is always_off.",
            "The collector's address is plugin metadata or the gateway's own file.",
        ),
    ),
    "workflow": Notes(
        {
            "rules": [
                {
                    "case": [["uri", "==", "/hot"]],
                    "actions": [["limit-count", {"count": 5, "time_window": 60}]],
                }
            ]
        },
        None,
        (
            "Only the actions return, limit-count and limit-conn exist.",
            "The first rule that fits is the last.",
        ),
    ),
    "ai-proxy": Notes(
        {
            "provider": "openai",
            "auth": {"header": {"Authorization": f"Bearer {_SECRET}"}},
            "options": {"model": "gpt-4o"},
        },
        None,
        ("The route needs no upstream; the model that clients name is overridden by options.model.",),
    ),
    "serverless-pre-function": Notes(
        {}, None, ("It runs Lua inside the gateway; the policy forbids it by default.",)
    ),
}

KINDS: Final[Mapping[str, Notes]] = {
    "routes": Notes(
        {"name": "talks", "uri": "/talks/*", "methods": ["GET"], "upstream": {"nodes": {"10.0.0.1:8080": 1}}},
        None,
        (
            "/talks/* does not take /talks itself: give uris [/talks, /talks/*].",
            ":name in a path is a parameter only with the router radixtree_uri_with_parameter (or in the "
            "embedded gateway).",
            "The longer prefix wins over a higher priority; priority decides among routes with the "
            "same path.",
            "A route with hosts wins over all routes without.",
            "Its plugins replace a service's of the same name whole; nothing is merged inside of one.",
        ),
    ),
    "services": Notes(
        {"name": "talks", "upstream_id": "talks", "hosts": ["api.example.com"]},
        None,
        ("Its hosts hold only for routes without hosts of their own.",),
    ),
    "upstreams": Notes(
        {"type": "roundrobin", "nodes": {"api.example.com:443": 1}, "scheme": "https", "pass_host": "node"},
        None,
        (
            "Backends on port 443 need scheme https.",
            "pass_host is pass: the client's Host goes on. Public APIs need node.",
            "Passive health checks need active ones to bring a node back.",
            "timeout needs connect, send and read, in seconds.",
        ),
    ),
    "consumers": Notes(
        {"username": "jack", "desc": "The mobile app's team"},
        None,
        ("The id is the username: letters, digits, _ and -.", "Keys belong into credentials."),
    ),
    "credentials": Notes(
        {"plugins": {"key-auth": {"key": _SECRET}}},
        None,
        (
            "Exactly one authentication plugin each.",
            "They exist since APISIX 3.11; before, keys are in the consumer.",
        ),
    ),
    "consumer_groups": Notes({"plugins": {"limit-count": {"count": 100, "time_window": 60}}}, None, ()),
    "plugin_configs": Notes(
        {"plugins": {"cors": {"allow_origins": "https://app.example.com"}}},
        None,
        ("A plugin of the route itself with the same name replaces this one's whole.",),
    ),
    "global_rules": Notes(
        {"plugins": {"prometheus": {}}},
        None,
        (
            "They run on every route, and on requests that no route takes.",
            "A plugin may stand in one global rule only; a route cannot switch it off.",
        ),
    ),
    "ssls": Notes(
        {"cert": "-----BEGIN CERTIFICATE-----…", "key": _SECRET, "snis": ["api.example.com"]},
        None,
        ("The private key is never shown again; writing the certificate anew needs it anew.",),
    ),
    "protos": Notes({"content": 'syntax = "proto3"; …'}, None, ()),
    "secrets": Notes(
        {"uri": "https://vault.internal:8200", "prefix": "kv/apisix", "token": _SECRET},
        None,
        ("The id is manager/name (vault/1); used as $secret://vault/1/consumer/key.",),
    ),
    "plugin_metadata": Notes(
        {}, None, ("The id is the plugin's name; it holds for all uses of the plugin.",)
    ),
    "stream_routes": Notes(
        {"server_port": 9100, "upstream": {"nodes": {"10.0.0.1:5432": 1}, "type": "roundrobin"}},
        None,
        ("The port must be opened in the gateway's own configuration (stream_proxy).",),
    ),
}
