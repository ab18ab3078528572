"""Redirect URIs: which a client may have, and whether the one it asks with is one of its own.

Source: OAuth 2.1 (draft 13), sections 2.3 and 4.1.1; RFC 8252, sections 7 and 8.4 (programs on the person's
own machine); MCP 2026-07-28, "Communication Security".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

MOST: Final = 20
LONGEST: Final = 512

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_EDITORS: Final = frozenset({"cursor", "vscode", "vscode-insiders", "windsurf"})
"""Schemes that programs have without the dot that RFC 8252 wants in them, and that only they answer to."""
_URI: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""RFC 3986's characters, without "#": no fragment, no backslash, nothing that a header could break at."""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")


def wrong(uri: object) -> str | None:
    """Why no client may have this redirect URI; None: it may."""
    if not isinstance(uri, str) or not _URI.fullmatch(uri) or len(uri) > LONGEST:
        return f"a redirect URI is an absolute URI without a fragment, {LONGEST} characters at most"
    try:
        parts = urlsplit(uri)
        host, user = parts.hostname, parts.username
        _ = parts.port
    except ValueError:
        return "it is no URI"
    if user is not None or "@" in parts.netloc:
        return "a redirect URI has no user name"
    if parts.scheme == "https":
        return None if host else "it names no host"
    if parts.scheme == "http":
        return None if host in _LOOPBACK else "http is only for programs on the person's own machine"
    if _SCHEME.fullmatch(parts.scheme) and ("." in parts.scheme or parts.scheme in _EDITORS):
        return None
    return (
        f"the scheme {parts.scheme!r} is not known to belong to one program: use https, http on a loopback "
        "address, or a scheme with a dot in it (com.example.app)"
    )


def is_own(uri: str, registered: tuple[str, ...]) -> bool:
    """Whether a client may have its answer sent to ``uri``: character by character one of its own, but for
    the port of a loopback address, which a program only knows when it listens (RFC 8252, section 7.3).
    """
    return uri in registered or any(_same_but_port(uri, own) for own in registered)


def _same_but_port(uri: str, own: str) -> bool:
    if wrong(uri) is not None:
        return False
    asked, known = urlsplit(uri), urlsplit(own)
    return (
        is_loopback(uri)
        and is_loopback(own)
        and (asked.hostname, asked.path, asked.query) == (known.hostname, known.path, known.query)
    )


def is_loopback(uri: str) -> bool:
    """Whether a program on the person's own machine gets the answer."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def told(uri: str) -> str:
    """Where an answer goes, for people: "chatgpt.com", "localhost:8787", "cursor:"."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("https", "http") else f"{parts.scheme}:"


def source(uri: str) -> str:
    """The same as a source of a Content-Security-Policy, which knows no IPv6 addresses."""
    parts: SplitResult = urlsplit(uri)
    if parts.scheme not in ("https", "http") or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def with_answer(uri: str, answer: dict[str, str]) -> str:
    """``uri`` with an authorization response in its query (RFC 6749, section 4.1.2), the rest as it was."""
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(answer)}"
