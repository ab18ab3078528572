"""Rates, errors and latencies out of two readings."""

from __future__ import annotations

from gatechat.assistant.view import traffic

APISIX = """\
# HELP apisix_http_status HTTP status codes per service in APISIX
# TYPE apisix_http_status counter
apisix_http_status{code="200",route="1",matched_uri="/a",service="",consumer="jack",node="10.0.0.1"} 10
apisix_http_status{code="200",route="1",matched_uri="/a",service="",consumer="",node="10.0.0.1"} 5
apisix_http_status{code="503",route="1",matched_uri="/a",service="",consumer="",node="10.0.0.1"} 1
apisix_http_status{code="404",route="",matched_uri="",service="",consumer="",node=""} 4
apisix_http_latency_bucket{type="request",route="1",service="",consumer="jack",node="10.0.0.1",le="10"} 5
apisix_http_latency_bucket{type="request",route="1",service="",consumer="jack",node="10.0.0.1",le="20"} 9
apisix_http_latency_bucket{type="request",route="1",service="",consumer="jack",node="10.0.0.1",le="+Inf"} 10
apisix_http_latency_bucket{type="upstream",route="1",service="",consumer="jack",node="10.0.0.1",le="+Inf"} 99
apisix_http_requests_total 20
"""


def test_since_the_start_all_of_it_counts() -> None:
    flows = traffic.flows({}, traffic.read(APISIX), "route")
    assert {name: flow.codes for name, flow in flows.items()} == {"1": {"200": 15, "503": 1}, "": {"404": 4}}
    assert flows["1"].percentile(0.5) == 10
    assert flows["1"].percentile(0.9) == 20
    assert flows["1"].percentile(0.99) == 20
    assert flows[""].percentile(0.5) is None


def test_between_two_readings_only_what_is_new_counts() -> None:
    later = APISIX.replace('node="10.0.0.1"} 10\n', 'node="10.0.0.1"} 40\n')
    flows = traffic.flows(traffic.read(APISIX), traffic.read(later), "consumer")
    assert {name: flow.requests for name, flow in flows.items()} == {"jack": 30}


def test_a_gateway_that_began_anew_counts_from_nought() -> None:
    fewer = APISIX.replace('node="10.0.0.1"} 10\n', 'node="10.0.0.1"} 3\n')
    flows = traffic.flows(traffic.read(APISIX), traffic.read(fewer), "consumer")
    assert flows["jack"].requests == 3


def test_labels_may_hold_anything() -> None:
    page = 'apisix_http_status{code="200",route="a\\"b,c=\\\\}"} 2\n'
    assert list(traffic.flows({}, traffic.read(page), "route")) == ['a"b,c=\\}']


def test_it_is_said_in_few_words_the_busiest_first() -> None:
    flows = traffic.flows({}, traffic.read(APISIX), "route")
    assert list(traffic.lines(flows, 10, 5)) == [
        "1: 1.6/s (16), 5xx 6%, p50 10 ms, p95 20 ms",
        "(none): 0.4/s (4), 4xx 100%",
    ]
    assert list(traffic.lines(flows, 0, 1)) == [
        "1: 16, 5xx 6%, p50 10 ms, p95 20 ms",
        "1 others: 4, 4xx 100%",
    ]
