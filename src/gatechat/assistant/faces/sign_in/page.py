"""/authorize: first who the person is, then what they grant to the program that sent them here.

A person proves themselves with a token of `gatechat token` (or the one that all share), or with the owner's
link of the console, which left a cookie in this browser. The proof is remembered for a few minutes and for
one answer. What the program asks stands in the address and is checked anew at each step, so that nothing is
kept for people who never sign in.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gatechat.assistant.faces import web
from gatechat.assistant.ledger import Ledger, Note
from gatechat.assistant.principal import Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in import SignIn
from gatechat.assistant.sign_in.oauth import (
    AuthorizationRequest,
    AuthorizationServer,
    Client,
    Person,
    Refused,
    RequestError,
    body,
    redirects,
)
from gatechat.assistant.sign_in.oauth.endpoints import AUTHORIZE
from gatechat.assistant.sign_in.oauth.request import USUAL_ROLE

COOKIE: Final = "gatechat_sign_in"
VISIT_SECONDS: Final = 600.0
"""From saying who one is to saying yes."""
MAY: Final = {
    Role.VIEWER: "It reads the configuration and the traffic, without secrets. It changes nothing.",
    Role.EDITOR: "It also changes the gateway: what the policy lets pass at once, the rest after a yes.",
    Role.APPROVER: "It may also ask you for the yes in the chat, if the policy takes it from there.",
    Role.ADMIN: "The same; over a chat program, an administrator can do no more than an approver.",
}
"""What a role allows, in words; told to who grants it."""

_MOST_VISITS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Visit:
    """Somebody who proved who they are, until a time of the monotonic clock. ``form`` is in our forms."""

    person: Person
    until: float
    form: str


class SignInPage:
    """``owner``: whether a browser's cookies are those of who opened the owner's link; ``ledger`` is told
    whom people let in; ``url``: the assistant's as browsers see it, without a slash at the end.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        sign_in: SignIn,
        owner: Callable[[Request], bool],
        ledger: Ledger,
        url: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._sign_in = sign_in
        self._owner = owner
        self._ledger = ledger
        parts = urlsplit(url)
        self._here = parts.netloc
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._secure = parts.scheme == "https"
        self._path = parts.path + AUTHORIZE
        self._now = now
        self._visits: OrderedDict[str, _Visit] = OrderedDict()

    def routes(self) -> list[Route]:
        return [
            Route(AUTHORIZE, self._show, methods=["GET"]),
            Route(AUTHORIZE, self._answer, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        try:
            visit = self._visit(request)
            if visit is None:
                return self._ask_who(request)
            return self._ask_what(await self._server.request(_query(request)), visit)
        except RequestError as error:
            return _refused(error)

    async def _answer(self, request: Request) -> Response:
        try:
            form = await self._form(request)
            visit = self._visit(request)
            if visit is None:
                return await self._enter(request, form)
            if not hmac.compare_digest(form.get("form", "").encode(), visit.form.encode()):
                raise Problem(403, "this form is not from this page; connect anew from the program")
            return await self._decide(request, form, visit)
        except RequestError as error:
            return _refused(error)
        except Problem as problem:
            return _message(problem.status, problem.message)
        except Refused as refused:
            return _message(403, refused.message)

    def _ask_who(self, request: Request, said: str = "", status: int = 200) -> Response:
        return _page(
            "sign_in.html", status, client=self._server.presumed(_query(request)), here=self._here, said=said
        )

    async def _enter(self, request: Request, form: dict[str, str]) -> Response:
        address = request.client.host if request.client else ""
        try:
            self._sign_in.check_failures(address)
            person = await self._person(request, form)
        except Problem as problem:
            if problem.status == 401:
                self._sign_in.failed(address)
            return self._ask_who(request, problem.message, problem.status)
        key = secrets.token_urlsafe(32)
        self._visits[key] = _Visit(person, self._now() + VISIT_SECONDS, secrets.token_urlsafe(32))
        if len(self._visits) > _MOST_VISITS:
            self._visits.popitem(last=False)
        answer = _again(request)
        answer.set_cookie(
            COOKIE,
            key,
            max_age=int(VISIT_SECONDS),
            path=self._path,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )
        return answer

    async def _person(self, request: Request, form: dict[str, str]) -> Person:
        """Raises Problem 401, 403."""
        if form.get("do") == "owner":
            if self._owner(request):
                return Person("owner", Role.ADMIN, None)
            raise Problem(
                403,
                "this browser is not known as the owner's. Open the link that `gatechat console` prints in a "
                "terminal in this browser, then come back to this page and press the button again",
            )
        person = await self._server.person(form.get("token", "").strip())
        if person is None:
            raise Problem(
                401,
                "this token does not count: it was mistyped, revoked or has expired. `gatechat token make "
                "NAME` makes another where the assistant runs",
            )
        return person

    def _ask_what(
        self, asked: AuthorizationRequest, visit: _Visit, said: str = "", status: int = 200
    ) -> Response:
        choices = asked.choices(visit.person.role)
        usual = min(USUAL_ROLE, choices[-1])
        return _page(
            "consent.html",
            status,
            form_action=f"'self' {redirects.source(asked.redirect_uri)}",
            asked=asked,
            here=self._here,
            person=visit.person,
            form=visit.form,
            choices=[(role.name.lower(), MAY[role], role == usual) for role in choices],
            to=redirects.told(asked.redirect_uri),
            loopback=redirects.is_loopback(asked.redirect_uri),
            said=said,
        )

    async def _decide(self, request: Request, form: dict[str, str], visit: _Visit) -> Response:
        asked = await self._server.request(_query(request))
        match form.get("do"):
            case "other":
                answer = _again(request)
            case "deny":
                answer = RedirectResponse(asked.denied(), 303, _headers())
            case "allow":
                role = next((it for it in Role if it.name.lower() == form.get("role")), None)
                if role not in asked.choices(visit.person.role):
                    words = f"{form.get('role')} is more than {visit.person.name} may grant here"
                    return self._ask_what(asked, visit, words, 403)
                answer = RedirectResponse(self._server.grant(asked, visit.person, role), 303, _headers())
                self._note(asked.client, visit.person, role)
            case other:
                raise Problem(400, f"there is no button {other!r}")
        self._visits.pop(request.cookies[COOKIE], None)
        answer.delete_cookie(COOKIE, path=self._path)
        return answer

    def _note(self, client: Client, person: Person, role: Role) -> None:
        """Who let which program in, as what. If this fails, the program does not get its code."""
        body = {"program": client.name, "client": client.id, "role": role.name.lower()}
        whose = (f"oauth:{person.name}", person.role.name.lower())
        self._ledger.append(Note("program let in", "", *whose, "console", body))

    def _visit(self, request: Request) -> _Visit | None:
        visit = self._visits.get(request.cookies.get(COOKIE, ""))
        return visit if visit is not None and self._now() < visit.until else None

    async def _form(self, request: Request) -> dict[str, str]:
        """Raises Problem for what no form of ours sent: the browser says where it comes from."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
        own = {self._origin, f"{request.url.scheme}://{request.headers.get('host', '')}"}
        if (origin is not None and origin not in own) or site != "same-origin":
            raise Problem(403, "this form was sent by another page")
        return dict(await body.form(request))


def _query(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.url.query, keep_blank_values=True)


def _again(request: Request) -> Response:
    return RedirectResponse(f"?{request.url.query}", 303, _headers())


def _refused(error: RequestError) -> Response:
    return _page("refused.html", 400, words=error.message, back=error.back)


def _message(status: int, words: str) -> Response:
    return _page("message.html", status, title="That did not work", words=words)


def _headers(form_action: str = "'self'") -> dict[str, str]:
    """Programs on the web open this page in a window of their own and wait for it to come back to them: under
    the usual cross-origin-opener-policy it would be cut off from them.
    """
    return web.headers(form_action) | {"cross-origin-opener-policy": "unsafe-none"}


def _page(template: str, status: int = 200, *, form_action: str = "'self'", **values: object) -> Response:
    answer = web.page(template, status, form_action=form_action, **values)
    answer.headers.update(_headers(form_action))
    return answer
