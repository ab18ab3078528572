from __future__ import annotations

from typing import Any

import pytest

from tests.assistant.change.planning import case, operation

KEY = {"key-auth": {}}
LIMIT = {"limit-count": {"count": 1, "time_window": 1}}
B: dict[str, Any] = {"upstream_id": "u"}
HERE: dict[str, dict[str, Any]] = {
    "upstreams": {"u": {"nodes": {"10.0.0.1:80": 1}}, "v": {"nodes": {"10.0.0.2:80": 1}}},
    "services": {"s": {"hosts": ["shop.example"], "plugins": KEY, **B}},
    "plugin_configs": {"p": {"plugins": LIMIT}},
    "consumer_groups": {"g": {"plugins": LIMIT}},
    "global_rules": {"r": {"plugins": {"prometheus": {}}}},
    "plugin_metadata": {"key-auth": {"a": 1}},
    "ssls": {"t": {"snis": ["a.example", "b.example"], "cert": "c"}},
    "secrets": {"vault/main": {"uri": "http://v", "prefix": "p", "token": "t"}},
    "consumers": {
        "jack": {"username": "jack", "plugins": {"key-auth": {"key": "k"}}, "group_id": "g"},
        "jill": {
            "username": "jill",
            "plugins": {"basic-auth": {"username": "jill", "password": "$secret://vault/main/x"}},
        },
    },
    "credentials": {"jill/credentials/c": {"plugins": {"jwt-auth": {"key": "x"}}}},
    "routes": {
        "pay": {"uri": "/pay/*", "plugins": KEY, **B},
        "open": {
            "uri": "/open",
            "methods": ["GET"],
            "plugins": {"ip-restriction": {"whitelist": ["10.0.0.0/8"]}},
            **B,
        },
        "shop": {"uri": "/shop", "service_id": "s"},
        "limited": {"uri": "/limited", "plugin_config_id": "p", "plugins": KEY, **B},
        "off": {"uri": "/off", "status": 0, **B},
    },
    "stream_routes": {"m": {"server_port": 9100, **B}},
}


@pytest.mark.parametrize(
    ("operations", "line"),
    [
        (
            [operation("create", "routes", "n", {"uri": "/new", "host": "x.example", **B})],
            "start to answer: x.example/new",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/new", **B})],
            "answer without authentication from the start: /new",
        ),
        ([operation("merge", "routes", "off", {"status": 1})], "start to answer: /off"),
        ([operation("merge", "routes", "open", {"status": 0})], "stop answering: /open"),
        ([operation("delete", "routes", "open")], "stop answering: /open"),
        ([operation("merge", "routes", "open", {"uri": "/other"})], "stop answering: /open"),
        (
            [operation("merge", "services", "s", {"hosts": ["b.example"]})],
            "stop answering: shop.example/shop",
        ),
        ([operation("merge", "services", "s", {"hosts": ["b.example"]})], "start to answer: b.example/shop"),
        (
            [operation("merge", "routes", "pay", {"plugins": {"key-auth": None}})],
            "become reachable without authentication: /pay/*",
        ),
        (
            [operation("merge", "routes", "pay", {"plugins": {"key-auth": {"_meta": {"disable": True}}}})],
            "become reachable without authentication: /pay/*",
        ),
        (
            [operation("merge", "services", "s", {"plugins": {"key-auth": None}})],
            "become reachable without authentication: shop.example/shop",
        ),
        ([operation("merge", "routes", "open", {"plugins": KEY})], "ask who calls from now on: /open"),
        ([operation("create", "global_rules", "k", {"plugins": KEY})], "ask who calls from now on: /open"),
        (
            [operation("merge", "routes", "limited", {"plugin_config_id": None})],
            "are not rate limited any more: /limited",
        ),
        (
            [operation("merge", "plugin_configs", "p", {"plugins": {"limit-count": None, "cors": {}}})],
            "are not rate limited any more: /limited",
        ),
        (
            [operation("merge", "routes", "open", {"plugins": {"ip-restriction": None}})],
            "/open is not guarded by ip-restriction any more",
        ),
        (
            [operation("merge", "upstreams", "u", {"nodes": {"10.0.0.1:80": None, "10.0.0.9:80": 1}})],
            "/limited, /open, /pay/*, shop.example/shop go to 10.0.0.9:80 instead of 10.0.0.1:80",
        ),
        (
            [operation("merge", "routes", "pay", {"upstream_id": "v"})],
            "/pay/* goes to 10.0.0.2:80 instead of 10.0.0.1:80",
        ),
        (
            [operation("merge", "routes", "open", {"plugins": {"cors": {}}})],
            "/open runs other plugins: +cors",
        ),
        (
            [operation("merge", "routes", "open", {"methods": None})],
            "/open takes every method instead of GET",
        ),
        (
            [operation("merge", "routes", "open", {"vars": [["arg_a", "==", "1"]]})],
            "/open is chosen by another vars",
        ),
        (
            [operation("merge", "upstreams", "u", {"retries": 1})],
            "7 resources use upstreams/u: routes limited, off, open, pay, shop; services s; stream routes m",
        ),
        (
            [operation("merge", "services", "s", {"enable_websocket": True})],
            "1 route uses services/s: routes shop",
        ),
        (
            [operation("merge", "plugin_configs", "p", {"plugins": {"limit-count": {"count": 2}}})],
            "1 route uses plugin_configs/p: routes limited",
        ),
        ([operation("delete", "consumers", "jack")], "consumer jack loses access"),
        (
            [operation("merge", "consumers", "jack", {"plugins": {"key-auth": None}})],
            "consumer jack loses access by key-auth",
        ),
        (
            [operation("merge", "consumers", "jack", {"plugins": {"key-auth": {"key": "$env://X"}}})],
            "consumer jack: what it signs in with by key-auth until now stops working",
        ),
        (
            [operation("delete", "credentials", "jill/credentials/c")],
            "consumer jill loses its credential c (jwt-auth)",
        ),
        (
            [operation("merge", "routes", "pay", {"plugins": {"key-auth": None, "basic-auth": {}}})],
            "consumers jack lose access to /pay/*: they sign in by key-auth",
        ),
        (
            [
                operation(
                    "merge", "routes", "pay", {"plugins": {"consumer-restriction": {"whitelist": ["jill"]}}}
                )
            ],
            "consumers jack lose access to /pay/* (consumer-restriction)",
        ),
        (
            [
                operation(
                    "merge", "routes", "pay", {"plugins": {"consumer-restriction": {"blacklist": ["jill"]}}}
                )
            ],
            "consumers jill lose access to /pay/* (consumer-restriction)",
        ),
        (
            [
                operation(
                    "merge",
                    "routes",
                    "pay",
                    {"plugins": {"consumer-restriction": {"type": "consumer_group_id", "blacklist": ["g"]}}},
                )
            ],
            "consumers jack lose access to /pay/* (consumer-restriction)",
        ),
        (
            [
                operation(
                    "merge",
                    "routes",
                    "pay",
                    {"plugins": {"key-auth": None, "multi-auth": {"auth_plugins": [{"basic-auth": {}}]}}},
                )
            ],
            "consumers jack lose access to /pay/*: they sign in by key-auth",
        ),
        (
            [operation("create", "global_rules", "k", {"plugins": {"cors": {}}})],
            "cors runs for every request of the gateway (global_rules/k)",
        ),
        (
            [operation("delete", "global_rules", "r")],
            "prometheus stops running for every request of the gateway (global_rules/r)",
        ),
        (
            [operation("merge", "plugin_metadata", "key-auth", {"a": 2})],
            "settings of key-auth change everywhere it runs: consumers jack; routes limited, pay; services s",
        ),
        (
            [operation("merge", "secrets", "vault/main", {"uri": "http://w"})],
            "the secret manager vault/main changes; it is referred to by consumers jill",
        ),
        (
            [operation("merge", "consumer_groups", "g", {"plugins": {"cors": {}}})],
            "consumers jack get others (consumer_groups/g)",
        ),
        ([operation("delete", "stream_routes", "m")], "stream route m on port 9100 stops"),
        ([operation("create", "stream_routes", "k", {"server_port": 1})], "stream route k on port 1 starts"),
        (
            [operation("merge", "ssls", "t", {"snis": ["a.example"]})],
            "b.example: TLS stops, unless another covers it",
        ),
        (
            [operation("merge", "ssls", "t", {"snis": ["a.example"]})],
            "a.example: the certificate or its settings change",
        ),
        ([operation("create", "ssls", "n", {"snis": ["c.example"]})], "c.example: TLS starts"),
        (
            [operation("create", "routes", "n", {"uri": "/pay/*", "host": "a.example", **B})],
            "become reachable without authentication: a.example/pay/*",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/*", "host": "a.example", "plugins": KEY, **B})],
            "routes/n now shadows routes/open at a.example/open",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/pay/refunds", "plugins": KEY, **B})],
            None,
        ),
        (
            [operation("create", "routes", "n", {"uri": "/*", "priority": 9, **B})],
            None,
        ),
        (
            [operation("create", "routes", "n", {"uri": "/pay/*", **B})],
            "routes/n is shadowed at /pay/* by routes/pay",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/pay/*", "priority": 1, **B})],
            "routes/n now shadows routes/pay at /pay/*",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/pay/*", "priority": 1, **B})],
            "become reachable without authentication: /pay/*",
        ),
        (
            [
                operation("create", "routes", "n", {"uri": "/*", "plugins": KEY, **B}),
                operation("delete", "routes", "open"),
            ],
            "/open falls to routes/n",
        ),
        *(
            ([operation("create", "routes", "n", {**value, **B})], line)
            for value, line in (
                ({"uri": "/pay/refunds"}, "become reachable without authentication: /pay/refunds"),
                ({"uri": "/pay/refunds", "plugins": KEY}, "/pay/refunds leaves routes/pay for routes/n"),
                (
                    {"uri": "/pay/*", "priority": 1, "methods": ["POST"]},
                    "POST /pay/* leaves routes/pay for routes/n",
                ),
                (
                    {"uri": "/pay/*", "priority": 1, "methods": ["POST"]},
                    "become reachable without authentication: POST /pay/*",
                ),
                (
                    {"uri": "/pay/*", "priority": 1, "vars": [["arg_a", "==", "1"]]},
                    "become reachable without authentication: /pay/*",
                ),
            )
        ),
        (
            [operation("create", "plugin_metadata", "cors", {"a": 1})],
            "settings of cors change everywhere it runs; nothing uses it now",
        ),
        ([operation("merge", "routes", "pay", {"desc": "words", "labels": {"a": "b"}, "name": "n"})], ""),
    ],
)
def test_what_a_plan_does_is_said_in_words(operations: list[Any], line: str | None) -> None:
    lines = case(HERE, *operations).impact.lines
    if line:
        assert line in lines
    elif line is None:
        assert not [it for it in lines if "shadow" in it]
    else:
        assert lines == ()


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        (operation("delete", "routes", "pay"), "/pay/*"),
        (operation("merge", "routes", "pay", {"status": 0}), "/pay/*"),
        (operation("merge", "routes", "pay", {"host": "a.example"}), "/pay/*"),
        (operation("merge", "routes", "pay", {"vars": [["http_x", "==", "1"]]}), "/pay/*"),
        (operation("merge", "routes", "pay", {"remote_addr": "10.0.0.1"}), "/pay/*"),
        (
            operation("merge", "routes", "pay", {"methods": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH"]}),
            "POST, DELETE /pay/*",
        ),
        (operation("merge", "routes", "pay", {"priority": 7}), ""),
        (operation("merge", "routes", "all", {"priority": 7}), ""),
    ],
)
def test_what_a_guarded_route_leaves_to_an_open_one_is_opened(change: Any, opened: str) -> None:
    here = {**HERE, "routes": {**HERE["routes"], "all": {"uri": "/*", **B}}}
    assert case(here, change).impact.opened == ((opened,) if opened else ())


def test_who_may_sign_in_as_before_among_other_ways_loses_nothing() -> None:
    both = {"auth_plugins": [{"basic-auth": {}}, {"key-auth": {}}]}
    change = operation("merge", "routes", "pay", {"plugins": {"key-auth": None, "multi-auth": both}})
    assert case(HERE, change).impact.losing == ()


def test_long_lists_are_cut_and_counted() -> None:
    routes = {f"r{n:02}": {"uri": f"/{n:02}", "upstream_id": "u"} for n in range(30)}
    here = {"upstreams": HERE["upstreams"], "routes": routes}
    lines = case(here, operation("delete", "routes", None, where={"all": True})).impact.lines
    assert lines == ("stop answering: /00, /01, /02, /03, /04 and 25 more",)
    lines = case(here, operation("merge", "upstreams", "u", {"nodes": {"10.0.0.3:80": 1}})).impact.lines
    assert lines == (
        "/00, /01, /02, /03, /04 and 25 more go to 10.0.0.1:80, 10.0.0.3:80 instead of 10.0.0.1:80",
        "30 routes use upstreams/u: routes r{00..09}, r{10..29}",
    )


def test_many_lines_of_one_sort_are_cut_and_counted() -> None:
    jacks = {f"c{n}": {"username": f"c{n}", "plugins": {"key-auth": {"key": "k"}}} for n in range(9)}
    gone = [operation("delete", "consumers", name) for name in jacks]
    lines = case({**HERE, "consumers": jacks}, *gone).impact.lines
    assert lines[-2:] == ("consumer c4 loses access", "… and 4 more like the last")


@pytest.mark.parametrize("embedded", [True, False])
def test_a_thousand_routes_are_weighed_without_delay(embedded: bool) -> None:
    routes = {f"r{n}": {"uri": f"/api/{n}/*", "upstream_id": "u"} for n in range(1000)}
    here = {"upstreams": HERE["upstreams"], "routes": routes}
    impact = case(here, operation("create", "routes", "n", {"uri": "/api/*", **B})).impact
    assert impact.started == ("/api/*",)
    assert impact.shadows == ()
