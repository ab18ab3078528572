"""What Envoy counts for the prometheus plugin: for who has it counted and for who renders it."""

STAT_PREFIX = "gatechat"

STATUS = "http_status"
INGRESS = "bandwidth_ingress"
EGRESS = "bandwidth_egress"
LATENCY_REQUEST = "latency_request"
LATENCY_UPSTREAM = "latency_upstream"
LATENCY_APISIX = "latency_apisix"
"""Only of requests that an upstream answered; all of another request's latency is the gateway's."""

SERIES = "series"
"""The one tag of them all: ``route|service|uri|host|consumer|node``, for STATUS ``…|code|flags``.

The first four come from the route and are percent-encoded. One tag: more cost Envoy more time.
"""

BUCKETS = (
    (1.1, 1),
    (2.1, 2),
    (5.1, 5),
    (11, 10),
    (21, 20),
    (51, 50),
    (100, 100),
    (200, 200),
    (500, 500),
    (1000, 1000),
    (2000, 2000),
    (5000, 5000),
    (10000, 10000),
    (30000, 30000),
    (60000, 60000),
)
"""Milliseconds: Envoy's bound and APISIX's ``le`` (DEFAULT_BUCKETS of its exporter).

Envoy counts what is below a bound, Prometheus what is not above it. Envoy keeps two digits, so up to 99 the
bound just above a whole millisecond makes the same of both; from 100 on exactly the bound itself falls into
the next bucket.
"""
