"""The Admin API as a Starlette application: paths and methods to reads, checks and writes."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatechat.apisix.bodies import MISSING
from gatechat.apisix.kinds import KINDS, PREFIX
from gatechat.gateway.admin import answers
from gatechat.gateway.admin.access import AdminSettings, Guard
from gatechat.gateway.admin.bodies import BadBody, decode_json, read_body
from gatechat.gateway.admin.catalogue import kind_schema, plugin_answer, plugin_names
from gatechat.gateway.admin.checks import kind_validator
from gatechat.gateway.admin.differs import STREAM_OFF
from gatechat.gateway.admin.listing import listed
from gatechat.gateway.admin.ports import Apply, Plan
from gatechat.gateway.admin.validation import configuration_errors, decode_configuration
from gatechat.gateway.admin.writes import Target, Writer
from gatechat.gateway.model import Edit, Refused, State

_log = logging.getLogger(__name__)

_METHODS: Final = ["GET", "PUT", "POST", "DELETE", "PATCH"]


def create_admin_app(
    apply: Apply, settings: AdminSettings, now: Callable[[], float] = time.time
) -> Starlette:
    """The Admin API over ``apply``. ``now`` gives Unix seconds. Switch the server's own Server header off."""
    admin = _Admin(apply, now)
    routes = [
        Route(PREFIX, admin.head, methods=["HEAD"]),
        Route(f"{PREFIX}/plugins/list", admin.list_plugins, methods=["GET"]),
        Route(f"{PREFIX}/plugins/reload", admin.reload_plugins, methods=_METHODS),
        Route(f"{PREFIX}/configs/validate", admin.validate_configuration, methods=["POST"]),
        Route(f"{PREFIX}/schema/validate/{{kind:path}}", admin.validate_resource, methods=["POST"]),
        Route(f"{PREFIX}/{{path:path}}", admin.resource, methods=_METHODS),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, settings=settings, revision=lambda: apply.state.revision)],
        exception_handlers={Refused: _refused, HTTPException: _no_such_path, Exception: _failed},
    )


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, BadBody) and error.text is not None:
        return answers.refusal(error, req_body=error.text)
    assert isinstance(error, Refused)  # noqa: S101  by registration; Starlette's type says less
    return answers.refusal(error)


async def _no_such_path(_: Request, __: Exception) -> Response:
    return answers.answer({"error_msg": "not found"}, 404)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answers.answer({"error_msg": "internal error of gatechat; its log says more"}, 500)


class _Admin:
    def __init__(self, apply: Apply, now: Callable[[], float]) -> None:
        self._apply = apply
        self._writer = Writer(now)

    async def head(self, _: Request) -> Response:
        return Response(status_code=200, media_type="application/json")

    async def list_plugins(self, request: Request) -> Response:
        return plugin_names(request)

    async def reload_plugins(self, request: Request) -> Response:
        """APISIX's answer. The plugins are part of the program, so there is nothing to read again."""
        if request.method != "PUT":
            text = f"please use PUT method to reload the plugins, {request.method} method is not allowed."
            return answers.answer({"error_msg": text}, 405)
        return Response("done", media_type="application/json")

    async def validate_configuration(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "application/json")
        config = decode_configuration(await read_body(request), content_type)
        errors = await asyncio.to_thread(configuration_errors, config, self._apply.state)
        if errors:
            return answers.answer({"error_msg": "Configuration validation failed", "errors": errors}, 400)
        return answers.answer({})

    async def validate_resource(self, request: Request) -> Response:
        """Against the JSON Schema alone, as APISIX does; /configs/validate checks all the rest."""
        name = request.path_params["kind"].partition("/")[0]
        validator = kind_validator(name) if name in KINDS else None
        if validator is None:
            raise Refused(f"Unsupported resource type: {name}", 404)
        body = decode_json(await read_body(request))
        wrong = validator.error(None if body is MISSING else body)
        if wrong:
            raise Refused(wrong)
        return Response(status_code=200, media_type="application/json")

    async def resource(self, request: Request) -> Response:
        """Everything under /apisix/admin/ that names a kind."""
        first, *rest = [segment for segment in request.path_params["path"].split("/") if segment] or [""]
        if first in ("schema", "plugins"):
            return self._catalogue_answer(request, first, rest)
        target = _target(first, rest, request.method)
        if request.method == "GET":
            return self._read(target, request)
        if target.kind.plural == "stream_routes":
            raise Refused(STREAM_OFF)
        if request.method not in target.kind.methods:
            raise Refused(f"not supported `{request.method}` method for {target.kind.title}", 405)
        body = decode_json(await read_body(request))
        ttl = _ttl(request)
        if request.method == "DELETE":
            return await self._delete(target, request.query_params.get("force") == "true")
        writer, patches = self._writer, request.method == "PATCH"
        make = {"PUT": writer.put, "POST": writer.post, "PATCH": writer.patch}[request.method]
        return await self._write(lambda state: make(target, body, ttl, state), patches=patches)

    def _catalogue_answer(self, request: Request, first: str, rest: list[str]) -> Response:
        if request.method != "GET":
            raise Refused("not found", 404)
        if first == "schema" and rest[:1] != ["plugins"]:
            return answers.answer(kind_schema(rest[0] if rest else None), X_API_VERSION="v3")
        if first == "schema" and len(rest) == 1:
            return answers.answer(kind_schema("plugins"), X_API_VERSION="v3")
        name = rest[-1] if rest else None
        return answers.answer(plugin_answer(name, request), X_API_VERSION="v3")

    def _read(self, target: Target, request: Request) -> Response:
        state = self._apply.state
        if target.id is not None:
            return answers.answer(answers.one(target.find(state)), X_API_VERSION="v3")
        found = [it for id, it in state.all(target.kind.plural).items() if id.startswith(target.parent)]
        if target.kind.plural == "credentials" and not found:
            raise answers.KeyNotFound
        return listed(target.kind, found, request.query_params)

    async def _write(self, make: Callable[[State], Edit], *, patches: bool) -> Response:
        edits: list[Edit] = []

        def plan(state: State) -> list[Edit]:
            edits[:] = [make(state)]
            return list(edits)

        written = await self._apply.write(plan)
        resource = written.state.all(edits[0].kind)[edits[0].id]
        created = not patches and resource.created_index == resource.modified_index
        return answers.written(resource, created=created, acknowledged=written.acknowledged)

    async def _delete(self, target: Target, force: bool) -> Response:
        plan: Plan = lambda state: self._writer.delete(target, force, state)  # noqa: E731  as a typed value
        written = await self._apply.write(plan)
        return answers.deleted(target.kind.key(target.resource_id()), acknowledged=written.acknowledged)


def _target(first: str, rest: list[str], method: str) -> Target:
    """What the segments after /apisix/admin/ name. Refused: 404 an unknown kind, 400 an id with a slash."""
    if first == "consumers" and rest[1:2] == ["credentials"]:
        kind, parent, rest = KINDS["credentials"], f"{rest[0]}/credentials/", rest[2:]
    elif first in KINDS and first != "credentials":
        kind, parent = KINDS[first], ""
        if first == "secrets" and rest:
            parent, rest = f"{rest[0]}/", rest[1:]
    else:
        raise Refused(f"Unsupported resource type: {first}", 404)
    if first == "services" and rest[1:2] == ["graphql_cost_decorations"]:
        raise Refused(
            "graphql_cost_decorations have no effect in the embedded gateway: it has no graphql-limit-count"
        )
    sub_path = tuple(rest[1:])
    if sub_path and method != "PATCH":
        raise Refused(f"wrong {kind.title} id: it has a slash; letters, digits, '.', '-' and '_' are allowed")
    return Target(kind, rest[0] if rest else None, parent, sub_path)


def _ttl(request: Request) -> float | None:
    """``?ttl=`` in seconds."""
    text = request.query_params.get("ttl")
    if text is None:
        return None
    try:
        ttl = float(text)
    except ValueError:
        ttl = math.nan
    if not math.isfinite(ttl):
        raise Refused("invalid argument ttl: should be a number")
    if ttl <= 0:
        raise Refused("invalid argument ttl: should be greater than 0")
    return ttl
