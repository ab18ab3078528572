from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import check_plugins
from tests.gateway.plugins.traffic import Traffic, program, state

A, B = "http://a.example", "https://b.example:8443"
METADATA = state(
    plugin_metadata={"cors": {"allow_origins": {"one": A, "two": f"{A},{B}", "any": "**", "star": "*"}}}
)

# what it is, configuration, Origin, Access-Control-Allow-Origin, Vary
ORIGINS: list[tuple[str, dict[str, Any], str | None, str | None, str | None]] = [
    ("by default every origin may", {}, A, "*", None),
    ("a request without an origin gets the same", {}, None, "*", None),
    ("a single origin that may", {"allow_origins": A}, A, A, "Origin"),
    ("a single origin that may not", {"allow_origins": A}, B, None, "Origin"),
    ("one of a list", {"allow_origins": f"{A},{B}"}, B, B, "Origin"),
    ("none of a list", {"allow_origins": f"{A},{B}"}, "http://c.example", None, "Origin"),
    ("a part of one of a list", {"allow_origins": f"{A},{B}"}, "https://b.example", None, "Origin"),
    ("a list, without an origin", {"allow_origins": f"{A},{B}"}, None, None, "Origin"),
    ("the origin null", {"allow_origins": "null"}, "null", "null", "Origin"),
    ("any by force", {"allow_origins": "**"}, B, B, "Origin"),
    ("any by force, without an origin", {"allow_origins": "**"}, None, "*", "Origin"),
    ("by regex", {"allow_origins_by_regex": [r".*\.example$", "x"]}, A, A, None),
    ("by the second regex", {"allow_origins_by_regex": ["^x$", r"8443$"]}, B, B, None),
    ("not by regex", {"allow_origins_by_regex": [r".*\.test$"]}, A, None, None),
    (
        "a regex replaces the list",
        {"allow_origins": A, "allow_origins_by_regex": ["b"]},
        "http://c.test",
        None,
        "Origin",
    ),
    ("by metadata", {"allow_origins": "null", "allow_origins_by_metadata": ["two"]}, B, B, "Origin"),
    ("by the second name", {"allow_origins_by_metadata": ["one", "two"]}, B, B, None),
    ("not by metadata", {"allow_origins_by_metadata": ["one"]}, B, None, None),
    ("any by metadata", {"allow_origins_by_metadata": ["any"]}, B, B, None),
    ("a star by metadata", {"allow_origins_by_metadata": ["star"]}, B, B, None),
    ("a name that is not there", {"allow_origins_by_metadata": ["none"]}, A, None, None),
    (
        "metadata fails, the list has it",
        {"allow_origins": B, "allow_origins_by_metadata": ["one"]},
        B,
        B,
        "Origin",
    ),
]
DETAILS: dict[str, Any] = {
    "allow_origins": "**",
    "allow_methods": "**",
    "allow_headers": "**",
    "expose_headers": "x-a,x-b",
    "max_age": 3600,
    "allow_credential": True,
}
# what it is, configuration, Origin, Timing-Allow-Origin
TIMING: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("nobody may", {}, A, None),
    ("one of a list may", {"timing_allow_origins": f"{A},{B}"}, B, B),
    ("another may not", {"timing_allow_origins": f"{A},{B}"}, "http://c.test", None),
    ("all may", {"timing_allow_origins": "*"}, A, "*"),
    ("by regex", {"timing_allow_origins_by_regex": ["^http://"]}, A, A),
    ("not by regex", {"timing_allow_origins_by_regex": ["^http://"]}, B, None),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes = {f"/origin/{i}/": case[1] for i, case in enumerate(ORIGINS)}
    routes |= {f"/timing/{i}/": case[1] for i, case in enumerate(TIMING)}
    routes["/details"] = DETAILS
    return serve({path: program({"cors": conf}) for path, conf in routes.items()}, METADATA)


@pytest.mark.parametrize("number", range(len(ORIGINS)), ids=[case[0] for case in ORIGINS])
def test_answers_an_origin(traffic: Traffic, number: int) -> None:
    _, _, origin, allowed, vary = ORIGINS[number]
    answer = traffic.get(f"/origin/{number}/", **({"origin": origin} if origin else {}))
    assert answer.status_code == 200
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert answer.headers.get("vary") == vary
    others = ("access-control-allow-methods", "access-control-allow-headers", "access-control-max-age")
    assert [answer.headers.get(name) for name in others] == (["*", "*", "5"] if allowed else [None] * 3)


@pytest.mark.parametrize("number", range(len(TIMING)), ids=[case[0] for case in TIMING])
def test_timing(traffic: Traffic, number: int) -> None:
    _, _, origin, allowed = TIMING[number]
    answer = traffic.get(f"/timing/{number}/", origin=origin)
    assert answer.headers.get("timing-allow-origin") == allowed


def test_a_preflight_is_answered_without_the_upstream(traffic: Traffic) -> None:
    asked = {"origin": A, "access-control-request-headers": "x-one,x-two"}
    answer = traffic.client.options("/details", headers=asked)
    assert answer.status_code == 200
    assert answer.text == ""
    assert {name: text for name, text in answer.headers.items() if name.startswith("access-")} == {
        "access-control-allow-origin": A,
        "access-control-allow-methods": "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE",
        "access-control-allow-headers": "x-one,x-two",
        "access-control-expose-headers": "x-a,x-b",
        "access-control-max-age": "3600",
        "access-control-allow-credentials": "true",
    }


def test_the_upstreams_vary_and_cors_headers_do_not_double(traffic: Traffic) -> None:
    theirs = {"x-reply-vary": "Accept", "x-reply-access-control-allow-origin": "http://old.example"}
    answer = traffic.client.get("/origin/2/", headers={"origin": A, **theirs})
    assert answer.headers["vary"] == "Accept,Origin"
    assert answer.headers.get_list("access-control-allow-origin") == [A]


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        (
            {"allow_credential": True},
            "you can not set '\\*' for other option when 'allow_credential' is true",
        ),
        ({"allow_credential": True, **DETAILS, "expose_headers": "*"}, "you can not set"),
        ({"allow_credential": True, **DETAILS, "timing_allow_origins": "*"}, "you can not set"),
        ({"allow_origins": "example.org"}, "allow_origins"),
        ({"allow_origins": "http://a,"}, "allow_origins"),
        ({"max_age": "5"}, "max_age"),
        ({"allow_origins_by_regex": []}, "allow_origins_by_regex"),
        ({"allow_origins_by_regex": ["a", "a"]}, "allow_origins_by_regex"),
        ({"allow_origins_by_regex": ["[a"]}, "regular expression"),
        ({"timing_allow_origins_by_regex": ["(a"]}, "regular expression"),
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=f"failed to check the configuration of plugin cors err: .*{reason}"):
        check_plugins({"cors": conf}, "", "route")


def test_refuses_wrong_metadata() -> None:
    with pytest.raises(Refused):
        check_plugins({"cors": {"allow_origins": {"one": "example.org"}}}, "", "metadata")
