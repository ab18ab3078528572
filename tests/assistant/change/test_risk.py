from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.change import risk
from gatechat.assistant.change.model import Level
from gatechat.assistant.change.risk import RULES
from tests.assistant.change.planning import operation, reasons

KEY = {"key-auth": {}}
B: dict[str, Any] = {"upstream_id": "u"}
LOGGER = {"http-logger": {"uri": "http://logs.example/", "auth_header": "s3cret-header"}}
HERE: dict[str, dict[str, Any]] = {
    "upstreams": {
        "v": {"nodes": {"10.0.0.9:80": 1}},
        "u": {"nodes": {"10.0.0.1:80": 1}},
        "w": {"nodes": {"10.0.0.1:80": 1}, "tls": {"verify": True}},
    },
    "services": {"s": {"plugins": KEY, "upstream_id": "w"}},
    "plugin_configs": {"p": {"plugins": {"limit-count": {"count": 1}}}},
    "ssls": {"t": {"snis": ["a.example"], "cert": "c"}},
    "consumers": {"jack": {"username": "jack", "plugins": {"key-auth": {"key": "k"}}}},
    "routes": {
        "pay": {"uri": "/pay/*", "plugins": KEY, **B},
        "open": {"uri": "/open", "plugins": {"uri-blocker": {"block_rules": ["x"]}}, **B},
        "limited": {"uri": "/limited", "plugin_config_id": "p", "plugins": KEY, **B},
        "logged": {"uri": "/logged", "plugins": {**KEY, **LOGGER}, **B},
        "adds": {
            "uri": "/adds",
            "plugins": {**KEY, "proxy-rewrite": {"headers": {"set": {"X-Api-Key": "s3cret-key"}}}},
            **B,
        },
        "one": {"uri": "/one", "service_id": "s"},
    },
    **{"protos": {f"p{n}": {"content": "x"} for n in range(60)}},
}


def route(**more: Any) -> Any:
    return operation("create", "routes", "n", {"uri": "/n", "plugins": dict(KEY), **B, **more})


def plugin(name: str, conf: Any) -> Any:
    return route(plugins={**KEY, name: conf})


TABLE: list[tuple[str, Level | None, list[Any]]] = [
    ("access", Level.HIGH, [operation("delete", "consumers", "jack")]),
    ("access", None, [operation("merge", "consumers", "jack", {"desc": "x"})]),
    ("answers_itself", Level.MEDIUM, [plugin("fault-injection", {"abort": {"http_status": 503}})]),
    ("answers_itself", Level.MEDIUM, [plugin("mocking", {})]),
    ("answers_itself", Level.MEDIUM, [plugin("redirect", {"http_to_https": True})]),
    ("answers_itself", None, [plugin("cors", {})]),
    ("catches_all", Level.MEDIUM, [route(uri="/*")]),
    ("catches_all", Level.MEDIUM, [route(uri="/*", host="*")]),
    ("catches_all", None, [route(uri="/*", host="a.example")]),
    ("catches_all", None, [route(uri="/a/*")]),
    ("closes", Level.MEDIUM, [operation("merge", "routes", "open", {"plugins": KEY})]),
    ("closes", None, [operation("merge", "routes", "pay", {"plugins": {"cors": {}}})]),
    ("deletes", Level.MEDIUM, [operation("delete", "protos", "p1")]),
    ("deletes", Level.HIGH, [operation("delete", "protos", None, where={"all": True})]),
    ("deletes", None, [operation("merge", "protos", "p1", {"content": "y"})]),
    ("everywhere", Level.HIGH, [operation("create", "global_rules", "g", {"plugins": {"cors": {}}})]),
    ("everywhere", Level.MEDIUM, [operation("create", "plugin_metadata", "http-logger", {"log_format": {}})]),
    ("everywhere", Level.MEDIUM, [operation("create", "secrets", "vault/a", {"uri": "http://v"})]),
    ("everywhere", None, [route()]),
    ("exposes", Level.MEDIUM, [plugin("public-api", {})]),
    ("exposes", Level.MEDIUM, [plugin("node-status", {})]),
    ("exposes", Level.HIGH, [plugin("cors", {"allow_origins": "**", "allow_credential": True})]),
    ("exposes", Level.HIGH, [plugin("cors", {"allow_origins_by_regex": [".*"], "allow_credential": True})]),
    ("exposes", None, [plugin("cors", {"allow_origins": "*"})]),
    ("moves", Level.MEDIUM, [operation("replace", "upstreams", "u", {"nodes": {"10.0.0.2:80": 1}})]),
    ("moves", None, [operation("merge", "upstreams", "u", {"retries": 1})]),
    ("opens", Level.HIGH, [operation("merge", "routes", "pay", {"plugins": {"key-auth": None}})]),
    ("opens", Level.HIGH, [operation("merge", "services", "s", {"plugins": {"key-auth": None}})]),
    ("opens", Level.MEDIUM, [route(plugins={})]),
    ("opens", None, [route()]),
    ("runs_code", Level.HIGH, [plugin("serverless-pre-function", {"functions": ["x"]})]),
    ("runs_code", Level.HIGH, [plugin("ext-plugin-post-req", {})]),
    ("runs_code", Level.HIGH, [plugin("cors", {"_meta": {"pre_function": "x"}})]),
    ("runs_code", Level.HIGH, [route(filter_func="function(vars) return true end")]),
    ("runs_code", None, [plugin("cors", {})]),
    (
        "secret_moves",
        Level.HIGH,
        [
            operation(
                "merge", "routes", "logged", {"plugins": {"http-logger": {"uri": "http://evil.example/"}}}
            )
        ],
    ),
    (
        "secret_moves",
        None,
        [
            operation(
                "merge",
                "routes",
                "logged",
                {"plugins": {"http-logger": {"uri": "http://new.example/", "auth_header": "$env://NEW"}}},
            )
        ],
    ),
    (
        "secret_moves",
        None,
        [operation("merge", "routes", "logged", {"plugins": {"http-logger": {"timeout": 1}}})],
    ),
    ("secret_moves", Level.HIGH, [operation("merge", "routes", "adds", {"upstream_id": "v"})]),
    ("secret_moves", None, [operation("merge", "routes", "adds", {"upstream_id": "w"})]),
    ("sends_away", Level.MEDIUM, [plugin("http-logger", {"uri": "http://logs.example/"})]),
    ("sends_away", Level.MEDIUM, [plugin("proxy-mirror", {"host": "http://mirror.example"})]),
    ("sends_away", Level.MEDIUM, [plugin("forward-auth", {"uri": "http://auth.example/"})]),
    ("sends_away", Level.MEDIUM, [plugin("syslog", {"host": "logs.example", "port": 514})]),
    (
        "sends_away",
        None,
        [operation("merge", "routes", "logged", {"plugins": {"http-logger": {"timeout": 1}}})],
    ),
    ("shadows", Level.MEDIUM, [route(uri="/pay/*", priority=1)]),
    ("shadows", Level.MEDIUM, [route(uri="/pay/*")]),
    ("shadows", None, [route()]),
    ("shared", Level.MEDIUM, [operation("merge", "upstreams", "u", {"retries": 1})]),
    ("shared", None, [operation("merge", "services", "s", {"enable_websocket": True})]),
    ("size", Level.MEDIUM, [operation("merge", "protos", f"p{n}", {"content": "y"}) for n in range(10)]),
    ("size", Level.HIGH, [operation("merge", "protos", f"p{n}", {"content": "y"}) for n in range(50)]),
    ("size", None, [operation("merge", "protos", f"p{n}", {"content": "y"}) for n in range(9)]),
    ("stops", Level.HIGH, [operation("delete", "routes", "open")]),
    ("stops", Level.HIGH, [operation("merge", "routes", "open", {"status": 0})]),
    ("stops", Level.MEDIUM, [route(uri="/*"), operation("delete", "routes", "open")]),
    ("stops", None, [operation("merge", "routes", "open", {"desc": "x"})]),
    ("tls", Level.HIGH, [operation("delete", "ssls", "t")]),
    ("tls", Level.HIGH, [operation("merge", "ssls", "t", {"cert": "d"})]),
    ("tls", Level.MEDIUM, [operation("create", "ssls", "n", {"snis": ["b.example"]})]),
    ("tls", Level.HIGH, [operation("merge", "upstreams", "w", {"tls": {"verify": False}})]),
    ("tls", None, [operation("merge", "upstreams", "w", {"retries": 1})]),
    ("unlimited", Level.MEDIUM, [operation("merge", "routes", "limited", {"plugin_config_id": None})]),
    (
        "unlimited",
        None,
        [operation("merge", "plugin_configs", "p", {"plugins": {"limit-count": {"count": 5}}})],
    ),
    ("unprotected", Level.MEDIUM, [operation("merge", "routes", "open", {"plugins": {"uri-blocker": None}})]),
    ("unprotected", None, [operation("merge", "routes", "open", {"plugins": {"cors": {}}})]),
]


@pytest.mark.parametrize(("rule", "level", "operations"), TABLE)
def test_a_rule_sees_what_it_is_about(rule: str, level: Level | None, operations: list[Any]) -> None:
    found = [it for it in reasons(HERE, *operations) if it.rule == rule]
    if level is None:
        assert found == []
    else:
        assert [it.level for it in found] == [level] * len(found)
        assert found
        assert all("s3cret" not in it.text for it in found)


def test_every_rule_has_a_file_and_both_kinds_of_cases() -> None:
    files = {path.stem for path in Path(next(iter(risk.__path__))).glob("*.py")} - {
        "__init__",
        "case",
        "rules",
    }
    assert files == set(RULES)
    assert {rule for rule, level, _ in TABLE if level} == files
    assert {rule for rule, level, _ in TABLE if level is None} == files


@pytest.mark.parametrize(
    "operations",
    [
        [route()],
        [operation("merge", "routes", "open", {"desc": "x", "labels": {"a": "b"}})],
        [operation("merge", "routes", "pay", {"plugins": {"limit-count": {"count": 5, "time_window": 60}}})],
        [operation("create", "consumers", "jill", {"plugins": {"key-auth": {"key": "[generate]"}}})],
        [operation("create", "upstreams", "x", {"nodes": "10.0.0.5:80"})],
    ],
)
def test_harmless_plans_have_a_low_risk(operations: list[Any]) -> None:
    assert reasons(HERE, *operations) == []


def test_the_gravest_reason_comes_first() -> None:
    found = reasons(
        HERE, operation("merge", "upstreams", "u", {"retries": 1}), operation("delete", "routes", "open")
    )
    assert [it.level for it in found] == sorted(
        (it.level for it in found), key=[Level.HIGH, Level.MEDIUM].index
    )
    assert found[0].level is Level.HIGH
