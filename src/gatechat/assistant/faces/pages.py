"""The two pages anybody may open: / says what is here, /legal says what it does with what it is told."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from gatechat.assistant.faces import web
from gatechat.assistant.settings import AssistantSettings


def home(settings: AssistantSettings) -> Response:
    signed_in = settings.sign_in_required
    return web.page(
        "home.html",
        base=urlsplit(settings.url).path,
        settings=settings,
        callers="callers with a token" if signed_in else "callers on this machine",
        bearer=' \\\n  -H "Authorization: Bearer $GATECHAT_TOKEN"' if signed_in else "",
    )


def legal(settings: AssistantSettings) -> Response:
    return web.page("legal.html", base=urlsplit(settings.url).path, contact=settings.contact_email)
