from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.change.model import Action, Edit, Target
from gatechat.assistant.change.redact import REDACTED, Redactor
from gatechat.assistant.change.resolve import after, resolve
from tests.assistant.change.planning import configuration, operation, resolved

HERE: dict[str, dict[str, Any]] = {
    "upstreams": {
        "u": {"name": "backend", "nodes": {"a:1": 1}},
        "v1": {"name": "twin"},
        "v2": {"name": "twin"},
    },
    "services": {"s": {"name": "shop"}},
    "consumers": {"jack": {"username": "jack", "plugins": {"key-auth": {"key": "one"}}}},
    "credentials": {"jack/credentials/k": {"plugins": {"key-auth": {"key": "two"}}}},
    "routes": {
        "1": {"name": "pay", "uri": "/pay", "labels": {"tier": "gold"}, "upstream_id": "u"},
        "2": {"name": "buy", "uris": ["/buy"], "host": "a.example", "labels": {"tier": "gold"}},
    },
}


def only(*operations: Any) -> Edit:
    found = resolved(HERE, *operations)
    assert not found.problems, found.problems
    (edit,) = found.edits
    return edit


@pytest.mark.parametrize(
    ("kind", "id", "value", "made", "notes"),
    [
        ("routes", None, {"name": "My API", "uri": "/x"}, "my-api", ["id my-api, from its name"]),
        (
            "routes",
            None,
            {"uri": "/speaker/*"},
            "speaker",
            ["id speaker, from its path", "name speaker, from its path"],
        ),
        ("routes", None, {"uri": "/", "host": "x.example"}, "x.example", ["id x.example, from its path"]),
        ("routes", "9", {"uri": "/a/:id/b"}, "9", ["name a-id-b, from its path"]),
        ("routes", None, {"id": "7", "name": "n", "uri": "/x"}, "7", []),
        ("services", None, {"name": "Books"}, "books", ["id books, from its name"]),
        (
            "upstreams",
            None,
            {"nodes": {"10.0.0.1:80": 1}},
            "10.0.0.1-80",
            ["id 10.0.0.1-80, from what it holds"],
        ),
        ("consumers", "jill", {}, "jill", ["username jill"]),
        ("consumers", None, {"username": "jill"}, "jill", []),
        ("ssls", None, {"snis": ["a.example"]}, "a.example", ["id a.example, from its name (SNI)"]),
        ("global_rules", None, {"plugins": {"cors": {}}}, "cors", ["id cors, from its plugins"]),
        ("plugin_metadata", "cors", {"a": 1}, "cors", []),
        ("secrets", "vault/main", {"uri": "http://v"}, "vault/main", []),
        ("credentials", "jack/credentials/x", {"plugins": {}}, "jack/credentials/x", []),
        ("stream_routes", None, {"server_port": 9100}, "port-9100", ["id port-9100, from what it holds"]),
    ],
)
def test_defaults_are_filled_in_and_said(
    kind: str, id: str | None, value: Any, made: str, notes: list[str]
) -> None:
    edit = only(operation("create", kind, id, value))
    assert (edit.action, edit.target) == (Action.CREATE, Target(kind, made))
    assert list(edit.notes) == notes
    assert edit.before is None
    assert edit.version is None


@pytest.mark.parametrize(
    ("value", "nodes"),
    [
        ({"nodes": "a:1"}, {"a:1": 1}),
        ({"nodes": ["a:1", "b"]}, {"a:1": 1, "b:80": 1}),
        ({"nodes": "b", "scheme": "https"}, {"b:443": 1}),
        ({"nodes": {"a:1": 5}}, {"a:1": 5}),
        ({"nodes": [{"host": "a", "weight": 1}]}, [{"host": "a", "weight": 1}]),
    ],
)
def test_nodes_may_be_written_short(value: dict[str, Any], nodes: Any) -> None:
    upstream = only(operation("create", "upstreams", "n", value)).after
    route = only(operation("create", "routes", "n", {"uri": "/n", "upstream": value})).after
    assert upstream is not None
    assert route is not None
    assert upstream["nodes"] == route["upstream"]["nodes"] == nodes


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        (
            {"desc": "x"},
            {"name": "buy", "uris": ["/buy"], "host": "a.example", "labels": {"tier": "gold"}, "desc": "x"},
        ),
        (
            {"labels": {"tier": None, "a": "b"}, "name": None},
            {"uris": ["/buy"], "host": "a.example", "labels": {"a": "b"}},
        ),
        ({"uri": "/x"}, {"name": "buy", "uri": "/x", "host": "a.example", "labels": {"tier": "gold"}}),
        ({"hosts": ["b"]}, {"name": "buy", "uris": ["/buy"], "hosts": ["b"], "labels": {"tier": "gold"}}),
    ],
)
def test_a_merge_patch_changes_only_what_it_names(patch: Any, result: Any) -> None:
    edit = only(operation("merge", "routes", "2", patch))
    assert edit.after == result
    assert edit.version == HERE_VERSIONS["2"]


HERE_VERSIONS = {id: item.modified_index for id, item in configuration(HERE).all("routes").items()}


def test_what_takes_the_place_of_another_field_is_said() -> None:
    assert only(operation("merge", "routes", "2", {"uri": "/x"})).notes == ("uri takes the place of uris",)
    assert only(operation("merge", "routes", "1", {"upstream": {"nodes": {"b:1": 1}}})).after == {
        "name": "pay",
        "uri": "/pay",
        "labels": {"tier": "gold"},
        "upstream": {"nodes": {"b:1": 1}},
    }


def test_names_may_be_used_where_ids_are_meant() -> None:
    assert only(operation("merge", "routes", "pay", {"desc": "x"})).target == Target("routes", "1")
    edit = only(
        operation("create", "routes", "n", {"uri": "/n", "upstream_id": "backend", "service_id": "shop"})
    )
    assert edit.after == {"name": "n", "uri": "/n", "upstream_id": "u", "service_id": "s"}
    assert "upstream_id: backend is upstreams/u" in "; ".join(edit.notes)


def test_a_field_of_the_same_name_elsewhere_is_no_reference() -> None:
    nacos = {"service_name": "x", "discovery_type": "nacos", "discovery_args": {"group_id": "DEFAULT"}}
    assert only(operation("create", "upstreams", "n", nacos)).after == nacos


def test_names_of_what_the_same_plan_creates_may_be_used_before_it() -> None:
    found = resolved(
        {},
        operation("create", "routes", None, {"name": "r", "uri": "/n", "upstream_id": "New One"}),
        operation("create", "upstreams", None, {"name": "New One", "nodes": "a:1"}),
    )
    assert not found.problems
    assert [it.target.kind for it in found.edits] == ["upstreams", "routes"]
    assert (found.edits[1].after or {})["upstream_id"] == "new-one"


@pytest.mark.parametrize(
    ("operations", "message", "fix"),
    [
        (
            [operation("create", "routes", "n", {"uri": "/", "upstream_id": "twin"})],
            "2 upstreams are named twin",
            "v1, v2",
        ),
        (
            [operation("create", "routes", "n", {"uri": "/", "upstream_id": "bakend"})],
            "no upstreams/bakend",
            '"backend"',
        ),
        ([operation("merge", "upstreams", "twin", {"desc": "x"})], "v1, v2", ""),
        ([operation("merge", "routes", "payy", {"desc": "x"})], "pay", ""),
        ([operation("replace", "routes", "new", {"uri": "/"})], "use create", ""),
        ([operation("delete", "routes", "9")], "routes: there is none", ""),
        ([operation("create", "routes", "1", {"uri": "/"})], "routes/1 is there already", "merge or replace"),
        ([operation("create", "routes", None, {"name": "ü"})], "needs an id", "give it"),
        ([operation("create", "plugin_metadata", None, {})], "needs an id", "plugin's name"),
        ([operation("create", "secrets", None, {})], "needs an id", "vault/main"),
        ([operation("create", "route", None, {})], 'kind "route"', '"routes"'),
        ([operation("merge", "routes", None, {})], "needs an id, a name, or a selection", ""),
        ([operation("merge", "routes", "1")], "needs a value", ""),
        ([operation("merge", "routes", None, {"a": 1}, where={"lable": "x"})], "did you mean label?", ""),
        (
            [operation("merge", "routes", None, {"a": 1}, where={"label": "tmp"})],
            "the selection is empty",
            "find",
        ),
        (
            [operation("replace", "routes", None, {"a": 1}, where={"all": True})],
            "goes with merge and delete",
            "",
        ),
        (
            [operation("merge", "routes", "1", {"a": 1}), operation("delete", "routes", "1")],
            "changed and deleted",
            "",
        ),
        (
            [operation("delete", "routes", "1"), operation("merge", "routes", "1", {"a": 1})],
            "deleted by the same plan",
            "",
        ),
        (
            [
                operation("replace", "routes", "1", {"uri": "/a"}),
                operation("replace", "routes", "1", {"uri": "/b"}),
            ],
            "written twice",
            "join",
        ),
        (
            [operation("delete", "upstreams", "u"), operation("merge", "routes", "2", {"upstream_id": "u"})],
            "upstreams/u is deleted by this plan",
            "",
        ),
        ([operation("merge", "routes", "1", {"name": "pay"})], "nothing would change", ""),
        (
            [operation("create", "consumers", "x", {"plugins": {"key-auth": {"key": REDACTED}}})],
            "no secret in this",
            "[enter]",
        ),
        ([], "nothing to do", ""),
    ],
)
def test_what_is_not_clear_is_a_problem(operations: list[Any], message: str, fix: str) -> None:
    found = resolved(HERE, *operations)
    told = "; ".join(f"{it.message} {it.fix}" for it in found.problems)
    assert message in told
    assert fix in told


@pytest.mark.parametrize(
    ("kind", "id"),
    [
        ("routes", ".."),
        ("routes", "."),
        ("routes", "../consumers/jack"),
        ("routes", "a/b"),
        ("routes", "a%2fb"),
        ("routes", "a b"),
        ("routes", "a?force=true"),
        ("routes", "ä"),
        ("consumers", "jack/credentials/x"),
        ("credentials", "x"),
        ("credentials", "jack/../x"),
        ("credentials", "../credentials/x"),
        ("secrets", "vault"),
        ("secrets", "volt/x"),
        ("secrets", "vault/.."),
    ],
)
def test_an_id_leads_nowhere_else(kind: str, id: str) -> None:
    for action, more in (("create", {}), ("replace", {"create_missing": True})):
        found = resolved({}, operation(action, kind, id, {"plugins": {}}, **more))
        assert found.edits == ()
        assert len(found.problems) == 1


def test_all_problems_are_told_at_once() -> None:
    found = resolved(HERE, operation("merge", "routes", "x", {}), operation("merge", "nope", "y", {}))
    assert len(found.problems) == 2


def test_a_selection_makes_an_edit_of_each_and_says_how_many() -> None:
    found = resolved(HERE, operation("merge", "routes", None, {"desc": "x"}, where={"label": "tier=gold"}))
    assert [it.target.id for it in found.edits] == ["1", "2"]
    assert found.selected == "2 routes with label tier=gold"


def test_what_is_as_wanted_already_is_left_out_and_said() -> None:
    found = resolved(HERE, operation("merge", "routes", None, {"name": "pay"}, where={"all": True}))
    assert [it.target.id for it in found.edits] == ["2"]
    assert found.selected == "all 2 routes, 1 of them already as wanted"


def test_two_merges_of_one_resource_add_up() -> None:
    edit = only(
        operation("merge", "routes", "1", {"desc": "a"}), operation("merge", "routes", "1", {"status": 0})
    )
    assert (edit.after or {})["desc"] == "a"
    assert (edit.after or {})["status"] == 0


def test_the_credentials_of_a_deleted_consumer_go_with_it() -> None:
    found = resolved(HERE, operation("delete", "consumers", "jack"))
    assert [it.target for it in found.edits] == [
        Target("credentials", "jack/credentials/k"),
        Target("consumers", "jack"),
    ]


def test_a_redacted_value_keeps_the_secret_that_is_there() -> None:
    edit = only(
        operation("merge", "consumers", "jack", {"plugins": {"key-auth": {"key": REDACTED}}, "desc": "x"})
    )
    assert edit.after == {"username": "jack", "plugins": {"key-auth": {"key": "one"}}, "desc": "x"}


PAIR = {"plugins": {"my-own": {"headers": {"name": "X-Api-Key", "value": "the-canary"}}}}
REVEALING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a condition on another header": (
        {"vars": [["http_x_api_key", "==", "the-canary"]]},
        {"vars": [["http_x_any", "==", REDACTED]]},
    ),
    "a condition that moves in its list": (
        {"vars": [["http_x_api_key", "==", "the-canary"]]},
        {"vars": [["http_a", "==", "b"], ["http_x_any", "==", REDACTED]]},
    ),
    "another name in a pair": (PAIR, {"plugins": {"my-own": {"headers": {"name": "X-Any"}}}}),
    "another name, and what cannot be kept": (
        PAIR,
        {"desc": REDACTED, "plugins": {"my-own": {"headers": {"name": "X-Any"}}}},
    ),
    "a field that explains the key away": (
        {"plugins": {"my-own": {"key": "the-canary"}}},
        {"plugins": {"my-own": {"hash_on": "vars"}}},
    ),
}


@pytest.mark.parametrize("name", REVEALING)
def test_a_secret_that_is_kept_stays_a_secret(name: str) -> None:
    before, patch = REVEALING[name]
    here = {"routes": {"1": {"uri": "/a"} | before}}
    found = resolved(here, operation("merge", "routes", "1", patch))
    assert found.problems
    assert "the-canary" not in str([Redactor().redact("routes", it.after) for it in found.edits])
    assert "the-canary" not in str(found.problems)


def test_replace_may_create_what_is_missing_where_it_is_put() -> None:
    edit = only(operation("replace", "routes", "new", {"uri": "/n"}, create_missing=True))
    assert (edit.action, edit.target.id) == (Action.CREATE, "new")


@pytest.mark.parametrize(
    ("kind", "fix"), [("credentials", "newer versions of APISIX"), ("stream_routes", "apisix.proxy_mode")]
)
def test_a_kind_that_the_gateway_lacks_is_said(kind: str, fix: str) -> None:
    found = resolve(
        [operation("create", kind, "1", {})], configuration({}, absent=frozenset({kind})), Redactor()
    )
    assert f"this gateway has no {kind}" in found.problems[0].message
    assert fix in found.problems[0].fix


def test_writes_go_in_the_order_of_references_and_deletes_the_other_way() -> None:
    found = resolved(
        HERE,
        operation("delete", "upstreams", "u"),
        operation("delete", "routes", "1"),
        operation("create", "routes", "n", {"uri": "/n", "upstream_id": "w"}),
        operation("create", "upstreams", "w", {"nodes": "a:1"}),
    )
    assert [f"{it.action.value} {it.target.kind}" for it in found.edits] == [
        "create upstreams",
        "create routes",
        "delete routes",
        "delete upstreams",
    ]


def test_the_configuration_after_the_edits() -> None:
    before = configuration(HERE)
    found = resolve(
        [operation("delete", "routes", "1"), operation("merge", "routes", "2", {"desc": "x"})],
        before,
        Redactor(),
    )
    changed = after(before, found.edits)
    assert list(changed.all("routes")) == ["2"]
    assert changed.all("routes")["2"].value["desc"] == "x"
    assert "1" in before.all("routes")
