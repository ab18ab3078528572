"""What lua/runtime.lua does with programs, on the real Envoy; the order is APISIX's http_access_phase."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gatechat.gateway.plugins import Candidate, build_dispatcher, build_program, compile_vars
from tests.gateway.plugins import probes
from tests.gateway.plugins.traffic import Traffic, program, state

CONSUMERS = state(
    consumers={
        "jack": {"username": "jack", "plugins": {"key-auth": {"key": "jack-key"}}},
        "anne": {
            "username": "anne",
            "group_id": "gold",
            "plugins": {
                "key-auth": {"key": "anne-key"},
                "second": {"name": "annes"},
                "plain": {"name": "hers"},
            },
        },
        "lost": {"username": "lost", "group_id": "gone", "plugins": {"key-auth": {"key": "lost-key"}}},
        "off": {
            "username": "off",
            "plugins": {"key-auth": {"key": "off-key"}, "second": {"_meta": {"disable": True}}},
        },
    },
    consumer_groups={"gold": {"plugins": {"second": {"name": "golds"}, "early": {"name": "group"}}}},
)

BOTH: dict[str, Any] = {"first": {}, "second": {}}

PROGRAMS = {
    "/order": lambda: program(BOTH),
    "/priority": lambda: program({"first": {"_meta": {"priority": 1}}, "second": {}}),
    "/disabled": lambda: program({"first": {"_meta": {"disable": True}}, "second": {}}),
    "/global": lambda: program({"first": {}}, rules={"second": {}}),
    "/filter": lambda: program({"first": {"_meta": {"filter": [["arg_run", "==", "1"]]}}, "second": {}}),
    "/late-filter": lambda: program(
        {"body": {"_meta": {"filter": [["arg_run", "==", "1"], ["status", "==", "200"]]}}}
    ),
    "/nowhere": lambda: build_program(globals_=[{"key-auth": {}, "second": {}}], plugins={}, scope={}),
    "/key": lambda: program({**BOTH, "key-auth": {}}),
    "/reject-rewrite": lambda: program(
        {"first": {"replies": "rewrite", "body": {"why": "no"}}, "second": {}}
    ),
    "/reject-access": lambda: program(
        {"first": {}, "second": {"replies": "access", "status": 418, "body": "tea"}}
    ),
    "/reject-global": lambda: program({"first": {}}, rules={"second": {"replies": "rewrite"}}),
    "/error-response": lambda: program(
        {"plain": {"replies": "access", "body": "x", "_meta": {"error_response": {"message": "sorry"}}}}
    ),
    "/redirected": lambda: program(
        {
            "plain": {
                "replies": "access",
                "status": 302,
                "headers": {"Location": "/x", "Set-Cookie": ["a=1", "b=2"]},
            }
        }
    ),
    "/no-error-response": lambda: program(
        {"plain": {"replies": "access", "status": 200, "body": "x", "_meta": {"error_response": "sorry"}}}
    ),
    "/fails-rewrite": lambda: program({"plain": {"fails": "rewrite"}}),
    "/fails-header": lambda: program({"first": {"fails": "header_filter"}}),
    "/fails-body": lambda: program({"body": {"fails": "body_filter"}}),
    "/bad-status": lambda: program({"plain": {"replies": "access", "status": 7}}),
    "/early": lambda: program({"early": {"early": "yes"}}),
    "/early-reply": lambda: program({"plain": {"early": "yes", "replies": "access"}}),
    "/body": lambda: program({"body": {}, "body2": {}}),
    "/heavy": lambda: program({"first": {"weight": 200_000}}),
    "/weigh": lambda: program({"first": {"weighs": "access"}}),
    "/new-body": lambda: program({"body": {}, "body2": {"new_body": "new"}}),
    "/show": lambda: program(
        {
            "first": {
                "show": ["uri", "arg_a", "http_x_in", "route_id", "status", "sent_http_x_up", "cookie_c"],
                "_vars": ["uri", "arg_a", "http_x_in", "cookie_c"],
            }
        }
    ),
}


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Iterator[Traffic]:
    with probes.installed():
        programs: dict[str, Any] = {path: make() for path, make in PROGRAMS.items()}
        programs["/broken"] = program({"plain": {}})
        object.__setattr__(programs["/broken"], "text", "{")
        yield serve({**programs, **_dispatching(), "/": None}, CONSUMERS)


def _dispatching() -> dict[str, Any]:
    """A dispatcher of three routes; "third" has no program, the others are reached only through it."""

    def case(value: str) -> Any:
        return compile_vars([["arg_to", "==", value]])

    one, two = program({"first": {}}, id="one"), program({"plain": {}}, id="two")
    params = compile_vars([["uri_param_id", "==", "7"]])
    chosen = [
        Candidate("route-one", case("one"), one),
        Candidate("route-two", case("two"), two),
        Candidate("third", case("three"), None),
        Candidate("fourth", params, None, {"uris": ["/dispatch/:id"]}),
    ]
    routes = {"route-one": one, "route-two": two, "third": None, "fourth": None}
    return {**routes, "/dispatch": build_dispatcher(chosen)}


def trace(traffic: Traffic, path: str, **headers: str) -> str:
    answer = traffic.get(path, **headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["headers"]["x-trace"]).strip()


def test_all_rewrites_run_before_any_access(traffic: Traffic) -> None:
    assert trace(traffic, "/order") == "first.rewrite second.rewrite first.access second.access"


def test_the_response_runs_after_them_by_priority(traffic: Traffic) -> None:
    assert traffic.get("/order").headers["x-trace"].endswith("first.header_filter second.header_filter")


def test_meta_priority_changes_the_order(traffic: Traffic) -> None:
    assert trace(traffic, "/priority") == "second.rewrite first.rewrite second.access first.access"


def test_a_disabled_plugin_does_not_run(traffic: Traffic) -> None:
    assert trace(traffic, "/disabled") == "second.rewrite second.access"


def test_global_rules_run_before_the_route_in_each_phase(traffic: Traffic) -> None:
    assert trace(traffic, "/global") == "second.rewrite first.rewrite second.access first.access"


def test_meta_filter_decides_for_the_whole_request(traffic: Traffic) -> None:
    assert trace(traffic, "/filter") == "second.rewrite second.access"
    answer = traffic.get("/filter?run=1")
    assert answer.headers["x-trace"].count("first.") == 3


def test_meta_filter_in_the_response_knows_the_request(traffic: Traffic) -> None:
    assert traffic.get("/late-filter?run=1").text.startswith("body(")
    assert traffic.get("/late-filter").text.startswith("{")


class TestConsumers:
    def test_a_consumer_without_plugins_changes_nothing(self, traffic: Traffic) -> None:
        assert trace(traffic, "/key", apikey="jack-key").endswith("first.access second.access")

    def test_a_consumers_plugin_replaces_the_routes_after_rewrite(self, traffic: Traffic) -> None:
        """Only a plugin that the route did not have runs its rewrite; the consumer's beats its group's."""
        assert trace(traffic, "/key", apikey="anne-key") == (
            "first.rewrite second.rewrite group.rewrite hers.rewrite first.access annes.access hers.access"
        )

    def test_the_response_is_the_consumers_too(self, traffic: Traffic) -> None:
        shown = traffic.get("/key", apikey="anne-key").headers["x-trace"]
        assert shown.endswith("first.header_filter annes.header_filter group.header_filter")

    def test_a_consumer_may_switch_a_plugin_off(self, traffic: Traffic) -> None:
        assert trace(traffic, "/key", apikey="off-key") == "first.rewrite second.rewrite first.access"

    def test_where_no_route_matched_a_consumers_plugins_do_not_run(self, traffic: Traffic) -> None:
        assert trace(traffic, "/nowhere", apikey="anne-key") == "second.rewrite second.access"

    def test_a_consumer_of_a_lost_group_gets_503(self, traffic: Traffic) -> None:
        assert traffic.get("/key", apikey="lost-key").status_code == 503


class TestReplies:
    def test_a_table_is_sent_as_json_and_the_response_phases_run(self, traffic: Traffic) -> None:
        answer = traffic.get("/reject-rewrite")
        assert (answer.status_code, answer.text) == (403, '{"why":"no"}\n')
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-trace"] == "first.rewrite first.header_filter second.header_filter"

    def test_text_is_sent_as_it_is(self, traffic: Traffic) -> None:
        answer = traffic.get("/reject-access")
        assert (answer.status_code, answer.text) == (418, "tea")

    def test_after_the_refusal_of_a_global_rule_only_global_rules_see_the_response(
        self, traffic: Traffic
    ) -> None:
        assert traffic.get("/reject-global").headers["x-trace"] == "second.rewrite second.header_filter"

    def test_error_response_replaces_the_body_from_400_on(self, traffic: Traffic) -> None:
        assert traffic.get("/error-response").text == '{"message":"sorry"}\n'
        assert traffic.get("/no-error-response").text == "x"

    def test_headers_with_several_values_and_no_body(self, traffic: Traffic) -> None:
        answer = traffic.get("/redirected")
        assert (answer.status_code, answer.text, answer.headers["location"]) == (302, "", "/x")
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]

    @pytest.mark.parametrize(
        "path", ["/fails-rewrite", "/fails-header", "/fails-body", "/broken", "/bad-status"]
    )
    def test_whatever_fails_ends_in_500(self, traffic: Traffic, path: str) -> None:
        answer = traffic.get(path)
        assert (answer.status_code, answer.text) == (500, '{"error_msg":"500 Internal Server Error"}\n')

    def test_a_failure_is_logged_with_the_plugins_name(self, traffic: Traffic) -> None:
        traffic.get("/fails-rewrite")
        line = next(line for line in traffic.log if "broken on purpose" in line)
        assert "gatechat: plugin plain failed: gatechat.plugins.plain:" in line


class TestResponses:
    @pytest.mark.parametrize(("path", "status"), [("/early", 200), ("/early-reply", 403)])
    def test_a_response_header_may_be_set_early(self, traffic: Traffic, path: str, status: int) -> None:
        answer = traffic.get(path)
        assert (answer.status_code, answer.headers["x-early"]) == (status, "yes")

    def test_body_filters_run_one_after_the_other(self, traffic: Traffic) -> None:
        answer = traffic.get("/body")
        assert answer.text.startswith('body2(body({"method"')
        assert int(answer.headers["content-length"]) == len(answer.content)

    def test_a_body_may_be_replaced_unseen(self, traffic: Traffic) -> None:
        assert traffic.get("/new-body").text == "body2(body(new))"

    def test_an_answer_to_head_stays_without_a_body(self, traffic: Traffic) -> None:
        answer = traffic.client.head("/body")
        assert (answer.status_code, answer.content) == (200, b"")
        assert traffic.get("/body").status_code == 200

    def test_variables_of_the_request_are_kept_when_asked_for(self, traffic: Traffic) -> None:
        headers = traffic.get("/show/x?a=1", x_in="in", x_reply_x_up="up", cookie="b=2; c=3").headers
        shown = {
            name: headers.get(f"x-{name}")
            for name in ("uri", "arg-a", "http-x-in", "route-id", "status", "cookie-c")
        }
        assert shown == {
            "uri": "/show/x",
            "arg-a": "1",
            "http-x-in": "in",
            "route-id": "1",
            "status": "200",
            "cookie-c": "3",
        }
        assert headers["x-sent-http-x-up"] == "up"


class TestDispatchers:
    def test_the_first_candidate_that_holds_runs_its_program(self, traffic: Traffic) -> None:
        answer = traffic.get("/dispatch?to=one")
        assert answer.headers["x-trace"] == "first.rewrite first.access first.header_filter"

    def test_a_program_without_a_response_part(self, traffic: Traffic) -> None:
        answer = traffic.get("/dispatch?to=two")
        assert answer.json()["headers"]["x-trace"].strip() == "plain.rewrite plain.access"

    @pytest.mark.parametrize("path", ["/dispatch?to=three", "/dispatch/7"])
    def test_a_candidate_without_a_program(self, traffic: Traffic, path: str) -> None:
        answer = traffic.get(path)
        assert answer.status_code == 200
        assert "x-trace" not in answer.json()["headers"]

    def test_no_candidate_is_apisixs_404(self, traffic: Traffic) -> None:
        answer = traffic.get("/dispatch/8")
        assert (answer.status_code, answer.text) == (404, '{"error_msg":"404 Route Not Found"}\n')


class TestContexts:
    """What the request leaves for its response lives as long as the stream."""

    def kilobytes(self, traffic: Traffic) -> float:
        return float(traffic.get("/weigh").json()["kilobytes"])

    def test_streams_that_die_before_their_response_leave_nothing(self, traffic: Traffic) -> None:
        before = self.kilobytes(traffic)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", traffic.port)) as connection:
                connection.sendall(b"GET /heavy HTTP/1.1\r\nhost: x\r\nx-until-closed: 1\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""
        assert self.kilobytes(traffic) - before < 2_000

    def test_answered_streams_leave_nothing(self, traffic: Traffic) -> None:
        before = self.kilobytes(traffic)
        for _ in range(100):
            assert traffic.get("/heavy").headers["x-trace"]
        assert self.kilobytes(traffic) - before < 2_000

    def test_a_long_wait_for_the_upstream_loses_nothing(self, traffic: Traffic) -> None:
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(traffic.get, "/order", x_until_released="1")
            assert traffic.upstream.arrived.wait(20)
            for _ in range(5):
                self.kilobytes(traffic)
            traffic.upstream.released.set()
            assert waiting.result(20).headers["x-trace"].startswith("first.rewrite second.rewrite")
