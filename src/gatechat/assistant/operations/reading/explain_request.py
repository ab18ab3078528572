"""explain_request: which route answers a request and why, or why none does. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.reading.needs import TEXT, Needs, scrubbed
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import effective
from gatechat.assistant.view.match import Explanation, router
from gatechat.assistant.view.request import Request
from gatechat.assistant.view.rows import rows

INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "/path?query, or http://host/path"},
        "method": {"type": "string", "default": "GET"},
        "headers": {"type": "object", "additionalProperties": TEXT, "description": "Host too"},
        "client": {"type": "string", "description": "the client's IP address"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {"route": {"type": ["string", "null"]}, "certain": {"type": "boolean"}, "possible": {}},
}
_HOST: Final = 'name the host in headers: {"Host": "api.example.com"}'
CALLED: Final = Words(also={"path": "url", "uri": "url"}, instead={"host": _HOST})
_KEPT: Final = "/?#[]@!$&'()*+,;=:%-._~|"


async def explain_request(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """The route that answers, what runs on it, and what nearly answered."""
    request = read_request(
        arguments["url"],
        arguments.get("method", "GET"),
        arguments.get("headers", {}),
        arguments.get("client"),
    )
    if request.address is not None and not _is_address(request.address):
        raise Problem(400, f"client {text.line(request.address)!r}: give an IP address, like 192.0.2.1")
    configuration = await core.live.configuration()
    explanation = router(configuration).explain(request)
    named = [one.route for one in explanation.possible] + [miss.route for miss in explanation.misses]
    words = text.fence(list(_words(explanation, configuration)))
    assumed = [f"Assumed: {one}." for one in explanation.assumed]
    shown = scrubbed(core, configuration, words, (("routes", id) for id in named))
    possible = [one.route for one in explanation.possible]
    data = {"route": explanation.route, "certain": explanation.certain, "possible": possible}
    return Outcome("\n".join((verdict(explanation), shown, *assumed)), data)


def read_request(url: str, method: str, headers: Mapping[str, str], client: str | None) -> Request:
    """Raises Problem (400) for what is neither a path nor a http URL."""
    named = {name.lower(): value for name, value in headers.items()}
    parts = urlsplit(url)
    if not url.startswith("/") and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise Problem(400, f"url {url!r}: give a path that begins with /, or a whole http:// URL")
    target = url
    if not url.startswith("/"):
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named.setdefault("host", parts.netloc.rpartition("@")[2])
    target = quote(target.partition("#")[0], safe=_KEPT)
    scheme = parts.scheme if parts.netloc and not url.startswith("/") else None
    return Request(method.upper(), target, named.get("host", ""), named, client, scheme)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def verdict(explanation: Explanation) -> str:
    """One sentence."""
    if explanation.route is not None:
        return f"Route {explanation.route} answers."
    if not explanation.possible:
        return "No route answers: the client gets 404 Route Not Found."
    if explanation.certain:
        return f"Route {explanation.possible[0].route} answers."
    last = "" if not explanation.possible[-1].condition else " If none of them holds: 404 Route Not Found."
    return f"It cannot be said for certain; the first of these whose condition holds answers.{last}"


def _words(explanation: Explanation, configuration: Configuration) -> list[str]:
    known = rows(configuration, "routes")
    merged = effective(configuration).routes
    found = []
    for number, one in enumerate(explanation.possible, 1):
        row = known[one.route]
        condition = f" IF {one.condition}" if one.condition else ""
        found.append(f"{number}. {row.line}{condition}")
        found.append(f"   because {one.because}")
        route = merged[one.route]
        if row.globals_:
            found.append(f"   global rules run first: {', '.join(row.globals_)}")
        if route.missing:
            found.append(f"   and then fails: {', '.join(route.missing)} is not there")
    if explanation.misses:
        found.append("Others:")
    found += [f"- {miss.route}: {miss.why}" for miss in explanation.misses]
    return found or ["No route comes near."]
