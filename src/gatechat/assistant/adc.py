"""The nested form of ADC (API Declarative CLI, api7/adc) as resources of the Admin API.

What maps plainly is taken; what does not is refused by name. Ids are those that ADC gives, so that a gateway
which ADC manages shows no difference: SHA-1 over names where no ``id`` is written.

Source: ADC's docs/reference/configuration.md and docs/guides/resource-ids.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

_ENVIRONMENT: Final = re.compile(r"(\\?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAMED: Final = ("id", "name", "description", "labels")
_ROUTE: Final = (
    *(*_NAMED, "hosts", "uris", "priority", "timeout", "vars", "methods", "enable_websocket"),
    *("remote_addrs", "plugins", "filter_func"),
)
_STREAM_ROUTE: Final = (*_NAMED, "plugins", "remote_addr", "server_addr", "server_port", "sni")
_SERVICE: Final = (*_NAMED, "upstream", "upstreams", "plugins", "hosts", "routes", "stream_routes")
_CONSUMER: Final = ("username", "description", "labels", "plugins", "credentials")
_CREDENTIAL: Final = (*_NAMED, "type", "config")
_SSL: Final = ("id", "labels", "type", "snis", "certificates", "client", "ssl_protocols")
_WHY_NOT: Final = {
    "path_prefix": "an Admin API has no prefix for a service's routes: write it in each route's uris",
    "strip_path_prefix": "an Admin API does not know it: use the plugin proxy-rewrite",
    "consumer_groups": "write them in the form of apisix.yaml",
}
_SERVICE_OF_AN_UPSTREAM: Final = "__ADC_UPSTREAM_SERVICE_ID"
"""The label by which ADC knows the further upstreams of a service."""
_NAME_OF_A_STREAM_ROUTE: Final = "__ADC_NAME"


class Row(dict[str, Any]):
    """A mapping of a file. ``line`` is where it begins, ``lines`` where each of its names stands."""

    line = 0
    lines: Mapping[str, int]


class Wrong(Exception):
    """What is wrong with a document: line and words of each."""

    def __init__(self, *problems: tuple[int, str]) -> None:
        super().__init__(*problems)
        self.problems = problems


Found: TypeAlias = tuple[str, str, Mapping[str, Any], int]
"""kind, id, value, line"""


def is_adc(document: Row) -> bool:
    """Whether something in it is there in ADC's form only."""
    if any(isinstance(document.get(kind), Row) for kind in ("global_rules", "plugin_metadata")):
        return True
    marks = (
        ("services", ("routes", "stream_routes", "upstreams", "description")),
        ("consumers", ("credentials", "description")),
        ("ssls", ("certificates",)),
    )
    return any(
        any(name in row for name in names) or (kind == "services" and "name" in row and "id" not in row)
        for kind, names in marks
        for row in _rows(document.get(kind))
    )


def covered(document: Row) -> frozenset[str]:
    """The kinds of which such a file says what there is. A service's upstreams belong to it, other upstreams
    are none of the file's.
    """
    kinds = {
        "services": ("services", "routes", "stream_routes"),
        "consumers": ("consumers", "credentials"),
    }
    return frozenset(kind for name in document for kind in kinds.get(name, (name,)))


def rows(document: Row) -> Sequence[Found]:
    """Every resource. Raises Wrong with everything that cannot be mapped."""
    reading = _Reading()
    found = list(reading.all(document))
    if reading.wrong:
        raise Wrong(*reading.wrong)
    return found


def _rows(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, Row)] if isinstance(value, list) else []


def _id(*names: str) -> str:
    return hashlib.sha1(".".join(names).encode(), usedforsecurity=False).hexdigest()


class _Reading:
    def __init__(self) -> None:
        self.wrong: list[tuple[int, str]] = []

    def all(self, document: Row) -> Iterator[Found]:
        known = ("services", "consumers", "ssls", "global_rules", "plugin_metadata")
        self._only(document, known, "this file, which is in ADC's form")
        for kind, each in (("services", self._service), ("consumers", self._consumer), ("ssls", self._ssl)):
            for row in self._list(document, kind):
                yield from each(row)
        for name, conf, line in self._map(document, "global_rules"):
            yield "global_rules", name, {"plugins": {name: conf}}, line
        for name, conf, line in self._map(document, "plugin_metadata"):
            yield "plugin_metadata", name, conf, line

    def _service(self, row: Row) -> Iterator[Found]:
        self._only(row, _SERVICE, "a service")
        name = self._name(row, "name")
        id = str(row.get("id", _id(name)))
        upstream = row.get("upstream")
        if isinstance(upstream, Row):
            yield "upstreams", id, {**self._value(upstream, "upstreams"), "name": name}, upstream.line
        elif "upstreams" in row:
            self.wrong.append((row.line, "a service with upstreams needs an upstream, the one by default"))
        for other in self._list(row, "upstreams"):
            own = self._name(other, "name")
            value = self._value(other, "upstreams")
            value["labels"] = {**value.get("labels", {}), _SERVICE_OF_AN_UPSTREAM: id}
            yield "upstreams", str(other.get("id", _id(name, own))), value, other.line
        value = self._value(row, "services", without=("upstream", "upstreams", "routes", "stream_routes"))
        yield "services", id, value | ({"upstream_id": id} if isinstance(upstream, Row) else {}), row.line
        for route in self._list(row, "routes"):
            self._only(route, _ROUTE, "a route")
            own = str(route.get("id", _id(name, self._name(route, "name"))))
            yield "routes", own, self._value(route, "routes") | {"service_id": id, "status": 1}, route.line
        for route in self._list(row, "stream_routes"):
            self._only(route, _STREAM_ROUTE, "a stream route")
            named = self._name(route, "name")
            value = self._value(route, "stream_routes", without=("name",)) | {"service_id": id}
            value["labels"] = {**value.get("labels", {}), _NAME_OF_A_STREAM_ROUTE: named}
            yield "stream_routes", str(route.get("id", _id(name, named))), value, route.line

    def _consumer(self, row: Row) -> Iterator[Found]:
        self._only(row, _CONSUMER, "a consumer")
        name = self._name(row, "username")
        yield "consumers", name, self._value(row, "consumers", without=("credentials",)), row.line
        for credential in self._list(row, "credentials"):
            self._only(credential, _CREDENTIAL, "a credential")
            own = str(credential.get("id", _id(name, self._name(credential, "name"))))
            plugin = self._name(credential, "type")
            value = self._value(credential, "credentials", without=("type", "config"))
            value["plugins"] = {plugin: self._filled(credential.get("config", {}), credential.line)}
            yield "credentials", f"{name}/credentials/{own}", value, credential.line

    def _ssl(self, row: Row) -> Iterator[Found]:
        self._only(row, _SSL, "an ssl")
        pairs = self._list(row, "certificates")
        names = row.get("snis")
        if not pairs or not isinstance(names, list):
            self.wrong.append((row.line, "an ssl needs snis and certificates"))
            return
        value = self._value(row, "ssls", without=("certificates",)) | {"status": 1}
        for field, many, name in (("cert", "certs", "certificate"), ("key", "keys", "key")):
            texts = [self._filled(pair.get(name), pair.line) for pair in pairs]
            value |= {field: texts[0]} | ({many: texts[1:]} if texts[1:] else {})
        id = row.get(
            "id", hashlib.sha1(",".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()
        )
        yield "ssls", str(id), value, row.line

    def _value(self, row: Row, kind: str, without: Sequence[str] = ()) -> dict[str, Any]:
        value: dict[str, Any] = self._filled(
            {name: part for name, part in row.items() if name not in ("id", *without)}, row.line
        )
        if "description" in value:
            value["desc"] = value.pop("description")
        if isinstance(value.get("labels"), dict):
            value["labels"] = {
                name: part if isinstance(part, str) else json.dumps(part, separators=(",", ":"))
                for name, part in value["labels"].items()
            }
        return value

    def _filled(self, value: Any, line: int) -> Any:
        """With ${NAME} replaced from the environment, as ADC does while it reads a file."""
        if isinstance(value, dict):
            return {name: self._filled(part, line) for name, part in value.items()}
        if isinstance(value, list):
            return [self._filled(part, line) for part in value]
        return (
            _ENVIRONMENT.sub(lambda found: self._variable(found, line), value)
            if isinstance(value, str)
            else value
        )

    def _variable(self, found: re.Match[str], line: int) -> str:
        if found[1]:
            return found[0][1:]
        if found[2] not in os.environ:
            self.wrong.append(
                (line, f"the environment has no {found[2]}; write \\{found[0]} for the text itself")
            )
        return os.environ.get(found[2], "")

    def _only(self, row: Row, known: Sequence[str], what: str) -> None:
        for name in row:
            if name in known:
                continue
            near = get_close_matches(name, known, 1)
            hint = _WHY_NOT.get(name) or (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            )
            self.wrong.append((row.lines.get(name, row.line), f"{what} cannot have {name}: {hint}"))

    def _name(self, row: Row, field: str) -> str:
        name = row.get(field)
        if isinstance(name, str) and name:
            return name
        self.wrong.append((row.line, f"{field} is missing"))
        return ""

    def _list(self, row: Row, name: str) -> list[Row]:
        listed = row.get(name)
        found = _rows(listed)
        if listed is not None and (not isinstance(listed, list) or len(found) != len(listed)):
            self.wrong.append((row.lines[name], f"{name} must be a list of mappings"))
        return found

    def _map(self, document: Row, name: str) -> Iterator[tuple[str, Any, int]]:
        mapped = document.get(name)
        if mapped is None:
            return
        if not isinstance(mapped, Row) or not all(isinstance(conf, Row) for conf in mapped.values()):
            self.wrong.append((document.lines[name], f"{name} must map plugins to their settings"))
            return
        for plugin, conf in mapped.items():
            yield plugin, self._filled(conf, conf.line), mapped.lines[plugin]
