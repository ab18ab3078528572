"""Configurations as files: YAML in the shape of Apache APISIX's own declarative apisix.yaml, or of ADC.

APISIX's has a list for each kind, credentials among the consumers with ids like "jack/credentials/laptop",
and ``#END`` at the end, which may be missing here. Several files make one configuration.

Sources: "Stand-alone mode" of the APISIX documentation; for ADC see adc.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import yaml

from gatechat.apisix.kinds import KINDS, WRITE_ORDER
from gatechat.assistant import adc
from gatechat.assistant.adc import Row, Wrong

Value: TypeAlias = dict[str, Any]

SET_BY_THE_GATEWAY: Final = ("id", "create_time", "update_time")
_CREDENTIALS: Final = "/credentials/"
_LISTED: Final = tuple(kind for kind in KINDS if kind != "credentials")
_NO_RESOURCES: Final = {
    "plugins": "which plugins a gateway loads is said in its config.yaml, not by its Admin API",
    "upstream": "write upstreams, a list",
    "credentials": 'write them among the consumers, with ids like "jack/credentials/laptop"',
}


class FileProblem(Exception):
    """Files cannot be used; ``problems`` says why, a line each, with the place."""

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
class Declared:
    """What files say. ``places``: (kind, id) -> "routes.yaml:12". ``covered``: the kinds that they speak of,
    be it by an empty list; of others they say nothing.
    """

    configuration: Configuration
    places: Mapping[tuple[str, str], str]
    covered: frozenset[str]


def to_yaml(configuration: Configuration, *, head: str = "") -> str:
    """The file's text. Ids stand first; the same configuration makes the same text. ``head``: comments."""
    document: dict[str, list[Value]] = {}
    for kind, id, value in configuration:
        identity = {} if kind == "consumers" else {"id": id}
        document.setdefault("consumers" if kind == "credentials" else kind, []).append(identity | value)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110) if document else ""
    return f"{head}{text}#END\n"


def from_yaml(*files: tuple[str, str]) -> Declared:
    """What files hold, each given by its name and its text. Raises FileProblem with all that is wrong."""
    reading = _Reading()
    for name, text in files:
        reading.file(name, text)
    if reading.problems:
        raise FileProblem(*reading.problems)
    return Declared(Configuration(reading.kinds), reading.places, frozenset(reading.covered))


class _Reading:
    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Value]] = {}
        self.places: dict[tuple[str, str], str] = {}
        self.covered: set[str] = set()
        self.problems: list[str] = []

    def file(self, name: str, text: str) -> None:
        try:
            documents = _documents(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            self.problems.append(f"{name}{line}: this is no YAML: {error.problem or error.context}")
            return
        except (yaml.YAMLError, TypeError, ValueError) as error:
            self.problems.append(f"{name}: it holds what JSON has not: {error}")
            return
        for document in documents:
            try:
                self._document(name, document)
            except Wrong as wrong:
                self.problems += (f"{name}:{line}: {words}" for line, words in wrong.problems)

    def _document(self, name: str, document: Any) -> None:
        if document is None:
            return
        if not isinstance(document, Row):
            raise Wrong((1, "a file maps kinds to lists: routes: [...], upstreams: [...], …"))
        if adc.is_adc(document):
            self.covered |= adc.covered(document)
            rows = adc.rows(document)
        else:
            rows = self._rows(document)
        for kind, id, value, line in rows:
            self._put(name, kind, id, value, line)

    def _rows(self, document: Row) -> Sequence[adc.Found]:
        """The rows of APISIX's own form. Raises Wrong with everything that is wrong with the shape."""
        found: list[adc.Found] = []
        wrong: list[tuple[int, str]] = []
        for kind, listed in document.items():
            line = document.lines[kind]
            if kind not in _LISTED:
                wrong.append((line, f"{kind}: {_unknown(kind)}"))
                continue
            self.covered |= {"consumers", "credentials"} if kind == "consumers" else {kind}
            rows = [] if listed is None else listed
            if not isinstance(rows, list) or not all(isinstance(row, Row) for row in rows):
                wrong.append((line, f"{kind}: must be a list of mappings"))
                continue
            for row in rows:
                id = row.get("id", row.get("username") if kind == "consumers" else None)
                if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
                    missing = "username" if kind == "consumers" else "id"
                    wrong.append((row.line, f"{kind}: this one has no {missing}"))
                    continue
                own = "credentials" if kind == "consumers" and _CREDENTIALS in str(id) else kind
                found.append((own, str(id), row, row.line))
        if wrong:
            raise Wrong(*wrong)
        return found

    def _put(self, name: str, kind: str, id: str, value: Mapping[str, Any], line: int) -> None:
        place = f"{name}:{line}"
        there = self.kinds.setdefault(kind, {})
        if id in there:
            self.problems.append(f"{place}: {kind}/{id} is in {self.places[kind, id]} already")
            return
        whole: Value = json.loads(json.dumps(value))
        self.problems += (f"{place}: {kind}/{id}: {words}" for words in _replaced_by_apisix(whole))
        there[id] = {field: part for field, part in whole.items() if field not in SET_BY_THE_GATEWAY}
        self.places[kind, id] = place


def _unknown(kind: str) -> str:
    if kind in _NO_RESOURCES:
        return _NO_RESOURCES[kind]
    near = get_close_matches(kind, _LISTED, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_LISTED)}"
    return f"there is no such kind; {hint}"


def _replaced_by_apisix(value: Any) -> Iterator[str]:
    """What APISIX replaces from the environment while it reads its file, and an Admin API never does."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _replaced_by_apisix(part)
    elif isinstance(value, str) and "${{" in value:
        yield (
            f"{value[:60]!r} is only replaced in a gateway's own files; "
            "write $env://NAME, which the gateway looks up itself"
        )


def _documents(text: str) -> list[Any]:
    """Every document of a file, all of it JSON's values."""
    loader = _JsonLoader(text)
    try:
        documents = []
        while loader.check_data():  # type: ignore[no-untyped-call]
            documents.append(loader.get_data())
    finally:
        loader.dispose()
    json.dumps(documents, allow_nan=False, ensure_ascii=False).encode()
    return documents


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

    def construct_row(self, node: yaml.MappingNode) -> Iterator[Row]:
        row = Row()
        row.line = node.start_mark.line + 1
        row.lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
        yield row
        row.update(self.construct_mapping(node))


_JsonLoader.add_constructor("tag:yaml.org,2002:map", _JsonLoader.construct_row)
_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
