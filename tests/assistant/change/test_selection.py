from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.change.selection import select
from gatechat.assistant.problem import Problem
from tests.assistant.change.planning import configuration

HERE = configuration(
    {
        "services": {"s": {"name": "shop", "hosts": ["shop.example"]}},
        "upstreams": {"u": {"name": "backend", "nodes": {"10.0.0.1:80": 1}}},
        "routes": {
            "1": {
                "name": "a",
                "uri": "/a",
                "labels": {"tier": "gold"},
                "upstream_id": "u",
                "methods": ["GET"],
            },
            "2": {
                "name": "b",
                "uris": ["/b", "/c/*"],
                "labels": {"tier": "silver"},
                "service_id": "s",
                "status": 0,
            },
            "3": {"name": "c", "uri": "/c/x", "host": "API.example", "plugins": {"key-auth": {}}},
            "4": {
                "uri": "/d",
                "upstream": {"nodes": [{"host": "10.0.0.2", "port": 8080, "weight": 1}]},
                "plugins": {"multi-auth": {"auth_plugins": [{"basic-auth": {}}]}},
            },
        },
        "consumers": {"jack": {"username": "jack", "group_id": "g"}},
    }
)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"label": "tier=gold"}, ["1"]),
        ({"label": {"tier": "gold"}}, ["1"]),
        ({"label": "tier"}, ["1", "2"]),
        ({"label": "tier=*"}, ["1", "2"]),
        ({"label": "tmp"}, []),
        ({"path": "/c/*"}, ["2", "3"]),
        ({"path": "/a"}, ["1"]),
        ({"host": "shop.example"}, ["2"]),
        ({"host": "api.example"}, ["3"]),
        ({"host": "*.example"}, ["2", "3"]),
        ({"plugin": "key-auth"}, ["3"]),
        ({"plugin": "multi-*"}, ["4"]),
        ({"upstream": "backend"}, ["1"]),
        ({"upstream": "u"}, ["1"]),
        ({"service": "shop"}, ["2"]),
        ({"upstream": "10.0.0.1"}, ["1"]),
        ({"upstream": "10.0.0.2:8080"}, ["4"]),
        ({"method": "GET"}, ["1", "2", "3", "4"]),
        ({"method": "PUT"}, ["2", "3", "4"]),
        ({"label": "tier=Gold"}, []),
        ({"path": "/c/x"}, ["3"]),
        ({"path": "/C/*"}, []),
        ({"holds": "needs authentication"}, ["3", "4"]),
        ({"status": "on"}, ["1", "3", "4"]),
        ({"status": 0}, ["2"]),
        ({"id": ["1", "3"]}, ["1", "3"]),
        ({"name": "a"}, ["1"]),
        ({"name": "a", "label": "tier=silver"}, []),
        ({"all": True}, ["1", "2", "3", "4"]),
    ],
)
def test_a_selection_is_what_passes_every_filter(where: dict[str, Any], ids: list[str]) -> None:
    assert [it.id for it in select("routes", where, HERE).targets] == ids


@pytest.mark.parametrize(
    ("kind", "where", "words"),
    [
        ("routes", {"lable": "tmp"}, "did you mean label?"),
        ("routes", {"label": "tmp", "colour": "x"}, "there is no such filter"),
        ("routes", {}, '{"all": true}'),
        ("routes", {"all": False}, "must be true"),
        ("routes", {"all": True, "label": "x"}, "stand alone"),
        ("routes", {"label": ""}, "takes a text"),
        ("routes", {"label": []}, "takes a text"),
        ("routes", {"label": None}, "takes a text"),
        ("routes", {"status": True}, "takes a text"),
        ("routes", {"label": {"a": "b", "c": "d"}}, "takes a text"),
        ("route", {"all": True}, "did you mean routes?"),
    ],
)
def test_a_filter_that_is_not_understood_is_an_error(kind: str, where: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem) as error:
        select(kind, where, HERE)
    assert words in error.value.message


def test_the_selection_says_what_it_is_with_its_count() -> None:
    assert select("routes", {"label": "tier=*"}, HERE).words == "2 routes with label tier=*"
    assert select("routes", {"all": True}, HERE).words == "all 4 routes"
    assert select("consumers", {"consumer_group": "g"}, HERE).words == "1 consumer with consumer_group g"
