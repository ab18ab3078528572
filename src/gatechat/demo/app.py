"""The Conference API's addresses, and the OpenAPI document made from the same table."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatechat.demo.collection import CollectionResponse, collection, error
from gatechat.demo.data import Conference, Session, Speaker, Topic, conference
from gatechat.demo.openapi import Operation, document

Thing = TypeVar("Thing", Speaker, Session, Topic)
FEEDBACK_LIMIT = 10_000
"""Bytes of one feedback; more is refused unread."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, with the ways in which it may ask; what is wrong with it becomes an HTTPException."""

    request: Request
    data: Conference

    def one(self, rows: dict[int, Thing], kind: str) -> Thing:
        id = self.request.path_params["id"]
        thing = rows.get(int(id)) if id.isascii() and id.isdigit() and len(id) < 10 else None
        if thing is None:
            raise HTTPException(404, f"There is no {kind} {id}; there are 1 to {len(rows)}.")
        return thing

    def speaker(self) -> Speaker:
        return self.one(self.data.speakers, "speaker")

    def session(self) -> Session:
        return self.one(self.data.sessions, "session")

    def topic(self) -> Topic:
        return self.one(self.data.topics, "topic")

    def text(self, name: str) -> str | None:
        return self.request.query_params.get(name) or None

    def day(self) -> int | None:
        value = self.text("dayno")
        if value is not None and value not in ("1", "2", "3"):
            raise HTTPException(400, f"dayno is {value!r}; it must be 1, 2 or 3.")
        return int(value) if value else None


_LISTS: dict[Operation, Callable[[_Call], list[Speaker] | list[Session] | list[Topic]]] = {
    Operation("/speakers", "getSpeakers", "The speakers", ("dayno", "speakername")): lambda call: (
        call.data.find_speakers(day=call.day(), name=call.text("speakername"))
    ),
    Operation("/speaker/{id}", "getSpeaker", "One speaker"): lambda call: [call.speaker()],
    Operation(
        "/speaker/{id}/sessions", "getSpeakerSessions", "The sessions that a speaker gives"
    ): lambda call: call.data.find_sessions(speaker=call.speaker()),
    Operation(
        "/speaker/{id}/topics", "getSpeakerTopics", "The topics that a speaker speaks of"
    ): lambda call: call.data.find_topics(speaker=call.speaker()),
    Operation("/sessions", "getSessions", "The sessions", ("dayno", "speakername", "keyword")): lambda call: (
        call.data.find_sessions(
            day=call.day(), speaker_name=call.text("speakername"), keyword=call.text("keyword")
        )
    ),
    Operation("/session/{id}", "getSession", "One session"): lambda call: [call.session()],
    Operation("/session/{id}/topics", "getSessionTopics", "The topics of a session"): lambda call: list(
        call.session().topics
    ),
    Operation("/topics", "getTopics", "The topics", ("dayno",)): lambda call: call.data.find_topics(
        day=call.day()
    ),
    Operation("/topic/{id}", "getTopic", "One topic"): lambda call: [call.topic()],
    Operation("/topic/{id}/speakers", "getTopicSpeakers", "The speakers who speak of a topic"): lambda call: (
        call.data.find_speakers(topic=call.topic())
    ),
    Operation("/topic/{id}/sessions", "getTopicSessions", "The sessions on a topic"): lambda call: (
        call.data.find_sessions(topic=call.topic())
    ),
}


def _list(answer: Callable[[_Call], list[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return collection(request, answer(_Call(request, conference())))

    return endpoint


async def _feedback(request: Request) -> Response:
    """Takes ``{"rating": 1 to 5, "comment": text}``; nothing is kept."""
    session = _Call(request, conference()).session()
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FEEDBACK_LIMIT:
            raise HTTPException(413, f"Feedback is at most {FEEDBACK_LIMIT} bytes.")
    try:
        feedback = json.loads(body)
    except ValueError as problem:
        raise HTTPException(400, f"The body is no JSON: {problem}") from problem
    rating = feedback.get("rating") if isinstance(feedback, dict) else None
    if type(rating) is not int or not 1 <= rating <= 5:
        raise HTTPException(400, "The body must be an object with a rating, a whole number from 1 to 5.")
    return JSONResponse({"session": session.id, "title": session.title, "rating": rating}, status_code=201)


async def _openapi(request: Request) -> Response:
    return JSONResponse(document(str(request.base_url).rstrip("/"), list(_LISTS)))


async def _refused(request: Request, problem: Exception) -> CollectionResponse:
    problem = cast(HTTPException, problem)  # the only class this handler is installed for
    titles = {400: "Bad request", 404: "Not found", 405: "Method not allowed", 413: "Too large"}
    detail = problem.detail
    if "id" not in request.path_params and problem.status_code == 404:
        detail = f"There is nothing at {request.url.path}; /openapi.json lists what there is."
    answer = error(request, problem.status_code, titles[problem.status_code], detail)
    answer.headers.update(problem.headers or {})
    return answer


def create_app() -> Starlette:
    """The whole API as an ASGI application. It keeps no state and needs no lifespan."""
    routes = [Route(operation.path, _list(answer), methods=["GET"]) for operation, answer in _LISTS.items()]
    routes.append(Route("/session/{id}/feedback", _feedback, methods=["POST"]))
    routes += [Route(path, _openapi, methods=["GET"]) for path in ("/", "/openapi.json")]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})
