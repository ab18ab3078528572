"""The assistant put together: settings in, one ASGI app out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from gatechat.assistant.admin_client import Health
from gatechat.assistant.core import Core
from gatechat.assistant.faces import manifest, openapi, pages
from gatechat.assistant.faces.actions import Actions
from gatechat.assistant.faces.console.app import COOKIE, Console
from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.faces.forwarder import Forwarder
from gatechat.assistant.faces.mcp.http import PATH as MCP_PATH
from gatechat.assistant.faces.mcp.http import McpEndpoint
from gatechat.assistant.faces.mcp.server import confirmation, create_server
from gatechat.assistant.faces.mcp.state_key import state_key
from gatechat.assistant.faces.sign_in.page import SignInPage
from gatechat.assistant.guard import Guard
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.sign_in import SignIn
from gatechat.assistant.sign_in.oauth import AuthorizationServer, Documents, metadata_routes
from gatechat.assistant.sign_in.oauth import routes as oauth_routes

_HELP = {
    404: "there is nothing here. The Admin API is under /apisix/admin/ (routes, upstreams, services, …); "
    "/openapi.yaml says what can be done, / what else is here",
    405: "this address does not take this method; Allow says which it takes",
}


def create_app(settings: AssistantSettings, documents: Documents | None = None) -> Starlette:
    """The assistant as an ASGI app with a lifespan. Serve it with uvicorn; it needs no other process.
    ``documents``: how OAuth clients that are URLs are read; None: from the open internet.

    Raises SettingsError where callers must sign in and nobody could, and what Core and SignIn raise.
    """
    sign_in = SignIn(settings)
    core = Core(settings)
    oauth = _authorization_server(settings, sign_in, documents)
    mcp = McpEndpoint(create_server(core, state_key(settings.data_dir), confirmation(core)))

    @cache
    def as_yaml() -> bytes:
        return openapi.as_yaml(settings)

    async def show_manifest(request: Request) -> Response:
        return JSONResponse(manifest.manifest(settings))

    async def show_openapi_yaml(request: Request) -> Response:
        return Response(as_yaml(), media_type="application/yaml")

    async def show_openapi_json(request: Request) -> Response:
        return Response(openapi.as_json(settings), media_type="application/json")

    async def show_logo(request: Request) -> Response:
        return Response(_logo(), media_type="image/png", headers={"cache-control": "max-age=86400"})

    async def show_home(request: Request) -> Response:
        return pages.home(settings)

    async def show_legal(request: Request) -> Response:
        return pages.legal(settings)

    async def show_health(request: Request) -> Response:
        health = await core.admin.health()
        return JSONResponse(
            {
                "status": "ok" if health is Health.ANSWERS else "degraded",
                "admin_api": health.value,
            }
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await core.start()
        try:
            async with mcp.running():
                yield
        finally:
            await core.close()
            sign_in.close()

    app = Starlette(
        routes=[
            Route("/", show_home),
            Route("/.well-known/ai-plugin.json", show_manifest),
            Route("/openapi.yaml", show_openapi_yaml),
            Route("/openapi.json", show_openapi_json),
            Route("/logo.png", show_logo),
            Route("/legal", show_legal),
            Route("/healthz", show_health),
            Route(MCP_PATH, mcp),
            *metadata_routes(settings),
            *_console(core, settings, sign_in, oauth),
            *Actions(core).routes(),
            Mount("/apisix/admin/", Forwarder(core)),
        ],
        middleware=[Middleware(Guard, settings=settings, sign_in=sign_in)],
        exception_handlers={Problem: _problem, HTTPException: _http_problem, Exception: _unexpected},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # /apisix/admin is no other name for /apisix/admin/
    return app


def _authorization_server(
    settings: AssistantSettings, sign_in: SignIn, documents: Documents | None
) -> AuthorizationServer | None:
    if not settings.oauth:
        return None
    if sign_in.database is None:
        raise SettingsError("oauth: needs a data_dir, where what was granted is kept")
    server = AuthorizationServer(settings, sign_in.database, documents)
    sign_in.add(server.grants)
    return server


def _console(
    core: Core, settings: AssistantSettings, sign_in: SignIn, oauth: AuthorizationServer | None
) -> list[Route]:
    """What people open in a browser."""
    if settings.data_dir is None:
        return []
    doors = Doors(approver_key(settings.data_dir), core.ledger.use_code)
    console = Console(core.changes, doors, lambda: core.drafts.redactor, settings.url).routes()
    if oauth is None:
        return console

    def is_owner(request: Request) -> bool:
        return doors.knows(request.cookies.get(COOKIE, ""))

    page = SignInPage(oauth, sign_in, is_owner, core.ledger, settings.url)
    return [*console, *page.routes(), *oauth_routes(oauth)]


@cache
def _logo() -> bytes:
    return files("gatechat.assistant.faces").joinpath("static", "logo.png").read_bytes()


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's handler type is wider than what it passes
    return error.response()


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return Problem(error.status_code, _HELP.get(error.status_code, error.detail), error.headers).response()


async def _unexpected(request: Request, error: Exception) -> Response:
    return Problem(500, "the assistant failed; its log has the cause. Nothing more was done").response()
