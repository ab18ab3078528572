from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatechat.gateway.model import Refused, State
from gatechat.gateway.plugins import check_plugins, lua_sources
from gatechat.gateway.plugins.limit_count import check_groups
from tests.conftest import GatewayUnderTest
from tests.gateway.plugins.traffic import Traffic, program, serving, state

LIMIT: dict[str, Any] = {"count": 2, "time_window": 600, "rejected_code": 429}
LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
# what it is, configuration, requests as headers, statuses
CASES: list[tuple[str, dict[str, Any], list[dict[str, str]], list[int]]] = [
    ("503 unless told otherwise", {"count": 1, "time_window": 600}, [{}, {}], [200, 503]),
    ("by the client's address", LIMIT, [{}, {"x-who": "a"}, {"x-who": "b"}], [200, 200, 429]),
    (
        "by a variable",
        {**LIMIT, "count": 1, "key": "http_x_who"},
        [{"x-who": "a"}, {"x-who": "b"}, {"x-who": "a"}],
        [200, 200, 429],
    ),
    (
        "a variable that is not there is the client's address",
        {**LIMIT, "count": 1, "key": "http_x_who"},
        [{}, {"x-who": "127.0.0.1"}],
        [200, 429],
    ),
    (
        "by several variables",
        {**LIMIT, "count": 1, "key_type": "var_combination", "key": "$http_x_who $http_x_what"},
        [
            {"x-who": "a", "x-what": "1"},
            {"x-who": "a", "x-what": "2"},
            {"x-who": "a"},
            {"x-who": "a", "x-what": "1"},
        ],
        [200, 200, 200, 429],
    ),
    (
        "none of several variables is there",
        {**LIMIT, "count": 1, "key_type": "var_combination", "key": "$http_x_who $http_x_what"},
        [{}, {}],
        [200, 429],
    ),
    (
        "all together",
        {**LIMIT, "count": 1, "key_type": "constant", "key": "$http_x_who"},
        [{"x-who": "a"}, {"x-who": "b"}],
        [200, 429],
    ),
    (
        "a count that the request says",
        {**LIMIT, "count": "${http_x_count ?? 1}"},
        [{"x-count": "3"}, {"x-count": "3"}, {}, {"x-count": "5"}],
        [200, 200, 429, 200],
    ),
    *(
        (f"a count of {count} is an error", {**LIMIT, "count": "$http_x_count"}, [{"x-count": count}], [500])
        for count in ("0", "-1", "1.5", "9999999999999999", "many")
    ),
    (
        "a count that is wrong, but degradation is allowed",
        {**LIMIT, "count": "$http_x_count", "allow_degradation": True},
        [{"x-count": "0"}],
        [200],
    ),
    ("a window that is wrong", {**LIMIT, "time_window": "$http_x_window"}, [{"x-window": "0"}], [500]),
    ("a sliding window", {**LIMIT, "window_type": "sliding"}, [{}, {}, {}], [200, 200, 429]),
    (
        "rules, each with its key",
        {
            "rejected_code": 429,
            "rules": [
                {"key": "$http_x_who", "count": 1, "time_window": 600},
                {"key": "$http_x_what", "count": "$http_x_count", "time_window": 600},
            ],
        },
        [
            {"x-who": "a"},
            {"x-who": "a"},
            {"x-what": "1", "x-count": "1"},
            {"x-what": "1", "x-count": "1"},
            {},
        ],
        [200, 429, 200, 429, 500],
    ),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes: dict[str, Mapping[str, Any]] = {
        "/headers": {**LIMIT, "rejected_msg": "slowly"},
        "/quiet": {**LIMIT, "count": 1, "show_limit_quota_header": False},
        "/prefixes": {
            "rules": [
                {"key": "${remote_addr}_1", "count": 5, "time_window": 600, "header_prefix": "Jack"},
                {"key": "${remote_addr}_2", "count": 9, "time_window": 900},
            ]
        },
        "/group/a": {**LIMIT, "group": "g"},
        "/group/b": {**LIMIT, "group": "g"},
    }
    routes |= {f"/{i}": case[1] for i, case in reversed(list(enumerate(CASES)))}
    return serve({path: program({"limit-count": conf}, id=path) for path, conf in routes.items()})


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_limits(traffic: Traffic, number: int) -> None:
    _, _, requests, statuses = CASES[number]
    assert [traffic.client.get(f"/{number}", headers=headers).status_code for headers in requests] == statuses


def test_every_answer_says_where_the_client_stands(traffic: Traffic) -> None:
    answers = [traffic.get("/headers") for _ in range(3)]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["2", "2", "2"]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    resets = [float(answer.headers["x-ratelimit-reset"]) for answer in answers]
    assert 600 == resets[0] >= resets[1] >= resets[2] > 580
    assert answers[2].json() == {"error_msg": "slowly"}


def test_the_headers_can_be_left_out(traffic: Traffic) -> None:
    answers = [traffic.get("/quiet") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert not any(name in answer.headers for answer in answers for name in LIMIT_HEADERS)


def test_rules_have_headers_of_their_own(traffic: Traffic) -> None:
    answer = traffic.get("/prefixes")
    assert answer.headers["x-jack-ratelimit-limit"] == "5"
    assert answer.headers["x-jack-ratelimit-remaining"] == "4"
    assert answer.headers["x-2-ratelimit-limit"] == "9"
    assert answer.headers["x-2-ratelimit-reset"] == "900"


def test_a_group_counts_together(traffic: Traffic) -> None:
    paths = ("/group/a", "/group/b", "/group/a", "/group/b")
    assert [traffic.get(path).status_code for path in paths] == [200, 200, 429, 429]


CONSUMERS = state(
    consumers={
        "jack": {"username": "jack", "plugins": {"limit-count": {**LIMIT, "count": 1}}},
        "anne": {"username": "anne", "plugins": {"limit-count": {**LIMIT, "count": 1}}},
        "carl": {"username": "carl", "group_id": "team"},
        "dora": {"username": "dora", "group_id": "team"},
        "eric": {"username": "eric"},
        "finn": {"username": "finn"},
    },
    credentials={
        f"{name}/credentials/c": {"plugins": {"key-auth": {"key": name}}}
        for name in ("jack", "anne", "carl", "dora", "eric", "finn")
    },
    consumer_groups={"team": {"plugins": {"limit-count": {**LIMIT, "count": 1}}}},
    plugin_metadata={
        "limit-count": {"limit_header": "X-Limit", "remaining_header": "X-Left", "reset_header": "X-Again"}
    },
)
OF_A_SERVICE = {**LIMIT, "_meta": {"parent": "services/1"}}


@pytest.fixture(scope="module")
def owned(serve: Callable[..., Traffic]) -> Traffic:
    programs = {
        "/keys": program({"key-auth": {}, "limit-count": LIMIT}, id="1"),
        "/service/a": program({"limit-count": OF_A_SERVICE}, id="2"),
        "/service/b": program({"limit-count": OF_A_SERVICE}, id="3"),
        "/own/a": program({"limit-count": LIMIT}, id="4"),
        "/own/b": program({"limit-count": LIMIT}, id="5"),
        "/changed": program({"limit-count": {**LIMIT, "rejected_msg": "x"}}, id="4"),
        "/global/a": program({}, rules={"limit-count": LIMIT}, id="6"),
        "/global/b": program({}, rules={"limit-count": LIMIT}, id="7"),
    }
    return serve(programs, CONSUMERS)


@pytest.mark.parametrize(
    ("requests", "statuses"),
    [
        ([("/keys", "jack"), ("/keys", "anne"), ("/keys", "jack"), ("/keys", "anne")], [200, 200, 429, 429]),
        ([("/keys", "carl"), ("/keys", "dora")], [200, 429]),
        ([("/keys", "eric"), ("/keys", "finn"), ("/keys", "eric")], [200, 200, 429]),
        ([("/service/a", ""), ("/service/b", ""), ("/service/a", "")], [200, 200, 429]),
        (
            [("/own/a", ""), ("/own/a", ""), ("/own/b", ""), ("/own/a", ""), ("/changed", "")],
            [200, 200, 200, 429, 200],
        ),
        ([("/global/a", ""), ("/global/b", ""), ("/global/a", "")], [200, 200, 429]),
    ],
    ids=[
        "consumers with a limit are counted apart",
        "consumers of a group are counted together",
        "consumers share the route's",
        "the routes of a service are counted together",
        "routes and changed configurations are counted apart",
        "a global rule counts all routes together",
    ],
)
def test_counts_for_the_resource_it_stands_on(
    owned: Traffic, requests: list[tuple[str, str]], statuses: list[int]
) -> None:
    assert [owned.get(path, apikey=key).status_code for path, key in requests] == statuses


def test_metadata_names_the_headers(owned: Traffic) -> None:
    answer = owned.get("/own/b")
    assert (answer.headers["x-limit"], answer.headers["x-left"]) == ("2", "0")
    assert 0 < float(answer.headers["x-again"]) <= 600
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_metadata_takes_effect_when_it_is_written(gateway: GatewayUnderTest) -> None:
    upstream = {"type": "roundrobin", "nodes": gateway.nodes()}
    gateway.put("routes/l1", {"uri": "/l1", "upstream": upstream, "plugins": {"limit-count": LIMIT}})
    assert "x-ratelimit-limit" in gateway.client.get("/l1").headers
    gateway.put("plugin_metadata/limit-count", {"limit_header": "X-Quota"})
    assert gateway.client.get("/l1").headers["x-quota"] == "2"


def test_the_configuration_of_a_group_cannot_be_changed(gateway: GatewayUnderTest) -> None:
    upstream = {"type": "roundrobin", "nodes": gateway.nodes()}

    def put(**limit: Any) -> int:
        route = {"uri": "/l2", "upstream": upstream, "plugins": {"limit-count": {**LIMIT, **limit}}}
        return gateway.admin.put("/apisix/admin/routes/l2", json=route).status_code

    assert put(group="g") == 201
    assert put(group="g", count=3) == 400
    assert put(group="h", count=3) == 200


def test_exactly_as_many_pass_under_two_workers(tmp_path: Path) -> None:
    conf = {**LIMIT, "count": 100}
    with serving(tmp_path, {"/": program({"limit-count": conf})}, workers=2) as traffic:
        together = threading.Barrier(8)

        def send(_: int) -> list[int]:
            with httpx2.Client(base_url=f"http://127.0.0.1:{traffic.port}", trust_env=False) as client:
                together.wait(20)
                return [client.get("/").status_code for _ in range(40)]

        with ThreadPoolExecutor(8) as pool:
            statuses = Counter(status for answers in pool.map(send, range(8)) for status in answers)
    assert statuses == {200: 100, 429: 220}


def test_counters_outlive_envoy(tmp_path: Path) -> None:
    statuses = []
    for _ in range(3):
        with serving(tmp_path, {"/": program({"limit-count": LIMIT})}) as traffic:
            statuses.append(traffic.get("/").status_code)
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(("allow", "status"), [(True, 200), (False, 500)])
def test_without_counters_a_request_passes_only_where_that_is_allowed(
    tmp_path: Path, allow: bool, status: int
) -> None:
    sources = lua_sources(State(), shm_path=str(tmp_path / "no" / "counters"))
    conf = {**LIMIT, "allow_degradation": allow}
    with serving(tmp_path, {"/": program({"limit-count": conf})}, sources=sources) as traffic:
        answer = traffic.get("/")
    assert answer.status_code == status
    if not allow:
        assert answer.json() == {"error_msg": "failed to limit count"}
    assert any("limit-count: cannot open" in line for line in traffic.log)


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({}, ""),
        ({"count": 1}, ""),
        ({"count": 0, "time_window": 1}, "count"),
        ({"count": 1, "time_window": 0}, "time_window"),
        ({"count": 1, "time_window": 1, "rejected_code": 199}, "rejected_code"),
        ({"count": 1, "time_window": 1, "rejected_msg": ""}, "rejected_msg"),
        ({"count": 1, "time_window": 1, "rejected_msg": 1}, "rejected_msg"),
        ({"count": 1, "time_window": 1, "key_type": "no"}, "key_type"),
        (
            {"count": 1, "time_window": 1, "policy": "redis", "redis_host": "127.0.0.1"},
            "policy redis is not there",
        ),
        ({"count": 1, "time_window": 2, "sync_interval": 1}, "sync_interval is for redis"),
        (
            {
                "rules": [
                    {"key": "$a", "count": 1, "time_window": 1},
                    {"key": "$a", "count": 2, "time_window": 2},
                ]
            },
            r"duplicate key '\$a' in rules",
        ),
        (
            {"group": "g", "rules": [{"key": "$a", "count": 1, "time_window": 1}]},
            "group and rules cannot be specified at the same time",
        ),
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        Refused, match=f"failed to check the configuration of plugin limit-count err: .*{reason}"
    ):
        check_plugins({"limit-count": conf}, "", "route")


def test_refuses_a_group_with_two_configurations() -> None:
    there = state(services={"1": {"plugins": {"limit-count": {**LIMIT, "group": "g"}}}})
    other = {"limit-count": {**LIMIT, "count": 3, "group": "g"}}
    with pytest.raises(Refused, match="group conf mismatched: services/1 has another one"):
        check_groups(there, other)
    check_groups(there, {"limit-count": {**LIMIT, "key": "remote_addr", "group": "g"}})
    check_groups(there, {"limit-count": {**other["limit-count"], "group": "h"}})
