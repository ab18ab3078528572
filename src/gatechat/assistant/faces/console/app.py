"""/plans: the list of plans that wait, a plan's page, and what its buttons do."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gatechat.assistant.change import diff
from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.model import Change, Edit, Plan, State
from gatechat.assistant.change.redact import GENERATE, Redactor, marked
from gatechat.assistant.change.telling import history_row, problem_line
from gatechat.assistant.faces import web
from gatechat.assistant.faces.console.doors import VISIT_SECONDS, Doors
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in.oauth.endpoints import AUTHORIZE

PATHS: Final = ("/plans", "/approver")
"""What is asked for by browsers, which send no bearer token: the cookie lets them in."""
COOKIE: Final = "gatechat_approver"
COOKIE_PATHS: Final = ("/plans", AUTHORIZE)
"""Where the cookie is shown: not everywhere, because on localhost browsers show it to every port."""
OWNER: Final = Principal("owner", Role.APPROVER, "console", person=True)
"""Whoever opened a link that only the gateway's owner can have made."""

_LARGEST_FORM: Final = 64 * 1024
_MOST_LISTED: Final = 100
_CONTEXT: Final = 3
"""Lines that are shown before and after what changes."""


class Console:
    """``url`` is the assistant's as browsers see it, without a slash at the end."""

    def __init__(self, changes: Changes, doors: Doors, redactor: Callable[[], Redactor], url: str) -> None:
        self._changes = changes
        self._doors = doors
        self._redactor = redactor
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base = parts.path
        self._secure = parts.scheme == "https"
        self._actions: Mapping[str, Callable[[Plan, dict[str, str]], Awaitable[Response]]] = {
            "approve": self._approve,
            "approve-and-apply": self._approve_and_apply,
            "apply": self._apply,
            "reject": self._reject,
            "secrets": self._keep_secrets,
            "undo": self._undo,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/approver", self._enter, methods=["GET"]),
            Route("/plans", self._guarded(self._list), methods=["GET"]),
            Route("/plans/{id}", self._guarded(self._show), methods=["GET"]),
            Route("/plans/{id}/{action}", self._guarded(self._act), methods=["POST"]),
        ]

    async def _enter(self, request: Request) -> Response:
        cookie = self._doors.enter(request.query_params.get("code", ""))
        if cookie is None:
            return self._page_of(
                "message.html",
                403,
                title="This link does not work",
                words="It was used already or is too old. `gatechat console` in a terminal prints another.",
            )
        answer = RedirectResponse(f"{self._base}/plans", 303, headers=web.headers())
        for path in COOKIE_PATHS:
            answer.set_cookie(
                COOKIE,
                cookie,
                max_age=int(VISIT_SECONDS),
                path=f"{self._base}{path}",
                httponly=True,
                samesite="strict",
                secure=self._secure,
            )
        return answer

    def _guarded(
        self, work: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._doors.knows(request.cookies.get(COOKIE, "")):
                return self._page_of("door.html", 401)
            try:
                return await work(request)
            except Problem as problem:
                return self._page_of(
                    "message.html", problem.status, title="That did not work", words=problem.message
                )

        return guarded

    async def _list(self, request: Request) -> Response:
        ids = self._changes.records.ledger.subjects(State.WAITING.value)[-_MOST_LISTED:]
        found = [await self._changes.state(id) for id in reversed(ids)]
        waiting = [it for it in found if isinstance(it, Plan) and it.state is State.WAITING]
        ended = [history_row(entry) for entry in await self._changes.history(_MOST_LISTED)]
        return self._page_of("plans.html", waiting=waiting, ended=ended)

    async def _show(self, request: Request) -> Response:
        return await self._page(request.path_params["id"], request.cookies[COOKIE])

    async def _page(self, id: str, cookie: str, said: str = "", status: int = 200) -> Response:
        found = await self._changes.state(id)
        plan = found.plan if isinstance(found, Change) else found
        redactor = self._redactor()
        entered = self._changes.records.ledger.entered(id)
        reasons = [f"{it.level.value}: {it.text}" for it in plan.risks]
        told = {it.text for it in plan.risks}
        return self._page_of(
            "plan.html",
            status,
            plan=plan,
            change=found if isinstance(found, Change) else None,
            said=said,
            token=self._doors.form_token(cookie, id),
            missing=[path for path in plan.secrets if path not in entered],
            makes=_made_by_us(plan),
            problems=[problem_line(it) for it in plan.problems],
            reasons=reasons,
            asks=[*reasons, *(words for words in plan.decision.reasons if words not in told)],
            differences=[_shown(edit, redactor) for edit in plan.edits],
        )

    async def _act(self, request: Request) -> Response:
        id, cookie = request.path_params["id"], request.cookies[COOKIE]
        action = self._actions.get(request.path_params["action"])
        if action is None:
            raise Problem(404, "there is no such button")
        form = await self._form(request)
        token = self._doors.form_token(cookie, id)
        if not secrets.compare_digest(form.get("token", "").encode(), token.encode()):
            raise Problem(403, "this form is not from this page; open the plan again")
        found = await self._changes.state(id)
        plan = found.plan if isinstance(found, Change) else found
        if form.get("digest") != plan.digest:
            raise Problem(409, "the plan is not the one that you saw; open it again")
        try:
            return await action(plan, form)
        except Problem as problem:
            return await self._page(id, cookie, problem.message, problem.status)

    async def _form(self, request: Request) -> dict[str, str]:
        """Raises Problem for what no form of ours sent: the browser says where it comes from."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
        host = request.headers.get("host", "")
        own = {self._origin, f"{request.url.scheme}://{host}"}
        if (origin is not None and origin not in own) or site != "same-origin":
            raise Problem(403, "this form was sent by another page")
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise Problem(415, "a form is expected")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_FORM:
                raise Problem(413, "the form is too long")
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    async def _approve(self, plan: Plan, form: dict[str, str]) -> Response:
        await self._changes.approve(plan.id, OWNER, "console")
        return self._back(plan)

    async def _approve_and_apply(self, plan: Plan, form: dict[str, str]) -> Response:
        await self._changes.approve(plan.id, OWNER, "console")
        return await self._apply(plan, form)

    async def _apply(self, plan: Plan, form: dict[str, str]) -> Response:
        await self._changes.apply(plan.id, OWNER)
        return self._back(plan)

    async def _reject(self, plan: Plan, form: dict[str, str]) -> Response:
        await self._changes.reject(plan.id, OWNER, "rejected on the plan's page")
        return self._back(plan)

    async def _keep_secrets(self, plan: Plan, form: dict[str, str]) -> Response:
        given = {
            name.removeprefix("secret:"): value
            for name, value in form.items()
            if name.startswith("secret:") and value
        }
        entered = self._changes.records.ledger.entered(plan.id)
        made = {
            path: secrets.token_urlsafe(24)
            for path in _made_by_us(plan)
            if path not in given and path not in entered
        }
        await self._changes.enter(plan.id, given | made, OWNER)
        return self._page_of("shown_once.html", plan=plan, made=made) if made else self._back(plan)

    async def _undo(self, plan: Plan, form: dict[str, str]) -> Response:
        return self._back(await self._changes.undo(plan.id, OWNER, ""))

    def _back(self, plan: Plan) -> Response:
        return RedirectResponse(f"{self._base}/plans/{plan.id}", 303, headers=web.headers())

    def _page_of(self, template: str, status: int = 200, **values: Any) -> Response:
        return web.page(template, status, base=self._base, **values)


def _made_by_us(plan: Plan) -> list[str]:
    """The secrets that we make up when the person types none."""
    return [
        f"{edit.target.kind}/{edit.target.id}.{path}"
        for edit in plan.edits
        for path in marked(edit.after, (GENERATE,))
    ]


@dataclass(frozen=True, slots=True)
class Same:
    """Rows of a difference that are left out: ``same`` lines on either side."""

    same: int


def _shown(edit: Edit, redactor: Redactor) -> dict[str, object]:
    it = diff.difference(edit, redactor)
    return {
        "action": it.action,
        "target": it.target,
        "sides": (edit.before is not None) + (edit.after is not None),
        "notes": it.notes,
        "rows": list(_folded(it.rows)),
    }


def _folded(rows: Sequence[diff.Row]) -> Iterator[diff.Row | Same]:
    """What stays is shown near what changes only."""
    for stays, run in groupby(rows, key=lambda row: row.mark == " "):
        lines = list(run)
        if not stays or len(lines) <= 2 * _CONTEXT + 1:
            yield from lines
        else:
            yield from lines[:_CONTEXT]
            yield Same(len(lines) - 2 * _CONTEXT)
            yield from lines[-_CONTEXT:]
