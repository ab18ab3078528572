"""What a write to the Admin API would do, read from the request itself, so that it can go the same road as
a plan.

Nothing is passed on that was not understood: what we read differently than the gateway would escape the
policy. What is refused here is refused with the Admin API's own status and words (``apisix/admin/init.lua``
and ``resource.lua`` of APISIX 3.18); a body that is no JSON is not given back, as it may hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs, quote, unquote, urlencode

from gatechat.apisix.bodies import MISSING, NotJson, decode_json
from gatechat.apisix.kinds import KINDS, PREFIX, Kind
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.model import Action, Edit, Plan, Target
from gatechat.assistant.change.redact import Redactor, Unrestorable
from gatechat.assistant.change.resources import TIMES, clean
from gatechat.assistant.ledger import Held
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.references import values_at

WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
CHECKS: Final = ("configs/validate", "schema/validate/")
"""What is asked with POST and changes nothing."""
RELOAD: Final = "plugins/reload"
"""Has the gateway read its own files again; no resource is written."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A write that a person must approve first: nothing of it is done."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Write:
    """A request as it was understood. ``target.id`` is "" where the gateway chooses; ``sub_path`` is for
    PATCH; ``segments`` is the path as it was asked for, after /apisix/admin.
    """

    method: str
    target: Target
    sub_path: tuple[str, ...]
    body: Any
    query: bytes
    segments: tuple[str, ...]

    @property
    def force(self) -> bool:
        return b"force=true" in self.query.split(b"&")

    @property
    def path(self) -> bytes:
        return "/".join((PREFIX, *(quote(segment, safe="") for segment in self.segments))).encode()

    def restored(self, redactor: Redactor, there: Held | None) -> Write:
        """With the secret that is there in place of each that was written back redacted.

        Raises Problem (400) where there is none to keep.
        """
        if self.method == "DELETE":
            return self
        wrapped = self.body
        for name in reversed(self.sub_path):
            wrapped = {name: wrapped}
        before = None if there is None else there.value
        try:
            body = redactor.restore(self.target.kind, wrapped, before, self.target.id)
        except Unrestorable as error:
            raise Problem(
                400, f"{error}. Write the secret itself, or a reference like $env://NAME"
            ) from error
        for name in self.sub_path:
            body = body[name]
        return replace(self, body=body)

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
            for depth, name in enumerate(self.sub_path[:-1], 1):
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    _refuse(f"invalid sub-path: /{'/'.join(self.sub_path[:depth])}")
            place[self.sub_path[-1]] = self.body
        else:
            merge(after, self.body)
        kind = KINDS[self.target.kind]
        if kind.plural != "secrets" and str(after.get("id", self.target.id)) != self.target.id:
            _refuse(f"wrong {kind.title} id")
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


def is_check(method: str, path: bytes) -> bool:
    """Whether a request asks for a judgement and writes nothing. ``path`` is what comes after
    /apisix/admin/.
    """
    words = path.decode("ascii")
    return method == "POST" and (words == CHECKS[0] or words.startswith(CHECKS[1]))


def read(method: str, path: bytes, query: bytes, body: bytes) -> Write | None:
    """``path`` is what comes after /apisix/admin/, judged to be a plain one. None: it writes no resource.

    Raises Problem for a write that is not understood, or that every Admin API refuses.
    """
    words = path.decode("ascii")
    if method not in WRITES or is_check(method, path) or words == RELOAD:
        return None
    segments = tuple(unquote(part) for part in words.split("/") if part)
    kind, owner, rest = _kind(segments)
    sub_path = tuple(rest[1:])
    if sub_path and method != "PATCH":
        _refuse(f"wrong {kind.title} id: it has a slash; letters, digits, '.', '-' and '_' are allowed")
    if method not in kind.methods:
        _refuse(f"not supported `{method}` method for {kind.title}", 405)
    value, passed = _json(body), _query(query)
    id = rest[0] if rest else ""
    match method:
        case "PUT":
            id = _id_to_put(kind, id, _new(value))
            _check_times(kind, value)
        case "POST":
            if "id" in _new(value) or id:
                _refuse(f"wrong {kind.title} id, do not need it")
            _check_times(kind, value)
        case "PATCH":
            _check_patch(kind, id, sub_path, value)
    if method == "DELETE" and not id:
        _refuse(f"missing {kind.title} id")
    target = Target(kind.plural, owner + id if id else "")
    return Write(method, target, sub_path, value, passed, segments)


def _refuse(words: str, status: int = 400) -> NoReturn:
    raise Problem(status, words)


def _kind(segments: Sequence[str]) -> tuple[Kind, str, Sequence[str]]:
    """The kind, what its ids begin with ("jack/credentials/", "vault/"), and the segments from the id on."""
    first = segments[0] if segments else ""
    if first in ("schema", "plugins"):
        _refuse("not found", 404)
    if first == "consumers" and segments[2:3] == ("credentials",):
        return KINDS["credentials"], f"{segments[1]}/credentials/", segments[3:]
    if first not in KINDS or first == "credentials":
        _refuse(f"Unsupported resource type: {first}", 404)
    if first == "secrets" and len(segments) > 1:
        return KINDS[first], f"{segments[1]}/", segments[2:]
    return KINDS[first], "", segments[1:]


def _new(value: Any) -> dict[str, Any]:
    """The body of a PUT or POST."""
    if value is MISSING:
        _refuse("missing configurations")
    if not isinstance(value, dict):
        _refuse("invalid configuration: wrong type: expected object")
    return value


def _check_times(kind: Kind, value: Mapping[str, Any]) -> None:
    """Times are the gateway's to set."""
    places = {"": value, "upstream.": value.get("upstream"), "plugins.": value.get("plugins")}
    for prefix, part in places.items() if kind.times else ():
        for name in TIMES:
            if isinstance(part, dict) and name in part:
                _refuse(f"the property is forbidden:  {prefix}{name}")


def _id_to_put(kind: Kind, id: str, value: Mapping[str, Any]) -> str:
    """The path's id, or the body's where it may name it. Where both are given they must agree."""
    if kind.identity == "path":
        return id or _refuse("missing plugin name")
    if kind.plural == "secrets":
        return id or _refuse("missing secret id")
    field = "username" if kind.identity == "username" else "id"
    named = value.get(field)
    if field == "username":
        if id and isinstance(named, str) and named != id:
            _refuse("wrong username")
        return id or (named if isinstance(named, str) else "")  # the schema asks for a username
    if named is None:
        return id or _refuse(f"missing {kind.title} id")
    if isinstance(named, bool) or not isinstance(named, str | int) or (id and str(named) != id):
        _refuse(f"wrong {kind.title} id")
    return str(named)


def _check_patch(kind: Kind, id: str, sub_path: Sequence[str], value: Any) -> None:
    if not id:
        _refuse("no secret id" if kind.plural == "secrets" else f"missing {kind.title} id")
    if value is MISSING:
        _refuse("missing new configuration")
    if not sub_path and not isinstance(value, dict):
        _refuse("invalid configuration")


def _query(query: bytes) -> bytes:
    """What is passed on of the query."""
    asked = parse_qs(query.decode("ascii"), keep_blank_values=True)
    given: dict[str, str] = {name: asked[name][-1] for name in ("ttl", "force") if name in asked}
    if "ttl" in given:
        if not _NUMBER.fullmatch(given["ttl"]):
            _refuse("invalid argument ttl: should be a number")
        if float(given["ttl"]) <= 0:
            _refuse("invalid argument ttl: should be greater than 0")
    return urlencode(given).encode()


_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")


def _json(body: bytes) -> Any:
    try:
        return decode_json(body)
    except NotJson as error:
        raise Problem(400, f"invalid request body: {error}") from error


def in_the_way(edit: Edit, configuration: Configuration, *, force: bool) -> Problem | None:
    """What other resources have against a write, in the Admin API's words; None: nothing."""
    kind, id = KINDS[edit.target.kind], edit.target.id
    if edit.after is None:
        return None if force else _used(kind, id, configuration)
    if kind.plural == "credentials" and configuration.get("consumers", id.partition("/")[0]) is None:
        return Problem(404, "consumer not found")
    for reference in kind.references:
        for found in values_at(edit.after, reference.field.split(".")):
            if configuration.get(reference.to, str(found)) is None:
                what = f"{reference.label} info by {reference.label} id [{found}]"
                return Problem(400, f"failed to fetch {what}, response code: 404")
    return None


def _used(kind: Kind, id: str, configuration: Configuration) -> Problem | None:
    for user in kind.users:
        for name, item in configuration.all(user.kind).items():
            if any(str(found) == id for found in values_at(item.value, user.field.split("."))):
                return Problem(400, user.text.format(user=f"{user.label} [{name}]"))
    return None


def not_there() -> Answer:
    """What APISIX says of a resource that is not there."""
    headers = {"content-type": "application/json", "x-api-version": "v3"}
    return Answer(404, headers, b'{"message":"Key not found"}\n')
