"""The assistant put together: settings in, one ASGI app out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from gatechat.assistant.admin_client import AdminClient, Health
from gatechat.assistant.faces import manifest, openapi, pages
from gatechat.assistant.faces.forwarder import Forwarder
from gatechat.assistant.guard import Guard
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.ports import is_loopback

log = logging.getLogger(__name__)

_HELP = {
    404: "there is nothing here. The Admin API is under /apisix/admin/ (routes, upstreams, services, …); "
    "/openapi.yaml says what can be done, / what else is here",
    405: "this address does not take this method; Allow says which it takes",
}


def create_app(settings: AssistantSettings) -> Starlette:
    """The assistant as an ASGI app with a lifespan. Serve it with uvicorn; it needs no other process."""
    if settings.token is None and not is_loopback(urlsplit(settings.url).hostname or ""):
        log.warning(
            "%s may be reached from other machines, and no token is set: whoever reaches it can change the "
            "gateway. Set --token, unless what stands before the assistant asks who calls",
            settings.url,
        )
    admin = AdminClient(settings.admin_url, settings.admin_key, settings.timeout)

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
        return HTMLResponse(pages.home(settings), headers=pages.HEADERS)

    async def show_legal(request: Request) -> Response:
        return HTMLResponse(pages.legal(settings), headers=pages.HEADERS)

    async def show_health(request: Request) -> Response:
        health = await admin.health()
        return JSONResponse(
            {
                "status": "ok" if health is Health.ANSWERS else "degraded",
                "admin_api": health.value,
            }
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await admin.close()

    app = Starlette(
        routes=[
            Route("/", show_home),
            Route("/.well-known/ai-plugin.json", show_manifest),
            Route("/openapi.yaml", show_openapi_yaml),
            Route("/openapi.json", show_openapi_json),
            Route("/logo.png", show_logo),
            Route("/legal", show_legal),
            Route("/healthz", show_health),
            Mount("/apisix/admin/", Forwarder(admin, settings)),
        ],
        middleware=[Middleware(Guard, settings=settings)],
        exception_handlers={Problem: _problem, HTTPException: _http_problem, Exception: _unexpected},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # /apisix/admin is no other name for /apisix/admin/
    return app


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
