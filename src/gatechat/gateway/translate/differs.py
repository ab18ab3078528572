"""Where routes and upstreams behave otherwise than in Apache APISIX, beside what admin/differs.py refuses."""

from __future__ import annotations

from gatechat.gateway.plugin import Difference


def _differs(field: str, text: str) -> Difference:
    return Difference(field, text, refused=False)


DIFFERS: tuple[Difference, ...] = (
    _differs(
        "uri",
        "A parameter (`:name`) is one only at the beginning of a segment, and without the router "
        "radixtree_uri_with_parameter too. The rest of such a pattern means itself: a dot is a dot.",
    ),
    _differs(
        "vars, _meta.filter",
        "Variables of the request's body (`post_arg*`, `graphql_*`) and those that Envoy does not know "
        "(`upstream_addr`, `remote_user`, `request_time` ...) are refused with a 400.",
    ),
    _differs("(path)", "Upstreams get it normalised (RFC 3986, single slashes), not as it was sent."),
    _differs(
        "(malformed requests)",
        "Answered with 400, where nginx takes them: a path with bytes outside ASCII that are not "
        "percent-encoded, or with a `#`; a header whose name is no token. Two Host headers are taken as one "
        "with a comma, which no route's host matches.",
    ),
    _differs("(X-Forwarded-Port)", "Always the port that the gateway listens on."),
    _differs(
        "enable_websocket",
        "Without it, and where no route is found, an upgrade to WebSocket is refused with 403; APISIX drops "
        "the header.",
    ),
    _differs(
        "timeout.send", "Not kept apart: `read` seconds in which nothing moves either way end the request."
    ),
    _differs(
        "upstream.retry_timeout",
        "No try is waited for longer than `read` seconds after it; the answer is 504, APISIX's is 502.",
    ),
    _differs(
        "upstream.type",
        "`ewma` takes the less busy of two random nodes, by requests under way instead of past latencies. "
        "`chash` sends a key always to the same node, but not to the one that APISIX would choose.",
    ),
    _differs("upstream.keepalive_pool.size", "Idle connections are not counted: `idle_timeout` closes them."),
    _differs(
        "upstream.nodes",
        "All addresses of a domain name are nodes; APISIX takes one of them at a time. Among several nodes, "
        "one of weight 0 gets nothing, also when it is the only healthy one.",
    ),
    _differs(
        "upstream.checks.active",
        "One count for all failures: the least of `http_failures`, `tcp_failures` and `timeouts`. A status "
        "that is not in `unhealthy.http_statuses` counts as healthy, whatever `healthy.http_statuses` says. "
        "A node that fails its very first check is unhealthy at once. `concurrency` has no effect. "
        "`http_req_body` needs a method that takes one, `req_headers` cannot set Host: that is `host`.",
    ),
    _differs(
        "upstream.checks.passive",
        "Failed connections and timeouts are counted together, by `tcp_failures`. A node that was put aside "
        "comes back with an active check that succeeds, not with answers (`passive.healthy`). "
        "`passive.type` has no effect.",
    ),
    _differs("upstream.tls.verify", "Works for HTTP too; APISIX heeds it for Kafka only."),
    _differs(
        "upstream.nodes.metadata, ssl.sni, ssl.snis",
        "Kept and shown, to no effect, as in APISIX (a certificate of the type client needs no name).",
    ),
    _differs("(X-APISIX-Upstream-Status)", "Not sent with answers of failed upstreams."),
)
