from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.plugins.traffic import Traffic, program

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SHAPES: list[tuple[str, dict[str, Any], str]] = [
    ("uuid by default", {}, UUID % 4),
    ("uuid", {"algorithm": "uuid"}, UUID % 4),
    ("uuidv7", {"algorithm": "uuidv7"}, UUID % 7),
    ("nanoid", {"algorithm": "nanoid"}, "[-_0-9a-zA-Z]{21}"),
    ("ksuid", {"algorithm": "ksuid"}, "[0-9A-Za-z]{27}"),
    ("range_id", {"algorithm": "range_id"}, "[0-9a-zA-Z]{16}"),
    (
        "range_id of one's own",
        {"algorithm": "range_id", "range_id": {"length": 8, "char_set": "abcdef"}},
        "[a-f]{8}",
    ),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes = {f"/{i}": program({"request-id": case[1]}) for i, case in enumerate(SHAPES)}
    routes["/named"] = program({"request-id": {"header_name": "X-Trace"}})
    routes["/quiet"] = program({"request-id": {"include_in_response": False}})
    routes["/refused"] = program({"request-id": {}, "key-auth": {}})
    return serve(routes)


@pytest.mark.parametrize("number", range(len(SHAPES)), ids=[case[0] for case in SHAPES])
def test_every_request_gets_an_id_of_its_own(traffic: Traffic, number: int) -> None:
    answers = [traffic.get(f"/{number}") for _ in range(50)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 50
    assert all(re.fullmatch(SHAPES[number][2], id) for id in ids)
    assert ids == {answer.json()["headers"]["x-request-id"] for answer in answers}


@pytest.mark.parametrize("number", [2, 4])
def test_ids_with_time_in_them_begin_alike(traffic: Traffic, number: int) -> None:
    first, second = (traffic.get(f"/{number}").headers["x-request-id"] for _ in range(2))
    assert first[:3] == second[:3]


def test_an_id_that_comes_in_is_kept(traffic: Traffic) -> None:
    answer = traffic.get("/0", x_request_id="mine")
    assert answer.headers["x-request-id"] == answer.json()["headers"]["x-request-id"] == "mine"


def test_an_id_in_the_upstreams_response_is_kept(traffic: Traffic) -> None:
    assert traffic.get("/0", x_reply_x_request_id="theirs").headers.get_list("x-request-id") == ["theirs"]


def test_another_header(traffic: Traffic) -> None:
    answer = traffic.get("/named")
    assert answer.headers["x-trace"] == answer.json()["headers"]["x-trace"]


def test_the_client_may_be_left_out(traffic: Traffic) -> None:
    answer = traffic.get("/quiet")
    assert "x-request-id" not in answer.headers
    assert re.fullmatch(UUID % 4, answer.json()["headers"]["x-request-id"])


def test_a_refusal_has_the_id_too(traffic: Traffic) -> None:
    answer = traffic.get("/refused")
    assert (answer.status_code, len(answer.headers["x-request-id"])) == (401, 36)
