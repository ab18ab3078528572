"""One resource at a time over the Admin API: read, written and deleted, with APISIX's quirks seen to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from gatechat.apisix.kinds import KINDS, PREFIX
from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.change.model import Edit, Target
from gatechat.assistant.ledger import Held
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.live import Revision, revision

if TYPE_CHECKING:
    from gatechat.assistant.change.write_through import Write

TIMES: Final = ("create_time", "update_time")
_JSON: Final = {"content-type": "application/json"}
IN_USE: Final = "is still using it now"
"""What every APISIX says of a resource that others refer to, with status 400."""


KEEPS_SECRETS: Final = (3, 18)
"""The first APISIX whose PATCH does not encrypt anew what is encrypted already."""


class Refused(Exception):
    """The Admin API did not take a write; the text is its own words. ``in_use``: others refer to it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status} {words}")
        self.status = status
        self.words = words
        self.in_use = status == 400 and IN_USE in words


class Resources:
    """Values are without times and id. Raises Problem when there is no answer, or one that says that the
    gateway cannot work now (5xx, 429); Refused when it will not take what was sent. Writes return the
    gateway's revision, where it has one.
    """

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin

    async def get(self, target: Target) -> Held | None:
        """None: not there, or a kind that this gateway does not have."""
        answer = await self._admin.send("GET", path(target), {})
        if answer.status in (400, 404):  # 400: stream routes with the stream proxy off
            return None
        if answer.status == 500 and target.kind == "plugin_metadata" and not await self._is_listed(target):
            return None  # before APISIX 3.15, which fails over what is not there
        body = _checked(answer)
        return Held(clean(body["value"]), body.get("modifiedIndex"))

    async def _is_listed(self, target: Target) -> bool:
        body = _checked(await self._admin.send("GET", f"{PREFIX}/{target.kind}".encode(), {}))
        return any(row["key"].rpartition("/")[2] == target.id for row in body.get("list") or ())

    async def create(self, kind: str, value: Mapping[str, Any]) -> tuple[Target, Revision | None]:
        """Has the gateway choose the id; returns where it is."""
        answer = await self._admin.send("POST", f"{PREFIX}/{kind}".encode(), _JSON, _bytes(value))
        _checked(answer)
        return self.written(Target(kind, ""), answer), revision(answer)

    async def put(self, target: Target, value: Mapping[str, Any], there: Held | None) -> Revision | None:
        """Makes the resource exactly ``value``. ``there`` is what it was read as.

        Never by PATCH, which before APISIX 3.18 encrypts the secret fields of plugins that are encrypted
        already; except for what the Admin API never shows (the private key of a certificate): only PATCH
        keeps it.
        """
        hidden = KINDS[target.kind].hidden
        if there is not None and hidden and not any(name in value for name in hidden):
            patch = merge_patch(there.value, clean(value))
            answer = await self._admin.send("PATCH", path(target), _JSON, _bytes(patch))
        else:
            answer = await self._admin.send("PUT", path(target), _JSON, _bytes(clean(value)))
        _checked(answer)
        return revision(answer)

    async def delete(self, target: Target) -> Revision | None:
        """What is not there any more counts as deleted."""
        answer = await self._admin.send("DELETE", path(target), {})
        if answer.status != 404:
            _checked(answer)
        return revision(answer)

    async def invalid(self, edit: Edit) -> Answer | None:
        """What the Admin API says when a resource may not be written as it is; None: it may, or the Admin API
        cannot tell before it is written. References are not looked at.
        """
        kind = "consumers" if edit.target.kind == "credentials" else edit.target.kind
        value = dict(edit.after or {})
        if edit.target.id and edit.target.kind != "consumers":
            value["id"] = edit.target.id
        where = f"{PREFIX}/configs/validate".encode()
        answer = await self._admin.send("POST", where, _JSON, _bytes({kind: [value]}))
        if answer.status == 400 and (words := _first_error(answer.body)):
            return _refusal(words)
        if answer.status == 200:
            return None
        where = f"{PREFIX}/schema/validate/{edit.target.kind}".encode()  # before APISIX 3.17
        answer = await self._admin.send("POST", where, _JSON, _bytes(value))
        return _refusal(f"invalid configuration: {words_of(answer)}") if answer.status == 400 else None

    async def pass_on(self, write: Write, edit: Edit, server: str) -> Answer:
        """Sends what was asked for as it was asked for. A PATCH that would destroy secrets becomes a PUT.

        Raises Problem when there is no answer, or one that says that the gateway cannot work now.
        """
        method, body, where = write.method, write.body, write.path
        if method == "PATCH" and encrypts_twice(server) and not KINDS[edit.target.kind].hidden:
            method, body, where = "PUT", edit.after, path(edit.target)
        target = where + b"?" + write.query if write.query else where
        answer = await self._admin.send(method, target, _JSON, b"" if method == "DELETE" else _bytes(body))
        if answer.status >= 500:
            _checked(answer)
        return answer

    @staticmethod
    def written(target: Target, answer: Answer) -> Target:
        """Where a resource was written: where it was asked to be, or where the gateway chose."""
        return (
            target
            if target.id
            else Target(target.kind, str(json.loads(answer.body)["key"]).rpartition("/")[2])
        )


def _refusal(words: str) -> Answer:
    body = json.dumps({"error_msg": words}, ensure_ascii=False, separators=(",", ":"))
    return Answer(400, dict(_JSON), f"{body}\n".encode())


def _first_error(body: bytes) -> str:
    """The first error in an answer of /configs/validate; "" where it is none."""
    try:
        errors = json.loads(body)["errors"]
        return str(errors[0]["error"])
    except (ValueError, LookupError, TypeError):
        return ""


def encrypts_twice(server: str) -> bool:
    """Whether this gateway's PATCH may not be used on what it has encrypted. ``server``: "APISIX/3.17.0"."""
    name, _, version = server.partition("/")
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return name == "APISIX" and tuple(numbers) < KEEPS_SECRETS


def path(target: Target) -> bytes:
    """Where the Admin API has a resource. A credential's id carries its consumer's: "jack/credentials/c1"."""
    kind = "consumers" if target.kind == "credentials" else target.kind
    return f"{PREFIX}/{kind}/{quote(target.id, safe='/')}".encode()


def clean(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the gateway sets itself."""
    return {name: part for name, part in value.items() if name != "id" and name not in TIMES}


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to APISIX: Lua cannot tell an empty list from an empty object."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(part, other[name]) for name, part in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if one in ({}, []) and other in ({}, []):
        return True
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def same_resource(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Like same, for whole resources: ids and times do not count."""
    if one is None or other is None:
        return one is other
    return same(clean(one), clean(other))


_NEVER_FILLED_IN: Final = ("plugins", "labels", "nodes")
"""Maps that hold what was written and nothing more."""


def holds(wanted: Any, found: Any) -> bool:
    """Whether ``found`` is ``wanted`` with nothing more than defaults that the gateway filled in."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        grown = any(len(found.get(name) or ()) > len(wanted.get(name) or ()) for name in _NEVER_FILLED_IN)
        return not grown and all(name in found and holds(part, found[name]) for name, part in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(holds, wanted, found))
    return same(wanted, found)


def as_written(target: Target, wanted: Mapping[str, Any] | None, found: Held | None) -> bool:
    """Whether the gateway holds what was written. Fields that it never shows are not looked at."""
    if wanted is None or found is None:
        return wanted is None and found is None
    hidden = KINDS[target.kind].hidden
    shown = {name: part for name, part in clean(wanted).items() if name not in hidden}
    return holds(shown, found.value)


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: what turns one into the other; null takes away. Objects are replaced whole, by way of null
    parts.
    """
    gone = {name: None for name in before if name not in after}
    changed: dict[str, Any] = {}
    for name, part in after.items():
        old = before.get(name)
        if isinstance(part, dict) and isinstance(old, dict) and part and old:
            if deeper := merge_patch(old, part):
                changed[name] = deeper
        elif name not in before or old != part:
            changed[name] = part
    return gone | changed


def _checked(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if answer.status in (200, 201) and isinstance(body, dict):
        return body
    words = words_of(answer)
    if answer.status >= 500 or answer.status == 429:
        raise Problem(502, f"the Admin API failed: {answer.status} {words}. Its log has the cause")
    if answer.status in (401, 403):
        words = f"{words}: the admin key is not the right one, or may only read"
    raise Refused(answer.status, words)


def words_of(answer: Answer) -> str:
    """What the Admin API said, for people."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    return _words(body) or answer.body[:300].decode(errors="replace")


def _words(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    return str(body.get("error_msg") or body.get("message") or body.get("description") or "")


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
