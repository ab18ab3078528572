"""What holds for the translator as a whole: same state, same bytes; refusals; what a change touches."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from gatechat.gateway.model import Refused, Resource, State
from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.translate import Translator
from tests.gateway.translate.resources import OPTIONS, state_of
from tests.gateway.translate.test_cases import CASES, NAMES

NODES = {"127.0.0.1:1980": 1}


def compiled(state: State) -> dict[str, dict[str, bytes]]:
    return plain(Translator(OPTIONS).compile(state))


def plain(snapshot: Snapshot) -> dict[str, dict[str, bytes]]:
    return {type_url: dict(resources) for type_url, resources in snapshot.resources.items()}


def everything() -> State:
    """The resources of every case in one state; their ids and paths are told apart by the case's number."""
    kinds: dict[str, dict[str, Resource]] = {}
    count = 0
    for number, case in enumerate(NAMES):
        state = state_of(yaml.safe_load((CASES / case / "resources.yaml").read_text()))
        for kind, resources in state.kinds.items():
            for resource in resources.values():
                count += 1
                value = {
                    field: f"{number}-{given}" if field.endswith("_id") else given
                    for field, given in resource.value.items()
                }
                id = resource.id if kind in ("consumers", "ssls") else f"{number}-{resource.id}"
                kinds.setdefault(kind, {})[id] = Resource(kind, id, value, count, count)
    return State(1, kinds)


def shuffled(state: State, seed: int) -> State:
    chance = random.Random(seed)
    kinds = list(state.kinds.items())
    chance.shuffle(kinds)
    return State(
        state.revision,
        {kind: dict(chance.sample(sorted(items.items()), len(items))) for kind, items in kinds},
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_resources_come_changes_no_byte(seed: int) -> None:
    state = everything()
    assert compiled(shuffled(state, seed)) == compiled(state)


@pytest.mark.parametrize("seed", range(5))
def test_a_translator_that_went_through_many_changes_makes_the_bytes_of_a_fresh_one(seed: int) -> None:
    chance = random.Random(seed)
    whole = everything()
    translator = Translator(OPTIONS)
    present = {(kind, id): chance.random() < 0.5 for kind, items in whole.kinds.items() for id in items}
    for revision in range(12):
        for key in chance.sample(sorted(present), 8):
            present[key] = not present[key]
        kinds = {
            kind: {id: one for id, one in items.items() if present[kind, id]}
            for kind, items in whole.kinds.items()
        }
        state = State(revision, kinds)
        assert plain(translator.compile(state)) == compiled(state)


def test_every_cluster_that_a_route_names_is_there() -> None:
    snapshot = compiled(everything())
    table = snapshot[ROUTES]["gatechat"]
    names = set(snapshot[CLUSTER])
    assert names
    for name in names:
        assert name.encode() in table
    clusters = [Cluster.FromString(data) for data in snapshot[CLUSTER].values()]
    over_eds = {one.eds_cluster_config.service_name for one in clusters if one.type == Cluster.EDS}
    assert over_eds == set(snapshot[ENDPOINTS])


def test_what_was_refused_leaves_no_trace() -> None:
    translator = Translator(OPTIONS)
    good = state_of({"routes": [{"id": "1", "uri": "/a", "upstream": {"nodes": NODES}}]})
    first = plain(translator.compile(good))
    bad_vars = {"id": "2", "uri": "/b", "vars": [["arg_a", "~~", "("]], "upstream": {"nodes": NODES}}
    bad = State(2, {"routes": {**good.all("routes"), "2": Resource("routes", "2", bad_vars, 2, 2)}})
    with pytest.raises(Refused):
        translator.compile(bad)
    assert plain(translator.compile(good)) == first


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ({"type": "chash", "key": "remote_port", "nodes": NODES}, "remote_port"),
        ({"nodes": {"::1:80": 1}}, "brackets"),
        (
            {"nodes": [{"host": "a.test", "weight": 1, "priority": level} for level in range(129)]},
            "more than 128 different priorities",
        ),
        ({"nodes": NODES, "checks": {"active": {"req_headers": ["X-A b"]}}}, "is no header"),
        ({"nodes": NODES, "checks": {"active": {"req_headers": [":path: /x"]}}}, "is no header"),
        ({"nodes": {"127.0.0.1:http": 1}}, "invalid port http"),
        (
            {"type": "chash", "hash_on": "vars_combinations", "key": "plain", "nodes": NODES},
            "names no variable",
        ),
    ],
)
def test_what_envoy_cannot_do_is_refused_by_the_name_of_the_resource(
    upstream: dict[str, Any], words: str
) -> None:
    for where, document in (
        ("route 7", {"routes": [{"id": "7", "uri": "/", "upstream": upstream}]}),
        ("upstream u", {"upstreams": [{"id": "u", **upstream}]}),
    ):
        with pytest.raises(Refused) as refused:
            compiled(state_of(document))
        assert where in refused.value.message
        assert words in refused.value.message


def changed_types(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {type_url.rsplit(".", 1)[1] for type_url in before if before[type_url] != after[type_url]}


def with_one(state: State, kind: str, id: str, value: dict[str, Any]) -> State:
    old = state.get(kind, id)
    resource = Resource(kind, id, value, old.created_index if old else 9, 9)
    return State(9, {**state.kinds, kind: {**state.all(kind), id: resource}})


CHANGES: dict[str, tuple[str, str, dict[str, Any], set[str]]] = {
    "a node of a named upstream goes over EDS alone": (
        "upstreams",
        "u",
        {"nodes": {"127.0.0.2:1980": 1}},
        {"ClusterLoadAssignment"},
    ),
    "a weight goes over EDS alone": (
        "upstreams",
        "u",
        {"nodes": {"127.0.0.1:1980": 7}},
        {"ClusterLoadAssignment"},
    ),
    "a route's path is the table's alone": (
        "routes",
        "1",
        {"uri": "/b", "upstream_id": "u"},
        {"RouteConfiguration"},
    ),
    "a description changes nothing": (
        "routes",
        "1",
        {"uri": "/a", "upstream_id": "u", "desc": "hello", "update_time": 5},
        set(),
    ),
    "a consumer changes the Lua alone": (
        "consumers",
        "jack",
        {"username": "jack", "plugins": {"key-auth": {"key": "k"}}},
        {"TypedExtensionConfig"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_touches_only(name: str) -> None:
    kind, id, value, types = CHANGES[name]
    state = state_of(
        {"routes": [{"id": "1", "uri": "/a", "upstream_id": "u"}], "upstreams": [{"id": "u", "nodes": NODES}]}
    )
    translator = Translator(OPTIONS)
    before = plain(translator.compile(state))
    after = plain(translator.compile(with_one(state, kind, id, {"id": id, **value})))
    assert changed_types(before, after) == types


def test_equal_inline_upstreams_share_a_cluster_whatever_they_are_called() -> None:
    routes = [
        {"id": str(number), "uri": f"/{number}", "upstream": {"nodes": NODES, "name": f"n{number}"}}
        for number in range(9)
    ]
    assert len(compiled(state_of({"routes": routes}))[CLUSTER]) == 1


def test_an_upstream_that_no_route_uses_is_not_sent() -> None:
    snapshot = compiled(state_of({"upstreams": [{"id": "u", "nodes": NODES}]}))
    assert snapshot[CLUSTER] == snapshot[ENDPOINTS] == snapshot[SECRET] == {}
    assert set(snapshot[LISTENER]) == {"gatechat"}
    assert set(snapshot[EXTENSION]) == {"gatechat.lua"}


def test_a_plain_route_costs_few_bytes() -> None:
    def size(routes: int) -> int:
        values = [{"id": str(n + 1000), "uri": f"/r/{n + 1000}", "upstream_id": "u"} for n in range(routes)]
        state = state_of({"routes": values, "upstreams": [{"id": "u", "nodes": NODES}]})
        table = compiled(state)[ROUTES]["gatechat"]
        assert RouteConfiguration.FromString(table).name == "gatechat"
        return len(table)

    assert (size(200) - size(100)) / 100 < 110
