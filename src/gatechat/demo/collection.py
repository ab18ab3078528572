"""Collection+JSON (Amundsen 2013, application/vnd.collection+json) as the Conference API speaks it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from gatechat.demo.data import Session, Speaker, Topic


class CollectionResponse(JSONResponse):
    media_type = "application/vnd.collection+json"


def item(request: Request, thing: Speaker | Session | Topic) -> dict[str, Any]:
    """One item: its address, its data as name and value pairs, and links to what belongs to it.

    Addresses are on the host that the caller named, so that behind a gateway they lead through the gateway.
    """
    match thing:
        case Speaker():
            return _item(
                request,
                f"speaker/{thing.id}",
                {"Name": thing.name, "Role": thing.role, "About": thing.about},
                "sessions",
                "topics",
            )
        case Topic():
            return _item(request, f"topic/{thing.id}", {"Title": thing.title}, "speakers", "sessions")
        case Session():
            data = {
                "Title": thing.title,
                "Timeslot": thing.timeslot,
                "Speaker": thing.speaker.name,
                "Room": thing.room,
                "Text": thing.text,
            }
            row = _item(request, f"session/{thing.id}", data, "topics", "feedback")
            row["links"].append({"rel": "speaker", "href": f"{request.base_url}speaker/{thing.speaker.id}"})
            return row


def _item(request: Request, path: str, data: Mapping[str, str], *below: str) -> dict[str, Any]:
    href = f"{request.base_url}{path}"
    return {
        "href": href,
        "data": [{"name": name, "value": value} for name, value in data.items()],
        "links": [{"rel": relation, "href": f"{href}/{relation}"} for relation in below],
    }


def collection(request: Request, things: Iterable[Speaker | Session | Topic]) -> CollectionResponse:
    items = [item(request, thing) for thing in things]
    return CollectionResponse(
        {"collection": {"version": "1.0", "href": str(request.url), "links": [], "items": items}}
    )


def error(request: Request, status: int, title: str, message: str) -> CollectionResponse:
    """An error as Collection+JSON has it: title, code and message."""
    body = {"title": title, "code": str(status), "message": message}
    return CollectionResponse(
        {"collection": {"version": "1.0", "href": str(request.url), "error": body}}, status_code=status
    )
