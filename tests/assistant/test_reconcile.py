"""Files against a gateway: what is the same, what is not, and what is nobody's to delete."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.catalogue import Catalogue, Plugin
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.declarative import from_yaml
from gatechat.assistant.reconcile import Reconciliation, reconcile
from gatechat.assistant.view.configuration import Configuration, Item

LIMIT = {"type": "object", "properties": {"policy": {"type": "string", "default": "local"}}}
CATALOGUE = Catalogue(
    {
        "limit-count": Plugin("limit-count", LIMIT),
        "key-auth": Plugin("key-auth", {}, consumer={"properties": {"hide": {"default": False}}}),
        "http-logger": Plugin("http-logger", {}, metadata={"properties": {"max": {"default": 9}}}),
    },
    {},
    {kind.plural: kind.json_schema for kind in KINDS.values() if kind.json_schema is not None},
    {},
)


def there(**kinds: dict[str, dict[str, Any]]) -> Configuration:
    return Configuration(
        {kind: {id: Item(value, 7) for id, value in rows.items()} for kind, rows in kinds.items()}
    )


def found(text: str, gateway: Configuration, *, delete: bool = False) -> Reconciliation:
    return reconcile(from_yaml(("f", text)), gateway, Redactor(), CATALOGUE, delete=delete)


SAME: dict[str, tuple[str, Configuration]] = {
    "to the letter": ("routes: [{id: 1, uri: /a}]", there(routes={"1": {"uri": "/a"}})),
    "an empty list that Lua writes as an object": (
        "routes: [{id: 1, uri: /a, vars: []}]",
        there(routes={"1": {"uri": "/a", "vars": {}}}),
    ),
    "a kind's defaults": (
        "upstreams: [{id: u, nodes: {'a:1': 1}}]",
        there(upstreams={"u": {"nodes": {"a:1": 1}, "type": "roundrobin", "scheme": "http"}}),
    ),
    "a plugin's defaults": (
        "plugin_configs: [{id: 1, plugins: {limit-count: {}}}]",
        there(plugin_configs={"1": {"plugins": {"limit-count": {"policy": "local"}}}}),
    ),
    "a consumer's side of a plugin": (
        "consumers: [{username: j, plugins: {key-auth: {key: k}}}]",
        there(consumers={"j": {"username": "j", "plugins": {"key-auth": {"key": "k", "hide": False}}}}),
    ),
    "a plugin's metadata": (
        "plugin_metadata: [{id: http-logger}]",
        there(plugin_metadata={"http-logger": {"max": 9}}),
    ),
    "a secret that was redacted": (
        "consumers: [{username: j, plugins: {key-auth: {key: '[redacted]'}}}]",
        there(consumers={"j": {"username": "j", "plugins": {"key-auth": {"key": "k"}}}}),
    ),
    "a private key, which is never shown": (
        "ssls: [{id: 1, cert: C, key: K, snis: [a]}]",
        there(ssls={"1": {"cert": "C", "snis": ["a"]}}),
    ),
    "a private key that was redacted": (
        "ssls: [{id: 1, cert: C, key: '[redacted]', snis: [a]}]",
        there(ssls={"1": {"cert": "C", "snis": ["a"]}}),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_it_is_the_same(name: str) -> None:
    text, gateway = SAME[name]
    reconciled = found(text, gateway)
    assert (reconciled.edits, reconciled.problems, reconciled.same) == ((), (), 1)


OTHERWISE: dict[str, tuple[str, Configuration]] = {
    "a field that was taken out": (
        "routes: [{id: 1, uri: /a}]",
        there(routes={"1": {"uri": "/a", "desc": "d"}}),
    ),
    "a value that is no default": (
        "plugin_configs: [{id: 1, plugins: {limit-count: {}}}]",
        there(plugin_configs={"1": {"plugins": {"limit-count": {"policy": "redis"}}}}),
    ),
    "a number for a truth": ("routes: [{id: 1, status: 1}]", there(routes={"1": {"status": True}})),
    "another certificate": (
        "ssls: [{id: 1, cert: D, key: K, snis: [a]}]",
        there(ssls={"1": {"cert": "C", "snis": ["a"]}}),
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_it_is_another(name: str) -> None:
    text, gateway = OTHERWISE[name]
    (edit,) = found(text, gateway).edits
    assert (edit.action.value, edit.version) == ("replace", 7)


def test_another_certificate_takes_its_key_along() -> None:
    (edit,) = found(*OTHERWISE["another certificate"]).edits
    assert edit.after == {"cert": "D", "key": "K", "snis": ["a"]}


GATEWAY = there(
    routes={"1": {"uri": "/a"}, "2": {"uri": "/b"}},
    upstreams={"u": {"nodes": {}}},
    consumers={"j": {"username": "j"}},
    credentials={"j/credentials/1": {"plugins": {}}},
)
COVERED: dict[str, tuple[str, list[str], int]] = {
    "the kinds of the files": ("routes: [{id: 1, uri: /a}]", ["routes/2"], 3),
    "a kind by an empty list": ("upstreams: []", ["upstreams/u"], 4),
    "consumers with their credentials": ("consumers: []", ["consumers/j", "credentials/j/credentials/1"], 3),
    "nothing": ("", [], 5),
}


@pytest.mark.parametrize("delete", [True, False])
@pytest.mark.parametrize("name", COVERED)
def test_what_only_the_gateway_has_is_deleted_if_asked_for_and_spoken_of(name: str, delete: bool) -> None:
    text, extra, others = COVERED[name]
    reconciled = found(text, GATEWAY, delete=delete)
    deleted = [f"{it.target.kind}/{it.target.id}" for it in reconciled.edits]
    assert deleted == (extra if delete else [])
    assert (list(reconciled.extra), reconciled.others) == (extra, others)
