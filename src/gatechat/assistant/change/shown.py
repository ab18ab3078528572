"""An answer of the Admin API as a model may read it: without secrets, and every other byte as it came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.redact import Redactor, Secret
from gatechat.assistant.problem import Problem


def shown(answer: Answer, redactor: Redactor, secrets: Sequence[Secret] = ()) -> Answer:
    """``answer`` itself where nothing in it is secret. ``secrets``: what its words may repeat.

    Rows (``{"key": …, "value": …}``) are found at any depth, as lists of v3 and v2 and single answers have
    them. Raises Problem (502) for a good answer that cannot be read: what is secret in it is not known.
    """
    if not answer.body:
        return answer
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        if answer.status < 300:
            raise Problem(
                502,
                f"the Admin API answered {answer.status} with what is no JSON. It is not shown, as nobody "
                "knows what is secret in it; ask the Admin API itself",
            ) from None
        text = answer.body.decode(errors="surrogateescape")
        scrubbed = redactor.scrub(text, secrets).encode(errors="surrogateescape")
        return answer if scrubbed == answer.body else replace(answer, body=scrubbed)
    safe = _part(body, redactor, secrets)
    if safe == body:
        return answer
    end = b"\n" if answer.body.endswith(b"\n") else b""
    text = json.dumps(safe, ensure_ascii=False, separators=(",", ":"))
    return replace(answer, body=text.encode(errors="replace") + end)


_OPEN: Final = frozenset({"key", "createdIndex", "modifiedIndex", "total", "deleted", "error_msg"})
"""What stands beside values and is none."""
_AROUND_ROWS: Final = ("list", "node", "nodes")
"""What holds rows: v3 has a list, v2 has nodes in a node."""


def _part(part: Any, redactor: Redactor, secrets: Sequence[Secret]) -> Any:
    if isinstance(part, list):
        return [_part(item, redactor, secrets) for item in part]
    if not isinstance(part, dict):
        return _scrubbed(part, redactor, secrets)
    found: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    place = _place(part.get("key"))
    for name, value in part.items():
        if name == "value" and isinstance(value, dict) and place is not None:
            found[name] = redactor.redact(place[0], value, place[1])
        elif name in _AROUND_ROWS and isinstance(value, dict | list):
            found[name] = _part(value, redactor, secrets)
        elif name in KINDS and isinstance(value, list):
            found[name] = [redactor.redact(name, item) for item in value]
        else:
            rest[name] = _scrubbed(value, redactor, secrets)
    safe = rest if rest.keys() <= _OPEN else redactor.redact("", rest)
    return {name: found[name] if name in found else safe[name] for name in part}


def _scrubbed(part: Any, redactor: Redactor, secrets: Sequence[Secret]) -> Any:
    if isinstance(part, str):
        return redactor.scrub(part, secrets)
    if isinstance(part, dict):
        return {name: _scrubbed(value, redactor, secrets) for name, value in part.items()}
    return [_scrubbed(item, redactor, secrets) for item in part] if isinstance(part, list) else part


def _place(key: Any) -> tuple[str, str] | None:
    """Kind and id in the key of a row: "/apisix/consumers/jack/credentials/c1"; None: it is no such key."""
    steps = key.strip("/").split("/") if isinstance(key, str) else []
    at = next((number for number, step in enumerate(steps) if step in KINDS), None)
    if at is None:
        return None
    kind, id = steps[at], "/".join(steps[at + 1 :])
    return ("credentials", id) if kind == "consumers" and "/credentials/" in id else (kind, id)
