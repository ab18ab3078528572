"""A whole configuration out of one Admin API, into a file or into another Admin API.

A file holds keys in plain text: whoever writes it to disk makes it readable by its owner alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gatechat.apisix.kinds import KINDS, LARGEST_BODY, PREFIX
from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.change.resources import same_resource
from gatechat.assistant.declarative import Configuration, Value, to_yaml
from gatechat.assistant.view.live import Live


class TransferProblem(Exception):
    """It cannot be done; ``problems`` says why, a line each. Nothing was written, unless the text says so."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Change:
    """One resource to be written. ``fields`` are those that differ from what is there; None creates it."""

    kind: str
    id: str
    value: Value = field(repr=False)
    fields: tuple[str, ...] | None

    def __str__(self) -> str:
        if self.fields is None:
            return f"+ {self.kind}/{self.id}"
        return f"~ {self.kind}/{self.id} ({', '.join(self.fields)})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What makes a target hold a configuration. ``extra`` is what only the target has; it stays."""

    changes: tuple[Change, ...]
    same: int
    extra: tuple[str, ...]


async def read(client: AdminClient) -> Configuration:
    """Everything an Admin API holds. Raises Problem when it cannot be read."""
    there = await Live(client).configuration(max_age=0)
    kinds: dict[str, dict[str, Value]] = {}
    for kind, id, item in there:
        kinds.setdefault(kind, {})[id] = dict(item.value)
    return Configuration(kinds)


def to_file(configuration: Configuration) -> str:
    """The declarative file's text. It says which private keys are missing in it."""
    lines = [f"#   {name}\n" for name in unreadable(configuration)]
    if lines:
        lines.insert(0, "# An Admin API never shows private keys. Before importing, add `key` to:\n")
    return to_yaml(configuration, head="".join(lines))


def _words(answer: Answer) -> str:
    """What the Admin API said, for people."""
    try:
        body = json.loads(answer.body)
        words = body.get("error_msg") or body.get("message") or body.get("description")
    except (ValueError, AttributeError):
        words = None
    if answer.status in (401, 403):
        return f"{answer.status} {words or ''}: the admin key is not the right one, or may only read"
    return f"{answer.status} {words or answer.body[:200].decode(errors='replace')}"


def _path(id: str) -> str:
    return quote(id, safe="/")


def _target(path: str) -> bytes:
    return f"{PREFIX}/{path}".encode()


def _resource_path(kind: str, id: str) -> str:
    return f"consumers/{_path(id)}" if kind == "credentials" else f"{kind}/{_path(id)}"


def unreadable(configuration: Configuration) -> list[str]:
    """The certificates without their private keys, which no Admin API shows, as "ssls/1"."""
    return [f"ssls/{id}" for id, value in configuration.kinds.get("ssls", {}).items() if "key" not in value]


def compare(wanted: Configuration, there: Configuration) -> Comparison:
    """What must be written where ``there`` is, in the order in which it must be written.

    A private key is never shown and so not compared: a certificate with the rest equal counts as the same.
    """
    changes = []
    same = 0
    for kind, id, value in wanted:
        old = there.kinds.get(kind, {}).get(id)
        shown = {name: part for name, part in value.items() if name not in KINDS[kind].hidden}
        if old is None:
            changes.append(Change(kind, id, value, None))
        elif same_resource(old, shown):
            same += 1
        else:
            changes.append(Change(kind, id, value, tuple(_differing(old, shown))))
    extra = tuple(f"{kind}/{id}" for kind, id, _ in there if id not in wanted.kinds.get(kind, {}))
    return Comparison(tuple(changes), same, extra)


def _differing(old: Value, new: Value) -> Iterable[str]:
    return (name for name in sorted({*old, *new}) if old.get(name) != new.get(name))


async def check(client: AdminClient, changes: Sequence[Change]) -> None:
    """Asks the target whether it would take every change. Raises TransferProblem with all it would refuse."""
    keyless = [change for change in changes if change.kind == "ssls" and "key" not in change.value]
    problems = [
        f"{change.kind}/{change.id}: no Admin API shows a private key, so it cannot be copied. "
        "Put this certificate there yourself, with its key, then repeat this."
        for change in keyless
    ]
    complete = [change for change in changes if change not in keyless]
    async for answer in _validate(client, complete):
        if answer.status == 404:
            problems += await _check_each(client, complete)
            break
        if answer.status != 200:
            problems += _refusals(answer)
    if problems:
        raise TransferProblem(*problems)


async def _check_each(client: AdminClient, changes: Sequence[Change]) -> list[str]:
    """For an APISIX before 3.17, which checks one resource at a time."""
    problems = []
    for change in changes:
        answer = await _send_json(client, "POST", f"schema/validate/{change.kind}", change.value)
        if answer.status == 404 and change.kind != "credentials":
            return [
                "This Admin API cannot check a configuration before it is written; APISIX 3.17 and later can."
            ]
        if answer.status not in (200, 404):
            problems.append(f"{change.kind}/{change.id}: {_words(answer)}")
    return problems


async def _send_json(client: AdminClient, method: str, path: str, body: Value | Mapping[str, Any]) -> Answer:
    text = json.dumps(body, separators=(",", ":")).encode()
    return await client.send(method, _target(path), {"content-type": "application/json"}, text)


async def _validate(client: AdminClient, changes: Sequence[Change]) -> AsyncIterator[Answer]:
    """Sends the changes in bodies as large as the Admin API takes."""
    document: dict[str, list[Value]] = {}
    size = 0
    for change in changes:
        kind = "consumers" if change.kind == "credentials" else change.kind
        row = change.value if change.kind == "consumers" else {"id": change.id} | change.value
        length = len(json.dumps(row)) + len(kind) + 8
        if document and size + length > LARGEST_BODY:
            yield await _send_json(client, "POST", "configs/validate", document)
            document, size = {}, 0
        document.setdefault(kind, []).append(row)
        size += length
    if document:
        yield await _send_json(client, "POST", "configs/validate", document)


def _refusals(answer: Answer) -> list[str]:
    try:
        errors = json.loads(answer.body)["errors"]
        return [f"{e.get('resource_type', '')}/{e.get('resource_id', '')}: {e['error']}" for e in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [_words(answer)]


async def write(client: AdminClient, changes: Sequence[Change]) -> AsyncIterator[Change]:
    """Writes the changes in their order and yields each when it is there.

    Raises TransferProblem at the first that is refused, and Problem when there is no answer. What was yielded
    is written; repeating the whole is safe, since it writes only what differs.
    """
    for change in changes:
        answer = await _send_json(client, "PUT", _resource_path(change.kind, change.id), change.value)
        if answer.status not in (200, 201):
            raise TransferProblem(f"{change.kind}/{change.id} was refused: {_words(answer)}")
        yield change
