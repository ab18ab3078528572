"""Pages for people: templates, one style, and headers under which nothing can script or frame them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from gatechat import __version__
from gatechat.assistant.change.telling import when
from gatechat.assistant.view.text import clean

_STYLE: Final = files(__package__).joinpath("static", "style.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def headers(form_action: str = "'self'") -> dict[str, str]:
    """``form_action``: where forms of the page, and what answers them, may lead (Content-Security-Policy)."""
    return {
        "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; "
        f"form-action {form_action}; base-uri 'none'; frame-ancestors 'none'",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def page(template: str, status: int = 200, *, form_action: str = "'self'", **values: Any) -> HTMLResponse:
    """``template`` of the folder templates. Every value is escaped, and stripped of what is not seen.

    ``base`` among them: the path of the assistant's public URL, without a slash at the end.
    """
    return HTMLResponse(_PAGES.get_template(template).render(values), status, headers(form_action))


def _seen(value: Any) -> Any:
    if isinstance(value, Markup | Callable):  # a macro's output was escaped where it was made
        return value
    return "" if value is None else clean(str(value))


_PAGES: Final = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_seen,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals.update(style=Markup(_STYLE), version=__version__, base="")  # noqa: S704 - our own file
_PAGES.filters["when"] = when
