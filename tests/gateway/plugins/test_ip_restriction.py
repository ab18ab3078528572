from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import check_plugins
from tests.conftest import GatewayUnderTest
from tests.gateway.plugins.traffic import Traffic, program

CASES: list[tuple[str, dict[str, Any], int, str]] = [
    ("the address is allowed", {"whitelist": ["127.0.0.1"]}, 200, ""),
    ("its network is allowed", {"whitelist": ["10.0.0.0/8", "127.0.0.0/8"]}, 200, ""),
    ("others are allowed", {"whitelist": ["10.0.0.0/8", "::1"]}, 403, "Your IP address is not allowed"),
    ("the address is kept out", {"blacklist": ["127.0.0.1"]}, 403, "Your IP address is not allowed"),
    ("others are kept out", {"blacklist": ["10.0.0.0/8", "2001:db8::/32"]}, 200, ""),
    (
        "a message of one's own",
        {"blacklist": ["0.0.0.0/0"], "message": "Do you know me?"},
        403,
        "Do you know me?",
    ),
    ("a status of one's own", {"blacklist": ["127.0.0.1"], "response_code": 404, "message": "x"}, 404, "x"),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    return serve({f"/{i}": program({"ip-restriction": case[1]}) for i, case in enumerate(CASES)})


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_restricts(traffic: Traffic, number: int) -> None:
    _, _, status, message = CASES[number]
    answer = traffic.get(f"/{number}")
    assert answer.status_code == status
    if message:
        assert answer.json() == {"message": message}


def test_what_a_client_says_about_its_address_is_not_believed(traffic: Traffic) -> None:
    assert traffic.get("/3", x_forwarded_for="8.8.8.8", x_real_ip="8.8.8.8").status_code == 403


def test_a_proxy_on_this_machine_is_believed_who_its_client_is(gateway: GatewayUnderTest) -> None:
    plugins = {"ip-restriction": {"blacklist": ["127.0.0.1"]}}
    gateway.put("routes/a", {"uri": "/a", "plugins": plugins, "upstream": {"nodes": gateway.nodes()}})
    assert gateway.client.get("/a").status_code == 403
    assert gateway.client.get("/a", headers={"x-real-ip": "8.8.8.8"}).status_code == 200


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"whitelist": ["10.0.0.1"], "blacklist": ["10.0.0.2"]},
        {"whitelist": []},
        {"whitelist": ["10.0.0.256"]},
        {"blacklist": ["10.0.0.0/33"]},
        {"blacklist": ["::1/129"]},
        {"blacklist": ["example.org"]},
        {"blacklist": ["10.0.0.1"], "response_code": 500},
        {"blacklist": ["10.0.0.1"], "message": ""},
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="failed to check the configuration of plugin ip-restriction err: "):
        check_plugins({"ip-restriction": conf}, "", "route")
