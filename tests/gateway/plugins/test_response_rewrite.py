from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import check_plugins
from tests.conftest import GatewayUnderTest
from tests.gateway.plugins.traffic import Traffic, program

# what it is, configuration, headers asked with, status, body (None: the upstream's), headers of the answer
CASES: list[tuple[str, dict[str, Any], dict[str, str], int, str | None, dict[str, str | None]]] = [
    ("another status", {"status_code": 418}, {}, 418, None, {}),
    (
        "another body",
        {"body": "new\n"},
        {"x-reply-etag": "1"},
        200,
        "new\n",
        {"content-length": "4", "etag": None},
    ),
    ("an empty body", {"body": ""}, {}, 200, "", {"content-length": "0"}),
    (
        "a body in base64",
        {"body": "SGVsbG8K", "body_base64": True},
        {},
        200,
        "Hello\n",
        {"content-length": "6"},
    ),
    (
        "headers",
        {"headers": {"X-A": "1", "X-N": 2}},
        {"x-reply-x-a": "0"},
        200,
        None,
        {"x-a": "1", "x-n": "2"},
    ),
    (
        "headers with variables",
        {"headers": {"set": {"X-A": "$uri-${http_x_q ?? none}-$arg_no-$status"}}},
        {"x-q": "q"},
        200,
        None,
        {"x-a": "PATH-q--200"},
    ),
    (
        "headers added",
        {"headers": {"add": ["X-A: 1", "X-A:two"]}},
        {"x-reply-x-a": "0"},
        200,
        None,
        {"x-a": "0, 1, two"},
    ),
    (
        "headers removed",
        {"headers": {"remove": ["X-A"], "add": ["X-A: 1"]}},
        {"x-reply-x-a": "0"},
        200,
        None,
        {"x-a": None},
    ),
    ("a condition that holds", {"vars": [["status", "==", 200]], "body": "b"}, {}, 200, "b", {}),
    (
        "a condition that does not",
        {"vars": [["status", "==", 201]], "body": "b", "status_code": 202},
        {},
        200,
        None,
        {},
    ),
    (
        "a condition on the request",
        {"vars": [["http_x_q", "==", "1"]], "body": "b"},
        {"x-q": "1"},
        200,
        "b",
        {},
    ),
    (
        "a condition on the response",
        {"vars": [["sent_http_x_a", "==", "1"]], "body": "b"},
        {"x-reply-x-a": "1"},
        200,
        "b",
        {},
    ),
]
# what it is, filters, text in the request that the upstream sends back, what becomes of it
FILTERS: list[tuple[str, list[dict[str, Any]], str, str]] = [
    ("the first match", [{"regex": "hello", "replace": "bye"}], "hello hello", "bye hello"),
    ("all matches", [{"regex": "hello", "scope": "global", "replace": "bye"}], "hello hello", "bye bye"),
    ("captures", [{"regex": "(h.)(l+)", "replace": "$2${1}$$"}], "hello", "llhe$o"),
    ("no match", [{"regex": "none", "replace": "x"}], "hello", "hello"),
    ("whatever the case", [{"regex": "HELLO", "replace": "bye", "options": "ijo"}], "hello", "bye"),
    ("a pattern with spaces", [{"regex": "h e l l o", "replace": "bye", "options": "x"}], "hello", "bye"),
    (
        "one filter after the other",
        [{"regex": "q", "replace": "z", "scope": "global"}, {"regex": "z+", "replace": "!"}],
        "qqz",
        "!",
    ),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes: dict[str, dict[str, Any]] = {
        f"/filter/{i}/": {"filters": case[1]} for i, case in enumerate(FILTERS)
    }
    routes["/short"] = {"filters": FILTERS[0][1], "max_resp_body_size": 5}
    routes |= {f"/{i}": case[1] for i, case in reversed(list(enumerate(CASES)))}
    programs = {path: program({"response-rewrite": conf}) for path, conf in routes.items()}
    refusing = {
        "ip-restriction": {"blacklist": ["0.0.0.0/0"]},
        "response-rewrite": {"status_code": 200, "body": "fine"},
    }
    return serve({"/refused": program(refusing), **programs})


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_the_client_gets(traffic: Traffic, number: int) -> None:
    _, _, headers, status, body, expected = CASES[number]
    path = f"/{number}"
    answer = traffic.client.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.text == body if body is not None else answer.json()["path"] == path
    assert {name: answer.headers.get(name) for name in expected} == {
        name: text and text.replace("PATH", path) for name, text in expected.items()
    }


@pytest.mark.parametrize("number", range(len(FILTERS)), ids=[case[0] for case in FILTERS])
def test_filters(traffic: Traffic, number: int) -> None:
    _, _, text, expected = FILTERS[number]
    answer = traffic.get(f"/filter/{number}/", x_text=f"[{text}]")
    assert answer.json()["headers"]["x-text"] == f"[{expected}]"
    assert int(answer.headers.get("content-length", len(answer.content))) == len(answer.content)


def test_filters_ask_the_upstream_not_to_compress(traffic: Traffic) -> None:
    assert "accept-encoding" not in traffic.get("/filter/0/").json()["headers"]


def test_a_compressed_response_goes_through_the_filters_as_it_is(traffic: Traffic) -> None:
    answer = traffic.get("/filter/0/", x_text="hello", x_reply_content_encoding="x-own")
    assert answer.headers["content-encoding"] == "x-own"
    assert answer.json()["headers"]["x-text"] == "hello"


def test_filters_cut_off_what_is_too_long(traffic: Traffic) -> None:
    assert traffic.get("/short").content == b'{"met'


def test_an_answer_of_another_plugin_is_rewritten_too(traffic: Traffic) -> None:
    answer = traffic.get("/refused")
    assert (answer.status_code, answer.text) == (200, "fine")


@pytest.mark.parametrize(("size", "status"), [(900_000, 200), (1_200_000, 500)])
def test_a_response_of_more_than_a_mebibyte_cannot_be_held(
    gateway: GatewayUnderTest, size: int, status: int
) -> None:
    upstream = {"type": "roundrobin", "nodes": gateway.nodes()}
    plugins = {"response-rewrite": {"filters": [{"regex": "none", "replace": "x"}]}}
    gateway.put("routes/rr", {"uri": "/rr", "plugins": plugins, "upstream": upstream})
    assert gateway.client.post("/rr", content=b"a" * size).status_code == status


def test_the_node_that_answered_is_known_and_told_to_nobody_else(gateway: GatewayUnderTest) -> None:
    told = {"x-node": "$balancer_ip:$balancer_port", "x-addr": "$upstream_addr"}
    plugins = {"response-rewrite": {"headers": {"set": told}}}
    route = {"plugins": plugins, "upstream": {"nodes": gateway.nodes()}}
    gateway.put("routes/node", {"uri": "/node", **route})
    gateway.put("routes/node-if", {"uri": "/node-if", "vars": [["arg_a", "==", "1"]], **route})
    gateway.put("routes/none", {"uri": "/none", "plugins": {**plugins, "key-auth": {}}})
    for path in ("/node", "/node-if?a=1"):
        answer = gateway.client.get(path)
        assert (answer.headers["x-node"], answer.headers["x-addr"]) == (gateway.upstream, gateway.upstream)
        assert "x-gatechat-node" not in answer.headers
    refused = gateway.client.get("/none")
    assert (refused.status_code, refused.headers["x-node"]) == (401, ":")


def test_a_new_body_is_not_sent_to_a_head(gateway: GatewayUnderTest) -> None:
    upstream = {"type": "roundrobin", "nodes": gateway.nodes()}
    gateway.put(
        "routes/rr", {"uri": "/rr", "plugins": {"response-rewrite": {"body": "new"}}, "upstream": upstream}
    )
    assert gateway.client.get("/rr").text == "new"
    assert gateway.client.head("/rr").text == ""
    assert gateway.client.get("/rr").text == "new"


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({"status_code": 199}, "status_code"),
        ({"status_code": 599}, "status_code"),
        ({"body": 2}, "body"),
        ({"body": "a", "filters": FILTERS[0][1]}, ""),
        ({"body_base64": True}, "invalid base64 content"),
        ({"body_base64": True, "body": "1"}, "invalid base64 content"),
        ({"headers": {"add": ["X-A"]}}, "headers"),
        ({"headers": {"": "x"}}, "invalid field length in header"),
        ({"filters": [{"regex": "a", "replace": "$name"}]}, "invalid capturing variable name found in"),
        ({"headers": {"X": [1]}}, "invalid type as header value"),
        ({"vars": [["status", "???", 1]]}, "failed to validate the 'vars' expression: "),
        ({"filters": []}, "filters"),
        ({"filters": [{"regex": "a"}]}, "filters"),
        ({"filters": [{"regex": "(a", "replace": "b"}]}, r'regex "\(a" validation failed: '),
        ({"filters": [{"regex": "a", "replace": "b", "scope": "two"}]}, "filters"),
        ({"filters": [{"regex": "a", "replace": "b", "options": "h"}]}, "the option 'h' is not supported"),
        ({"max_resp_body_size": 0}, "max_resp_body_size"),
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        Refused, match=f"failed to check the configuration of plugin response-rewrite err: .*{reason}"
    ):
        check_plugins({"response-rewrite": conf}, "", "route")
