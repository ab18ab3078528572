"""The Conference API answers as its OpenAPI document says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from gatechat.demo import create_app


@pytest_asyncio.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://conference.test") as client:
        yield client


def values(answer: httpx2.Response, name: str) -> list[str]:
    """The value of one field in each item of a collection."""
    items = answer.json()["collection"]["items"]
    return [pair["value"] for item in items for pair in item["data"] if pair["name"] == name]


LISTS = [
    ("all speakers", "/speakers", "Name", 16),
    ("the speakers of a day", "/speakers?dayno=3", "Name", 9),
    ("speakers by a part of their name", "/speakers?speakername=OKA", "Name", 1),
    ("a speaker", "/speaker/1", "Name", 1),
    ("a speaker's sessions", "/speaker/1/sessions", "Title", 2),
    ("a speaker's topics", "/speaker/1/topics", "Title", 3),
    ("all sessions", "/sessions", "Title", 30),
    ("the sessions of a day", "/sessions?dayno=2", "Title", 11),
    ("sessions by a part of the speaker's name", "/sessions?speakername=lindqvist", "Title", 2),
    ("sessions by keyword", "/sessions?keyword=latency", "Title", 2),
    ("sessions by all filters at once", "/sessions?dayno=3&speakername=a&keyword=undo", "Title", 1),
    ("sessions that nothing fits", "/sessions?keyword=blockchain", "Title", 0),
    ("a filter left empty filters nothing", "/sessions?keyword=", "Title", 30),
    ("a session", "/session/7", "Title", 1),
    ("a session's topics", "/session/7/topics", "Title", 2),
    ("all topics", "/topics", "Title", 12),
    ("the topics of a day", "/topics?dayno=1", "Title", 11),
    ("a topic", "/topic/3", "Title", 1),
    ("a topic's speakers", "/topic/3/speakers", "Name", 4),
    ("a topic's sessions", "/topic/3/sessions", "Title", 5),
]


@pytest.mark.parametrize(
    ("path", "field", "count"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS]
)
async def test_a_list_is_a_collection(api: httpx2.AsyncClient, path: str, field: str, count: int) -> None:
    answer = await api.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.collection+json"
    assert answer.json()["collection"]["version"] == "1.0"
    assert len(values(answer, field)) == count


ERRORS = [
    (
        "a speaker that is not there",
        "GET",
        "/speaker/99",
        None,
        404,
        "There is no speaker 99; there are 1 to 16.",
    ),
    ("an id that is no number", "GET", "/session/first", None, 404, "There is no session first"),
    ("an id of many digits", "GET", "/topic/" + "9" * 5000, None, 404, "There is no topic 999"),
    ("the sessions of no speaker", "GET", "/speaker/0/sessions", None, 404, "There is no speaker 0"),
    ("a path that is not there", "GET", "/rooms", None, 404, "There is nothing at /rooms"),
    ("a day that is not there", "GET", "/sessions?dayno=4", None, 400, "dayno is '4'; it must be 1, 2 or 3."),
    ("a wrong method", "DELETE", "/speakers", None, 405, "Method Not Allowed"),
    ("feedback that is no JSON", "POST", "/session/1/feedback", b"{", 400, "The body is no JSON"),
    ("feedback without a rating", "POST", "/session/1/feedback", b"{}", 400, "a rating"),
    ("feedback with a rating out of range", "POST", "/session/1/feedback", b'{"rating": 6}', 400, "a rating"),
    (
        "feedback with a rating that is a truth",
        "POST",
        "/session/1/feedback",
        b'{"rating": true}',
        400,
        "a rating",
    ),
    ("feedback that is no object", "POST", "/session/1/feedback", b"[]", 400, "a rating"),
    (
        "feedback on no session",
        "POST",
        "/session/31/feedback",
        b'{"rating": 5}',
        404,
        "There is no session 31",
    ),
    ("feedback that is too long", "POST", "/session/1/feedback", b" " * 10_001, 413, "at most 10000 bytes"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
async def test_an_error_is_json_that_says_what_is_wrong(
    api: httpx2.AsyncClient, method: str, path: str, body: bytes | None, status: int, words: str
) -> None:
    answer = await api.request(method, path, content=body)
    assert answer.status_code == status
    error = answer.json()["collection"]["error"]
    assert error["code"] == str(status)
    assert words in error["message"]


async def test_feedback_is_acknowledged(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/session/2/feedback", json={"rating": 5, "comment": "More of this."})
    assert answer.status_code == 201
    assert answer.json() == {"session": 2, "title": "Gateways without tears", "rating": 5}


async def test_addresses_lead_through_the_host_that_was_asked(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/speaker/1", headers={"Host": "localhost:9080"})
    (item,) = answer.json()["collection"]["items"]
    assert item["href"] == "http://localhost:9080/speaker/1"
    assert {"rel": "sessions", "href": "http://localhost:9080/speaker/1/sessions"} in item["links"]


async def test_every_link_of_every_item_leads_somewhere(api: httpx2.AsyncClient) -> None:
    links = set()
    for path in ("/speakers", "/sessions", "/topics"):
        for item in (await api.get(path)).json()["collection"]["items"]:
            links |= {item["href"], *(link["href"] for link in item["links"])}
    for link in links:
        if link.endswith("/feedback"):
            answer = await api.post(link, json={"rating": 1})
            assert answer.status_code == 201, link
        else:
            answer = await api.get(link)
            assert answer.status_code == 200, link


async def test_the_openapi_document_is_valid_and_names_every_address(api: httpx2.AsyncClient) -> None:
    document: dict[str, Any] = (await api.get("/openapi.json")).json()
    validate(document)
    assert document["servers"] == [{"url": "http://conference.test"}]
    assert set(document["paths"]) == {
        "/speakers",
        "/speaker/{id}",
        "/speaker/{id}/sessions",
        "/speaker/{id}/topics",
        "/sessions",
        "/session/{id}",
        "/session/{id}/topics",
        "/session/{id}/feedback",
        "/topics",
        "/topic/{id}",
        "/topic/{id}/speakers",
        "/topic/{id}/sessions",
    }
    assert (await api.get("/?format=json")).json() == document
