"""GET of many: filters and pages."""

from __future__ import annotations

import pytest

from tests.gateway.admin.memory import NODES, ROUTE, Admin


async def _eleven_services(admin: Admin) -> None:
    for number in range(1, 12):
        value = {"upstream": NODES, "name": str(number), "labels": {str(number): "x"}}
        await admin.send("PUT", f"/services/{number}", value)


async def _ids(admin: Admin, path: str) -> list[str]:
    return [item["value"]["id"] for item in (await admin.send("GET", path)).json()["list"]]


@pytest.mark.parametrize(
    "kind",
    [
        "routes",
        "services",
        "upstreams",
        "consumers",
        "ssls",
        "protos",
        "secrets",
        "stream_routes",
        "global_rules",
    ],
)
async def test_nothing_is_an_empty_list(kind: str, admin: Admin) -> None:
    answer = await admin.send("GET", f"/{kind}")
    assert (answer.status_code, answer.json()) == (200, {"list": [], "total": 0})


async def test_a_list_is_ordered_by_key_and_has_indexes(admin: Admin) -> None:
    await _eleven_services(admin)
    answer = (await admin.send("GET", "/services")).json()
    assert answer["total"] == 11
    assert [item["value"]["id"] for item in answer["list"]][:3] == ["1", "10", "11"]
    assert answer["list"][1]["key"] == "/apisix/services/10"
    assert (answer["list"][1]["createdIndex"], answer["list"][1]["modifiedIndex"]) == (10, 10)


@pytest.mark.parametrize(
    ("query", "ids", "total"),
    [
        ("page=1&page_size=10", [str(n) for n in range(1, 11)], 11),
        ("page=2&page_size=10", ["11"], 11),
        ("page=3&page_size=10", [], 11),
        ("page=0&page_size=10", [str(n) for n in range(1, 11)], 11),
        ("name=1&page=1&page_size=10", ["1", "10", "11"], 3),
    ],
)
async def test_pages_are_in_the_order_of_making(query: str, ids: list[str], total: int, admin: Admin) -> None:
    await _eleven_services(admin)
    assert await _ids(admin, f"/services/?{query}") == ids
    assert (await admin.send("GET", f"/services?{query}")).json()["total"] == total


@pytest.mark.parametrize("query", ["page=1", "page_size=10", "page=x&page_size=10"])
async def test_half_a_page_is_none(query: str, admin: Admin) -> None:
    await _eleven_services(admin)
    assert len(await _ids(admin, f"/services?{query}")) == 11


@pytest.mark.parametrize("size", [9, 501])
async def test_a_page_has_a_size_from_10_to_500(size: int, admin: Admin) -> None:
    answer = await admin.send("GET", f"/services?page=1&page_size={size}")
    assert (answer.status_code, answer.text) == (400, "page_size must be between 10 and 500")


@pytest.mark.parametrize(
    ("name", "query", "ids"),
    [
        ("a name is found as a part", "name=1", ["1", "10", "11"]),
        ("a name is found as a regular expression", "name=^1$", ["1"]),
        ("a broken regular expression finds nothing", "name=(", []),
        ("a label is found by its name only", "label=1", ["1"]),
        ("a label's value finds nothing", "label=x", []),
        ("an empty label finds nothing", "label=", []),
        ("filters are joined", "name=1&label=10", ["10"]),
    ],
)
async def test_services_are_filtered(name: str, query: str, ids: list[str], admin: Admin) -> None:
    await _eleven_services(admin)
    assert await _ids(admin, f"/services?{query}") == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("uri=world", ["2"]),
        ("uri=hello", ["1"]),
        ("filter=service_id%3D1", ["3"]),
        ("filter=upstream_id%3D1", ["2"]),
        ("filter=upstream_id%3D1%26service_id%3D1", []),
        ("filter=name%3Dno", ["1", "2", "3"]),
    ],
)
async def test_routes_are_filtered_by_uri_and_reference(query: str, ids: list[str], admin: Admin) -> None:
    await admin.send("PUT", "/upstreams/1", NODES)
    await admin.send("PUT", "/services/1", {"upstream": NODES})
    await admin.send("PUT", "/routes/1", ROUTE)
    await admin.send("PUT", "/routes/2", {"uris": ["/x", "/world"], "upstream_id": 1})
    await admin.send("PUT", "/routes/3", {"uri": "/foo", "service_id": "1"})
    assert await _ids(admin, f"/routes?{query}") == ids


async def test_a_regular_expression_cannot_stop_the_gateway(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1", ROUTE | {"name": "a" * 255 + "!"})
    assert await _ids(admin, "/routes?name=(a%2B)%2B%24") == []
