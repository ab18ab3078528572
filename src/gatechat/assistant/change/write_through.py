"""What a write to the Admin API would do, read from the request itself, so that it can go the same road as
a plan.

Nothing is passed on that was not understood: what we read differently than the gateway would escape the
policy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from gatechat.apisix.kinds import KINDS, Kind
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.model import Action, Edit, Plan, Target
from gatechat.assistant.change.resources import clean
from gatechat.assistant.ledger import Held
from gatechat.assistant.problem import Problem

WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
ASKS: Final = ("configs/validate", "schema/validate/", "plugins/reload")
"""What is asked with POST or PUT and changes no resource."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A write that a person must approve first: nothing of it is done."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Write:
    """A request as it was understood. ``target.id`` is "" where the gateway chooses; ``sub_path`` is for
    PATCH.
    """

    method: str
    target: Target
    sub_path: tuple[str, ...]
    body: Any
    query: bytes

    @property
    def kind(self) -> Kind:
        return KINDS[self.target.kind]

    def edit(self, there: Held | None) -> Edit | None:
        """None: it changes nothing, as what it is about is not there. Raises Problem (400)."""
        before = None if there is None else there.value
        version = None if there is None else there.version
        if self.method in ("PATCH", "DELETE") and there is None:
            return None
        if self.method == "DELETE":
            return Edit(Action.DELETE, self.target, before, None, version)
        if self.method == "PATCH":
            return Edit(Action.MERGE, self.target, before, self._patched(before or {}), version)
        action = Action.CREATE if before is None else Action.REPLACE
        return Edit(action, self.target, before, clean(self.body), version)

    def _patched(self, before: Mapping[str, Any]) -> dict[str, Any]:
        after = deepcopy(dict(before))
        if self.sub_path:
            place: Any = after
            for name in self.sub_path[:-1]:
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    raise Problem(400, f"invalid sub-path: there is no object at {name}")
            place[self.sub_path[-1]] = self.body
        else:
            merge(after, self.body)
        return clean(after)


def merge(value: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """As APISIX merges: null takes away, objects are merged; an empty one replaces, for Lua knows no empty
    object.
    """
    for name, part in patch.items():
        old = value.get(name)
        if part is None:
            value.pop(name, None)
        elif isinstance(part, dict) and isinstance(old, dict) and part and old:
            merge(old, part)
        else:
            value[name] = part


def read(method: str, path: bytes, query: bytes, body: bytes) -> Write | None:
    """``path`` is what comes after /apisix/admin/, judged to be a plain one. None: it writes no resource.

    Raises Problem for a write that is not understood.
    """
    words = path.decode("ascii")
    if method not in WRITES or any(words == it or (it.endswith("/") and words.startswith(it)) for it in ASKS):
        return None
    segments = [unquote(part) for part in words.split("/")]
    if segments[-1] == "":
        segments.pop()
    kind, rest = _kind(segments)
    if kind is None:
        raise Problem(
            404,
            f"unsupported resource type {segments[0] if segments else ''!r}: it cannot be written to "
            "through the assistant",
        )
    if method not in kind.methods:
        return None  # the Admin API says 405
    value = None if method == "DELETE" else _json(body)
    id, sub_path = _id(kind, rest)
    if sub_path and method != "PATCH":
        raise Problem(400, f"{words}: only PATCH goes inside a resource")
    whole = method in ("PUT", "POST") or (method == "PATCH" and not sub_path)
    if whole and not isinstance(value, dict):
        raise Problem(400, "invalid configuration: wrong type: expected object")
    if method == "PUT":
        id = _own_id(kind, id, value or {})
    elif method != "POST" and not id:
        raise Problem(400, f"missing {kind.title} id")
    elif method == "POST" and id:
        raise Problem(400, f"wrong {kind.title} id, do not need it")
    return Write(method, Target(kind.plural, id), sub_path, value, _query(query))


def _kind(segments: Sequence[str]) -> tuple[Kind | None, Sequence[str]]:
    if not segments:
        return None, ()
    if segments[0] == "consumers" and segments[2:3] == ["credentials"]:
        return KINDS["credentials"], segments[1:]
    if segments[0] == "credentials":
        return None, ()
    return KINDS.get(segments[0]), segments[1:]


def _id(kind: Kind, rest: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A credential's id has three parts, a secret manager's two, any other's one."""
    length = {"credentials": 3, "secrets": 2}.get(kind.plural, 1)
    if 0 < len(rest) < length:
        return "", ()
    return "/".join(rest[:length]), tuple(rest[length:])


def _own_id(kind: Kind, id: str, value: Mapping[str, Any]) -> str:
    """The id of a PUT: the path's, else the body's. Where both are given they must agree."""
    field = kind.identity if kind.identity in ("id", "username") else None
    named = value.get(field) if field else None
    if named is not None and (isinstance(named, bool) or not isinstance(named, str | int)):
        raise Problem(400, f"wrong {kind.title} id")
    if id and named is not None and kind.plural not in ("secrets", "credentials") and str(named) != id:
        raise Problem(400, f"wrong {kind.title} id")
    if not id and named is None:
        raise Problem(400, f"missing {kind.title} id")
    return id or str(named)


def _query(query: bytes) -> bytes:
    """What is passed on of the query."""
    names = parse_qs(query.decode("ascii"), keep_blank_values=True)
    return b"&".join(
        f"{name}={names[name][-1]}".encode()
        for name in ("ttl", "force")
        if name in names and names[name][-1].replace(".", "", 1).isalnum()
    )


def _json(body: bytes) -> Any:
    """Raises Problem for what two readers might read differently."""
    try:
        return json.loads(body.decode(), strict=False, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"invalid request body: {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise ValueError(f"{twice!r} is given twice")
    return found


def not_there() -> Answer:
    """What APISIX says of a resource that is not there."""
    return Answer(404, {"content-type": "application/json"}, b'{"message":"Key not found"}\n')
