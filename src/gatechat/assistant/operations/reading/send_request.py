"""send_request: one request through the gateway, and what came back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.reading.explain_request import read_request, verdict
from gatechat.assistant.operations.reading.needs import COUNT, TEXT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.exchange import Reply, chosen, exchange
from gatechat.assistant.view.match import router

CALLED: Final = Words(
    also={"uri": "path", "url": "path"},
    instead={"host": 'name the host in headers: {"Host": "api.example.com"}'},
)
SECONDS: Final = 10.0
LARGEST_BODY: Final = 64 * 1024
"""Bytes of an answer that are read; of them ``most`` characters are shown."""
_SHOWN: Final = 1_500
_MOST_SHOWN: Final = 20_000
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {
            "type": "string",
            "description": "/path?query; never another host: name one in headers.Host",
        },
        "method": {"type": "string", "default": "GET"},
        "headers": {"type": "object", "additionalProperties": TEXT},
        "body": TEXT,
        "show": {"type": "integer", "maximum": _MOST_SHOWN, "default": _SHOWN, "description": "characters"},
    },
}
OUTPUT: Final = {"type": "object", "properties": {"status": COUNT, "route": {"type": ["string", "null"]}}}

_OF_INTEREST: Final = re.compile(
    r"location|content-type|content-length|www-authenticate|retry-after|allow|server|etag|cache-control|vary"
    r"|access-control-.*|x-ratelimit-.*|x-apisix-.*|x-request-id|apisix-.*|x-cache.*|via|set-cookie"
)


async def send_request(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """To the gateway's address only. Redirects are shown, not followed; what is secret is taken out."""
    method = arguments.get("method", "GET").upper()
    allowed = core.policy.request_methods
    if method not in allowed:
        raise Problem(
            403,
            f"{method} may change something behind the gateway; the policy allows "
            f"{', '.join(sorted(allowed))}. Who runs the assistant can allow more "
            "(request_methods in the policy file)",
        )
    headers = _checked(arguments.get("headers", {}))
    path = arguments["path"]
    if not path.startswith("/"):
        raise Problem(400, f"path {path!r}: must begin with /; requests go to the gateway and nowhere else")
    target = read_request(path, method, {}, None).target
    url = core.settings.traffic or core.settings.gateway_url
    body = arguments.get("body", "").encode()
    reply = await exchange(url, method, target, headers, body, seconds=SECONDS, most=LARGEST_BODY)
    configuration = await core.live.configuration()
    host = headers.get("host", urlsplit(url).netloc)
    asked = read_request(target, method, {"user-agent": "gatechat", **headers, "host": host}, None)
    explanation = router(configuration).explain(asked)
    shown = min(arguments.get("show", _SHOWN), _MOST_SHOWN)
    secrets = _secrets(core, configuration)
    longest = max((len(str(it.value)) for it in secrets), default=0)
    redactor = core.redactor
    answer = "\n".join(_answer(reply, shown, lambda words: redactor.scrub(words, secrets), longest))
    head = f"{method} {text.line(target, 200)} through {url}: {reply.status} in {reply.milliseconds:.0f} ms."
    by = f"{verdict(explanation)} (worked out from the configuration, not told by the gateway)"
    data = {"status": reply.status, "route": explanation.route}
    return Outcome("\n".join((head, by, text.fence(answer))), data)


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Raises Problem (400)."""
    try:
        return chosen(headers)
    except ValueError as error:
        raise Problem(400, str(error)) from None


def _answer(reply: Reply, most: int, scrub: Callable[[str], str], longest: int) -> Iterable[str]:
    """Scrubbed before it is cut: what is left of a secret that was cut looks like none. ``longest``: the
    characters of the longest secret.
    """
    for name, value in reply.headers:
        if _OF_INTEREST.fullmatch(name.lower()):
            if name.lower() == "set-cookie":
                value = f"{value.partition('=')[0]}=[redacted]"
            yield f"{name.lower()}: {text.line(scrub(value), 200)}"
    if 300 <= reply.status < 400:
        yield "(the redirect was not followed)"
    body = reply.body.decode(errors="replace")
    if not body:
        return
    if body.count("\ufffd") > len(body) // 20:
        yield f"({len(reply.body)} bytes that are no text)"
        return
    body = scrub(_unindented(body))
    if reply.cut:
        body = body[: max(0, len(body) - longest)]
    yield ""
    yield body[:most]
    if reply.cut or len(body) > most:
        more = "more than " if reply.cut else ""
        yield f"({more}{len(reply.body)} bytes; these are the first {min(most, len(body))} characters)"


def _unindented(body: str) -> str:
    """JSON without blanks that only cost characters."""
    if body[:1] not in "{[":
        return body
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return body


_known: WeakKeyDictionary[Configuration, list[Any]] = WeakKeyDictionary()


def _secrets(core: Needs, configuration: Configuration) -> list[Any]:
    """Every secret of the configuration: an upstream may send back what it was sent."""
    if configuration not in _known:
        _known[configuration] = [
            secret
            for kind, id, item in configuration
            for secret in core.redactor.secrets(kind, dict(item.value), id)
        ]
    return _known[configuration]
