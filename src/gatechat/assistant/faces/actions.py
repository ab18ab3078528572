"""/actions/…: tools as plain HTTP, for GPT Actions and whoever else works from the OpenAPI document.

Limits of GPT Actions (OpenAI, "Production notes on GPT Actions"): an answer comes within 45 seconds and has
less than 100,000 characters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatechat.apisix.bodies import MISSING, NotJson, decode_json
from gatechat.assistant.core import Core
from gatechat.assistant.faces.bodies import read_body
from gatechat.assistant.operations.tool import Hints, Outcome
from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in import principal_of

FACE: Final = "actions"
PREFIX: Final = "/actions/"
ACTIONS: Final[Mapping[str, str]] = {
    "plan": "plan",
    "apply": "apply",
    "undo": "undo",
    "explain": "explain_request",
    "traffic": "traffic",
}
"""The tools that are offered here, by the last part of their path, which is also their operationId."""

LONGEST: Final = 40.0
"""Seconds that a call may take: ChatGPT gives up after 45."""
LARGEST_ANSWER: Final = 99_999
"""Characters in an answer that ChatGPT reads."""
_CUT: Final = "[Cut, as it was too long. Ask for less: one route, a smaller top, fewer resources.]"


class Actions:
    """``seconds``: how long a call may take."""

    def __init__(self, core: Core, seconds: float = LONGEST) -> None:
        self._core = core
        self._seconds = seconds

    def routes(self) -> Iterable[Route]:
        return [Route(f"{PREFIX}{{action}}", self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        """200 with the tool's words; 202 when a person must approve, or it is still being done."""
        action = request.path_params["action"]
        tool = self._core.tools.get(ACTIONS.get(action, ""))
        if tool is None:
            raise Problem(404, f"there is no action {action!r}; there are {', '.join(ACTIONS)}")
        who = principal_of(request.scope, FACE)
        arguments = _arguments(await read_body(request, self._core.settings.timeout))
        try:
            async with asyncio.timeout(self._seconds):
                outcome = await self._core.call(tool.name, arguments, who)
        except TimeoutError:
            words = f"{action} is not done after {self._seconds:g} s. {_go_on(tool.hints)}"
            raise Problem(504, words) from None
        page = outcome.data.get("page")
        waits = outcome.data.get("state") in ("waiting", "applying")
        status = outcome.status if outcome.is_error else 202 if waits else 200
        headers = {"location": page} if waits and page else None
        return Response(rendered(outcome), status, headers, media_type="application/json")


def _arguments(body: bytes) -> dict[str, Any]:
    try:
        value = decode_json(body)
    except NotJson as error:
        raise Problem(400, f"the body is no JSON: {error}") from error
    if value is MISSING:
        return {}
    if not isinstance(value, dict):
        raise Problem(400, "send the arguments as one JSON object, as /openapi.yaml describes it")
    return value


def _go_on(hints: Hints) -> str:
    """What to do when a call took too long; a write goes on by itself."""
    if hints.read_only:
        return "Nothing was changed. Ask for less, or ask again"
    if hints.idempotent:
        return (
            "It goes on. Call it again with the same arguments: nothing is done twice, and it tells the end"
        )
    return "Nothing was written to the gateway. Call it again, with fewer resources if there were many"


def rendered(outcome: Outcome, most: int = LARGEST_ANSWER) -> bytes:
    """The words, and beside them the single values of the data; its lists and objects are in the words
    already. Cut after a line where it would be longer than ``most`` characters.
    """
    key = "error_msg" if outcome.is_error else "message"
    values = {name: it for name, it in outcome.data.items() if not isinstance(it, dict | list)}
    text = _json({key: outcome.text, **values})
    if len(text) > most:
        room = most - len(_json({key: f"{_CUT}\n", **values}))
        text = _json({key: f"{_CUT}\n{_first_lines(outcome.text, room)}", **values})
    return text.encode(errors="replace")


def _first_lines(text: str, room: int) -> str:
    """As many whole lines as fit into ``room`` characters of JSON."""
    kept = []
    for line in text.split("\n"):
        room -= len(_json(line))  # its quotes take the room of the line break
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
