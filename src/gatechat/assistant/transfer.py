"""A whole configuration out of one Admin API, into a file or into another Admin API.

The file is YAML in the shape of Apache APISIX's own declarative apisix.yaml: a list for each kind,
credentials among the consumers with ids like "jack/credentials/laptop", ``#END`` at the end. It holds keys in
plain text: whoever writes it to disk makes it readable by its owner alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import yaml

from gatechat.apisix.kinds import KINDS, LARGEST_BODY, PREFIX, WRITE_ORDER
from gatechat.assistant.admin_client import AdminClient, Answer

Value = dict[str, Any]
_SET_BY_THE_GATEWAY: Final = ("id", "create_time", "update_time")
_CREDENTIALS: Final = "/credentials/"


class TransferProblem(Exception):
    """It cannot be done; ``problems`` says why, a line each. Nothing was written, unless the text says so."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Configuration:
    """kind -> id -> value without id and times. A credential has an id like "jack/credentials/laptop"."""

    kinds: Mapping[str, Mapping[str, Value]]

    def __iter__(self) -> Iterator[tuple[str, str, Value]]:
        """Every resource, what is referred to before what refers to it."""
        return ((kind, id, value) for kind in WRITE_ORDER for id, value in self.kinds.get(kind, {}).items())

    def __len__(self) -> int:
        return sum(map(len, self.kinds.values()))


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
    """Everything an Admin API holds. Raises TransferProblem, or Problem when there is no answer."""
    kinds: dict[str, dict[str, Value]] = {}
    for kind in WRITE_ORDER:
        if kind == "credentials":
            for username in kinds["consumers"]:
                rows = await _list(client, f"consumers/{_path(username)}/credentials")
                kinds.setdefault(kind, {}).update({f"{username}{_CREDENTIALS}{id}": row for id, row in rows})
        else:
            kinds[kind] = dict(await _list(client, kind))
    for name in kinds["plugin_metadata"]:  # APISIX decrypts its secrets when asked for one, not in the list
        answer = await client.send("GET", _target(f"plugin_metadata/{_path(name)}"), {})
        kinds["plugin_metadata"][name] = _clean(_object(answer, f"plugin_metadata/{name}")["value"])
    return Configuration({kind: rows for kind, rows in kinds.items() if rows})


async def _list(client: AdminClient, path: str) -> list[tuple[str, Value]]:
    answer = await client.send("GET", _target(path), {})
    if answer.status == 404:
        return []  # an older APISIX without this kind; an empty list is answered with 200
    rows = _object(answer, path).get("list") or []  # Lua writes an empty list as {}
    prefix = f"/{path.split('/', 1)[0]}/" if path.count("/") == 0 else f"/{path}/"
    return [(row["key"].partition(prefix)[2], _clean(row["value"])) for row in rows]


def _object(answer: Answer, path: str) -> Value:
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if answer.status != 200 or not isinstance(body, dict):
        raise TransferProblem(f"{path} cannot be read: {_words(answer)}")
    return body


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


def _clean(value: Value) -> Value:
    return {name: part for name, part in value.items() if name not in _SET_BY_THE_GATEWAY}


def _path(id: str) -> str:
    return quote(id, safe="/")


def _target(path: str) -> bytes:
    return f"{PREFIX}/{path}".encode()


def _resource_path(kind: str, id: str) -> str:
    return f"consumers/{_path(id)}" if kind == "credentials" else f"{kind}/{_path(id)}"


def to_yaml(configuration: Configuration) -> str:
    """The declarative file's text. Ids stand first; the same configuration makes the same text."""
    document: dict[str, list[Value]] = {}
    for kind, id, value in configuration:
        identity = {} if kind == "consumers" else {"id": id}
        document.setdefault("consumers" if kind == "credentials" else kind, []).append(identity | value)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110) if document else ""
    return f"{_missing_keys(configuration)}{text}#END\n"


def _missing_keys(configuration: Configuration) -> str:
    lines = [f"#   {name}\n" for name in unreadable(configuration)]
    if not lines:
        return ""
    return "# An Admin API never shows private keys. Before importing, add `key` to:\n" + "".join(lines)


def from_yaml(text: str) -> Configuration:
    """What a declarative file holds. Raises TransferProblem with everything that is wrong with its shape."""
    try:
        document = yaml.load(text, Loader=_JsonLoader)  # noqa: S506  a SafeLoader
        json.dumps(document, allow_nan=False)
    except yaml.YAMLError as error:
        raise TransferProblem(f"This is no YAML: {error}") from error
    except (TypeError, ValueError) as error:
        raise TransferProblem(f"The file holds a value that JSON has not: {error}") from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise TransferProblem("The file must map kinds to lists: routes: [...], upstreams: [...], …")
    problems: list[str] = []
    kinds: dict[str, dict[str, Value]] = {}
    for name, listed in document.items():
        rows = [] if listed is None else listed
        if name not in KINDS or name == "credentials":
            kinds_there = ", ".join(kind for kind in KINDS if kind != "credentials")
            problems.append(f"{name}: there is no such kind; there are {kinds_there}.")
        elif not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            problems.append(f"{name}: must be a list of mappings.")
        else:
            for number, row in enumerate(rows, 1):
                problems += _place(kinds, name, number, row)
    if problems:
        raise TransferProblem(*problems)
    return Configuration(kinds)


def _place(kinds: dict[str, dict[str, Value]], name: str, number: int, row: Value) -> list[str]:
    """Puts one row of the file where it belongs; returns what is wrong with it."""
    id = row.get("id")
    if id is None and name == "consumers":
        id = row.get("username")
    if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
        return [f"{name}: number {number} has no {'username' if name == 'consumers' else 'id'}."]
    kind = "credentials" if name == "consumers" and _CREDENTIALS in str(id) else name
    there = kinds.setdefault(kind, {})
    if str(id) in there:
        return [f"{name}: {id} is there twice."]
    there[str(id)] = _clean(row)
    return []


class _JsonLoader(yaml.SafeLoader):
    """YAML whose values are JSON's: a date stays the text that it is, and a key may be given only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(sorted(twice))} is given twice", node.start_mark
            )
        return {str(name): value for name, value in super().construct_mapping(node, deep).items()}


_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


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
        elif old == shown:
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
