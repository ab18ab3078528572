"""What was asked, made into edits: names become ids, selections lists; what was left out is filled in."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.schemas import SECRET_MANAGERS
from gatechat.assistant.change.execute import in_order
from gatechat.assistant.change.model import JSON, Action, Edit, Problem, Target
from gatechat.assistant.change.redact import REVEALS, Redactor, Unrestorable
from gatechat.assistant.change.selection import Where, select
from gatechat.assistant.change.words import instead, listed, no_such_kind, slug
from gatechat.assistant.problem import Problem as AdminProblem
from gatechat.assistant.view.configuration import Configuration, Item

_SET_BY_THE_GATEWAY: Final = ("create_time", "update_time")
_ONE_OR_MANY: Final = (("uri", "uris"), ("host", "hosts"), ("remote_addr", "remote_addrs"))
_EITHER: Final = (*_ONE_OR_MANY, ("upstream", "upstream_id"), ("sni", "snis"))
_LINKS: Final[Mapping[str, str]] = {
    "upstream_id": "upstreams",
    "service_id": "services",
    "plugin_config_id": "plugin_configs",
    "group_id": "consumer_groups",
    "client_cert_id": "ssls",
    "proto_id": "protos",
}
"""Fields that hold an id of another resource."""
_AT_ANY_DEPTH: Final = frozenset({"upstream_id", "client_cert_id", "proto_id"})
"""The others are meant at the top only: discovery_args has a group_id that is something else."""
_UNNAMED: Final = frozenset(
    {"consumers", "credentials", "global_rules", "plugin_metadata", "secrets", "ssls"}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """``value`` is the whole resource for create and replace, a merge patch (RFC 7396) for merge.

    Either ``id`` (an id or a name; for create it may be left out) or ``where`` (see selection) says which.
    ``create_missing``: a replace of what is not there creates it, as PUT does.
    """

    action: Action
    kind: str
    id: str | None = None
    value: Mapping[str, JSON] | None = None
    where: Where | None = None
    create_missing: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    edits: tuple[Edit, ...]
    problems: tuple[Problem, ...]
    selected: str


def after(configuration: Configuration, edits: Sequence[Edit]) -> Configuration:
    """The configuration as it would be. A new resource counts as the last one created."""
    kinds = {kind: dict(configuration.all(kind)) for kind in {edit.target.kind for edit in edits}}
    newest = 0
    if any(edit.before is None for edit in edits):
        newest = max((item.created_index for _, _, item in configuration), default=0)
    for number, edit in enumerate(edits, 1):
        items = kinds[edit.target.kind]
        if edit.after is None:
            items.pop(edit.target.id, None)
            continue
        old = items.get(edit.target.id)
        fresh = Item(edit.after, newest + number, newest + number)
        items[edit.target.id] = replace(old, value=edit.after) if old is not None else fresh
    frozen = {kind: MappingProxyType(items) for kind, items in kinds.items()}
    return replace(configuration, kinds=MappingProxyType({**configuration.kinds, **frozen}))


def resolve(operations: Sequence[Operation], configuration: Configuration, redactor: Redactor) -> Resolved:
    """Every operation is looked at, so that all problems are told at once."""
    return _Resolving(configuration, redactor).all(operations)


class _Refused(Exception):
    def __init__(self, message: str, fix: str = "", path: str = "", value: JSON = None) -> None:
        super().__init__(message)
        self.message, self.fix, self.path, self.value = message, fix, path, value


@dataclass
class _Resolving:
    configuration: Configuration
    redactor: Redactor
    edits: dict[Target, Edit] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)

    def all(self, operations: Sequence[Operation]) -> Resolved:
        for number, operation in enumerate(operations):
            try:
                self._operation(operation)
            except (_Refused, AdminProblem) as error:
                refused = error if isinstance(error, _Refused) else _Refused(error.message)
                where = refused.path or f"operations.{number}"
                self.problems.append(Problem(None, where, refused.message, refused.value, refused.fix))
        self._link()
        unchanged = [edit for edit in self.edits.values() if edit.before == edit.after]
        edits = tuple(in_order([edit for edit in self.edits.values() if edit.before != edit.after]))
        if unchanged and not edits and not self.problems:
            self.problems.append(Problem(None, "", "nothing would change: it is all as you want it already"))
        if unchanged and self.selected:
            self.selected.append(f"{len(unchanged)} of them already as wanted")
        if not operations:
            self.problems.append(
                Problem(None, "operations", "there is nothing to do", fix="give one or more")
            )
        return Resolved(edits, tuple(self.problems), ", ".join(self.selected))

    def _operation(self, operation: Operation) -> None:
        kind, action = operation.kind, operation.action
        if kind not in KINDS:
            raise _Refused(f'kind "{kind}": there is no such kind', instead(kind, KINDS))
        if kind in self.configuration.absent:
            raise _Refused(*no_such_kind(kind))
        if action is not Action.DELETE and not isinstance(operation.value, Mapping):
            raise _Refused(
                f"{action.value} needs a value", "give the resource, or for merge what changes in it"
            )
        if operation.where is not None:
            self._selected(operation, operation.where)
        elif action is Action.CREATE:
            self._create(operation)
        elif operation.id is None:
            raise _Refused(f"{action.value} needs an id, a name, or a selection (where)")
        else:
            self._one(operation, self._target(operation))

    def _selected(self, operation: Operation, where: Where) -> None:
        if operation.action not in (Action.MERGE, Action.DELETE) or operation.id is not None:
            raise _Refused('"where" goes with merge and delete, and without an id')
        selection = select(operation.kind, where, self.configuration)
        self.selected.append(selection.words)
        if not selection.targets:
            raise _Refused(f"the selection is empty: {selection.words}", "look with `find` at what there is")
        for target in selection.targets:
            self._one(operation, target)

    def _target(self, operation: Operation) -> Target:
        """``id`` as an id or a name, also of what the same plan creates."""
        kind, word = operation.kind, str(operation.id)
        named = [
            it.target for it in self.edits.values() if it.target.kind == kind and _name(it.after) == word
        ]
        if Target(kind, word) in self.edits:
            return Target(kind, word)
        if len(named) == 1 and self._there(named[0]) is None:
            return named[0]
        try:
            return Target(kind, self.configuration.resolve(kind, word))
        except AdminProblem as problem:
            if problem.status == 404 and operation.action is Action.REPLACE and operation.create_missing:
                _check_id(Target(kind, word))
                return Target(kind, word)
            advice = " To make a new one, use create." if operation.action is Action.REPLACE else ""
            raise _Refused(problem.message + advice, path=f"{kind}/{word}") from None

    def _there(self, target: Target) -> Item | None:
        return self.configuration.get(target.kind, target.id)

    def _one(self, operation: Operation, target: Target) -> None:
        item, earlier = self._there(target), self.edits.get(target)
        before = _plain(item.value) if item is not None else None
        base = earlier.after if earlier is not None else before
        version = item.modified_index if item is not None else None
        if operation.action is Action.DELETE:
            if earlier is not None:
                raise _Refused("is changed and deleted in one plan", "do one of the two", _path(target))
            self._delete(target, before, version)
            return
        if base is None and not operation.create_missing:
            raise _Refused("is deleted by the same plan", path=_path(target))
        if earlier is not None and operation.action is not Action.MERGE:
            raise _Refused("is written twice in one plan", "join the two operations", _path(target))
        notes = list(earlier.notes) if earlier is not None else []
        wanted = _clean(operation.value or {})
        if operation.action is Action.MERGE:
            wanted = _merged(base or {}, self._without_others(wanted, base or {}, target, notes))
        value = self._restored(target, wanted, base)
        value = _filled(target, value, notes)
        action = operation.action if before is not None else Action.CREATE
        if before is None and operation.action is Action.REPLACE:
            notes.append("it is not there yet, and is created")
        self.edits[target] = Edit(action, target, before, value, version, tuple(notes))

    def _without_others(
        self, patch: dict[str, JSON], base: Mapping[str, JSON], target: Target, notes: list[str]
    ) -> dict[str, JSON]:
        """Fields that exclude each other: the patch's replaces the one that is there, and it is said."""
        gone: dict[str, JSON] = {}
        for pair in _EITHER:
            for mine, other in (pair, pair[::-1]):
                if patch.get(mine) is not None and other in base and other not in patch:
                    gone[other] = None
                    notes.append(f"{mine} takes the place of {other}")
        return patch | gone

    def _restored(
        self, target: Target, wanted: dict[str, JSON], base: Mapping[str, JSON] | None
    ) -> dict[str, JSON]:
        hidden = KINDS[target.kind].hidden
        there = base is not None and bool(hidden) and not set(hidden) & set(base)
        shown = {
            name: part for name, part in wanted.items() if not (there and name in hidden and _marked(part))
        }
        fix = "leave it out of a merge, give a reference ($env://NAME, $secret://…), or write [enter]"
        try:
            restored = self.redactor.restore(target.kind, shown, base, target.id)
        except Unrestorable as error:
            restored = shown
            self.problems.append(Problem(target, f"{_path(target)}.{error.path}", error.message, fix=fix))
        covered, told = self.redactor.covered(target.kind, base, restored, target.id)
        for path in told:
            self.problems.append(Problem(target, f"{_path(target)}.{path}", REVEALS, fix=fix))
        return dict(covered)

    def _delete(self, target: Target, before: dict[str, JSON] | None, version: int | None) -> None:
        self.edits[target] = Edit(Action.DELETE, target, before, None, version)
        for id, item in self.configuration.all("credentials").items() if target.kind == "consumers" else ():
            own = Target("credentials", id)
            if id.startswith(f"{target.id}/") and own not in self.edits:
                note = f"goes with its consumer {target.id}"
                self.edits[own] = Edit(
                    Action.DELETE, own, _plain(item.value), None, item.modified_index, (note,)
                )

    def _create(self, operation: Operation) -> None:
        kind = operation.kind
        value = _clean(operation.value or {})
        notes: list[str] = []
        given = operation.id if operation.id is not None else (operation.value or {}).get("id")
        id = str(given) if given is not None else ""
        if kind == "consumers":
            id = id or str(value.get("username") or slug(str(value.get("name", ""))).replace(".", "-"))
            if "username" not in value and id:
                notes.append(f"username {id}")
                value = {"username": id, **value}
            value.pop("name", None)
        if not id:
            id = _id_for(kind, value)
            notes.append(f"id {id}, from {_source(kind, value)}")
        if kind not in _UNNAMED and "name" not in value and kind != "stream_routes":
            name = _name_from_path(value)
            if name:
                notes.append(f"name {name}, from its path")
                value = {"name": name, **value}
        target = Target(kind, id)
        _check_id(target)
        if self._there(target) is not None or target in self.edits:
            raise _Refused(
                f"{_path(target)} is there already", "use merge or replace, or give another id", _path(target)
            )
        value = self._restored(target, value, None)
        self.edits[target] = Edit(
            Action.CREATE, target, None, _filled(target, value, notes), None, tuple(notes)
        )

    def _link(self) -> None:
        """Names where ids of other resources are meant, in what is written and not there already."""
        for target, edit in self.edits.items():
            if edit.after is None:
                continue
            notes = list(edit.notes)
            value = self._linked(edit.after, edit.before, target, _path(target), notes)
            self.edits[target] = replace(edit, after=value, notes=tuple(notes))

    def _linked(self, value: JSON, before: JSON, target: Target, at: str, notes: list[str]) -> Any:
        if isinstance(value, list):
            return [self._linked(part, None, target, f"{at}.{n}", notes) for n, part in enumerate(value)]
        if not isinstance(value, dict):
            return value
        old = before if isinstance(before, dict) else {}
        found: dict[str, JSON] = {}
        for name, part in value.items():
            here = f"{at}.{name}"
            known = name in _LINKS and (name in _AT_ANY_DEPTH or at == _path(target))
            if known and isinstance(part, str | int) and not isinstance(part, bool) and old.get(name) != part:
                found[name] = self._id(_LINKS[name], part, target, here, notes)
            else:
                found[name] = self._linked(part, old.get(name), target, here, notes)
        return found

    def _id(self, kind: str, word: str | int, target: Target, at: str, notes: list[str]) -> str | int:
        text = str(word)
        planned = {it.target.id: it for it in self.edits.values() if it.target.kind == kind}
        there = {*self.configuration.all(kind), *planned}
        gone = {id for id, it in planned.items() if it.after is None}
        if text in there and text not in gone:
            return word
        names = {id: _name(it.value) for id, it in self.configuration.all(kind).items()}
        names |= {id: _name(it.after) for id, it in planned.items()}
        ids = sorted(id for id, name in names.items() if name == text and id not in gone)
        if len(ids) == 1:
            notes.append(f"{at.partition('.')[2]}: {text} is {kind}/{ids[0]}")
            return ids[0]
        title = KINDS[kind].plural.replace("_", " ")
        if ids:
            fix = f"say which: {listed(ids)}"
            self.problems.append(Problem(target, at, f"{len(ids)} {title} are named {text}", word, fix))
        elif text in gone:
            fix = "refer to another one, or keep it"
            self.problems.append(Problem(target, at, f"{kind}/{text} is deleted by this plan", word, fix))
        else:
            fix = instead(text, [*(id for id in there if id not in gone), *filter(None, names.values())])
            self.problems.append(Problem(target, at, f"there is no {kind}/{text}", word, fix))
        return word


_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}")
_FORMS: Final = {"credentials": "jack/credentials/laptop", "secrets": "vault/main"}
"""The ids that have more than one segment."""


def _check_id(target: Target) -> None:
    """Raises _Refused for an id that would lead elsewhere in the Admin API, or nowhere."""
    form = _FORMS.get(target.kind, "one")
    parts = target.id.split("/")
    right = len(parts) == form.count("/") + 1 and all(map(_SEGMENT.fullmatch, parts))
    if not right or (target.kind == "credentials" and parts[1] != "credentials"):
        fix = (
            f'write it like "{form}"'
            if target.kind in _FORMS
            else "letters, digits, '_', '-' and '.' are allowed"
        )
        raise _Refused("this is no id", fix, _path(target), target.id)
    if target.kind == "secrets" and parts[0] not in SECRET_MANAGERS:
        raise _Refused(
            f"there is no secret manager {parts[0]}", instead(parts[0], SECRET_MANAGERS), _path(target)
        )


def _path(target: Target) -> str:
    return f"{target.kind}/{target.id}"


def _name(value: Mapping[str, JSON] | None) -> str:
    return str((value or {}).get("name") or (value or {}).get("username") or "")


def _plain(value: Mapping[str, JSON]) -> dict[str, JSON]:
    return copy.deepcopy(dict(value))


def _clean(value: Mapping[str, JSON]) -> dict[str, JSON]:
    return {
        name: copy.deepcopy(part) for name, part in value.items() if name not in ("id", *_SET_BY_THE_GATEWAY)
    }


def _marked(value: JSON) -> bool:
    return "[redacted" in str(value)


def _merged(base: Mapping[str, JSON], patch: Mapping[str, JSON]) -> dict[str, JSON]:
    """RFC 7396."""
    result = dict(base)
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        elif isinstance(part, Mapping):
            old = result.get(name)
            result[name] = _merged(old if isinstance(old, Mapping) else {}, part)
        else:
            result[name] = part
    return result


def _filled(target: Target, value: dict[str, JSON], notes: list[str]) -> dict[str, JSON]:
    """Nodes in short ("host:port") are written out, the consumer's name is its id."""
    if target.kind == "upstreams":
        return _with_nodes(value, "", notes)
    if isinstance(value.get("upstream"), str):
        value = value | {"upstream": {"nodes": value["upstream"]}}
    if isinstance(value.get("upstream"), dict):
        value = value | {"upstream": _with_nodes(value["upstream"], "upstream.", notes)}
    if target.kind == "consumers" and "username" not in value:
        value = {"username": target.id, **value}
    return value


def _with_nodes(upstream: dict[str, JSON], at: str, notes: list[str]) -> dict[str, JSON]:
    nodes = upstream.get("nodes")
    texts = [nodes] if isinstance(nodes, str) else nodes
    if not isinstance(texts, list) or not texts or not all(isinstance(it, str) for it in texts):
        return upstream
    port = 443 if upstream.get("scheme") in ("https", "grpcs") else 80
    whole = [text if re.search(r":\d+$", text) else f"{text}:{port}" for text in texts]
    notes.append(f"{at}nodes: {', '.join(whole)} with weight 1 each")
    return upstream | {"nodes": dict.fromkeys(whole, 1)}


def _first(value: Mapping[str, JSON], *fields: str) -> str:
    for name in fields:
        part = value.get(name)
        if isinstance(part, list) and part:
            return str(part[0])
        if part and not isinstance(part, list | dict):
            return str(part)
    return ""


def _name_from_path(value: Mapping[str, JSON]) -> str:
    return slug(_first(value, "uri", "uris").replace(":", ""))


def _source(kind: str, value: Mapping[str, JSON]) -> str:
    if value.get("name"):
        return "its name"
    return {"ssls": "its name (SNI)", "global_rules": "its plugins"}.get(
        kind, "its path" if kind == "routes" else "what it holds"
    )


def _id_for(kind: str, value: Mapping[str, JSON]) -> str:
    """Raises _Refused when nothing in the value makes an id."""
    text = _first(value, "name")
    if not text and kind == "routes":
        text = _first(value, "host", "hosts") + " " + _first(value, "uri", "uris").replace(":", "")
    elif not text and kind == "ssls":
        text = _first(value, "sni", "snis")
    elif not text and kind == "upstreams":
        nodes = value.get("nodes")
        listed_nodes = list(nodes) if isinstance(nodes, dict | list) else [nodes or ""]
        node = listed_nodes[0] if listed_nodes else ""
        text = str(node.get("host", "")) if isinstance(node, dict) else str(node)
    elif not text and kind in ("global_rules", "plugin_configs", "consumer_groups"):
        plugins = value.get("plugins")
        text = " ".join(plugins) if isinstance(plugins, dict) else ""
    elif not text and kind == "stream_routes":
        text = f"port-{value['server_port']}" if "server_port" in value else ""
    id = slug(text)
    if id and kind not in ("plugin_metadata", "secrets", "credentials"):
        return id
    examples = {
        "plugin_metadata": "the plugin's name",
        "secrets": 'like "vault/main"',
        "credentials": 'like "jack/credentials/laptop"',
    }
    raise _Refused(
        f"a new one of {kind} needs an id", f"give it: {examples.get(kind, 'a word of your own, or a name')}"
    )
