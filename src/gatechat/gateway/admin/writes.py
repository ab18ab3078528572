"""PUT, POST, PATCH and DELETE: each is a plan, computed from the State at the moment of writing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gatechat.apisix.bodies import DEEPEST, MISSING, is_deep
from gatechat.apisix.kinds import Kind
from gatechat.gateway.admin.answers import KeyNotFound
from gatechat.gateway.admin.checks import check, check_unused
from gatechat.gateway.model import JSON, Delete, Edit, Put, Refused, Resource, State

_TIMES: Final = ("create_time", "update_time")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path below a kind names.

    ``id`` is the last part of Resource.id, ``parent`` what is before it ("jack/credentials/" or "vault/");
    ``sub_path`` is the place inside the resource that PATCH changes.
    """

    kind: Kind
    id: str | None
    parent: str = ""
    sub_path: tuple[str, ...] = ()

    def resource_id(self, id: JSON = None) -> str:
        return f"{self.parent}{self.id if id is None else id}"

    def find(self, state: State) -> Resource:
        found = state.get(self.kind.plural, self.resource_id())
        if found is None:
            raise KeyNotFound
        return found


@dataclass(slots=True)
class Writer:
    """Makes the edits of one request. ``now`` gives Unix seconds."""

    now: Callable[[], float]

    def put(self, target: Target, body: JSON, ttl: float | None, state: State) -> Put:
        conf = _new_configuration(body)
        kind = target.kind
        id = target.id
        if kind.identity == "id":
            id = target.id if target.id is not None else conf.get("id")
            if id is None:
                raise Refused(f"missing {kind.title} id")
            if "id" in conf and str(conf["id"]) != str(id):
                raise Refused(f"wrong {kind.title} id")
            conf["id"] = target.parent + id if kind.plural == "secrets" else id
        _refuse_times(conf)
        checked_id = target.resource_id(id) if id is not None else None
        check(kind, checked_id, conf, state)
        if kind.identity == "username":
            if target.id is not None and target.id != conf["username"]:
                raise Refused("wrong username")
            id = conf["username"]
        elif kind.identity == "path":
            conf["id"] = id
        if kind.plural == "credentials" and state.get("consumers", target.parent.partition("/")[0]) is None:
            raise Refused("consumer not found", 404)
        resource_id = target.resource_id(id)
        if kind.times:
            old = state.get(kind.plural, resource_id)
            self._stamp(conf, old.value if old else {})
        return Put(kind.plural, resource_id, conf, ttl)

    def post(self, target: Target, body: JSON, ttl: float | None, state: State) -> Put:
        conf = _new_configuration(body)
        if target.id is not None or "id" in conf:
            raise Refused(f"wrong {target.kind.title} id, do not need it")
        _refuse_times(conf)
        check(target.kind, None, conf, state)
        id = _new_id(target.kind, state)
        self._stamp(conf, {})
        return Put(target.kind.plural, id, {**conf, "id": id}, ttl)

    def patch(self, target: Target, body: JSON, ttl: float | None, state: State) -> Put:
        kind = target.kind
        if target.id is None:
            raise Refused("no secret id" if kind.plural == "secrets" else f"missing {kind.title} id")
        if body is MISSING:
            raise Refused("missing new configuration")
        if not target.sub_path and not isinstance(body, dict):
            raise Refused("invalid configuration")
        old = target.find(state)
        conf = copy.deepcopy(old.value)
        if target.sub_path:
            _set_at(conf, target.sub_path, body)
        else:
            merge(conf, body)
        if str(conf.get("id", target.id)) != target.id:
            raise Refused(f"wrong {kind.title} id")
        conf["id"] = target.id
        if is_deep(conf):
            raise Refused(f"the resource would have more than {DEEPEST} levels")
        check(kind, old.id, conf, state)
        gives_update_time = not target.sub_path and body.get("update_time") is not None
        self._stamp(conf, conf, keep_update_time=gives_update_time)
        return Put(kind.plural, old.id, conf, ttl)

    def delete(self, target: Target, force: bool, state: State) -> Sequence[Edit]:
        if target.id is None:
            raise Refused(f"missing {target.kind.title} id")
        id = target.resource_id()
        if not force:
            check_unused(target.kind, id, state)
        target.find(state)
        owned: list[Edit] = []
        if target.kind.plural == "consumers":
            owned = [Delete("credentials", it) for it in state.all("credentials") if it.startswith(f"{id}/")]
        return [*owned, Delete(target.kind.plural, id)]

    def _stamp(
        self, conf: dict[str, JSON], old: Mapping[str, JSON], *, keep_update_time: bool = False
    ) -> None:
        now = int(self.now())
        conf["create_time"] = old.get("create_time", now)
        if not keep_update_time:
            conf["update_time"] = now


def merge(conf: dict[str, JSON], patch: Mapping[str, JSON]) -> None:
    """Change ``conf`` as APISIX's PATCH does: objects are merged, null deletes, all else replaces.

    An empty object replaces and is replaced too: in Lua it cannot be told from an empty array.
    """
    for name, value in patch.items():
        old = conf.get(name)
        if value is None:
            conf.pop(name, None)
        elif value and old and isinstance(value, dict) and isinstance(old, dict):
            merge(old, value)
        else:
            conf[name] = value


def _set_at(conf: dict[str, JSON], path: Sequence[str], value: JSON) -> None:
    place: JSON = conf
    for depth, name in enumerate(path[:-1], start=1):
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise Refused(f"invalid sub-path: /{'/'.join(path[:depth])}")
    place[path[-1]] = value


def _new_configuration(body: JSON) -> dict[str, JSON]:
    if body is MISSING:
        raise Refused("missing configurations")
    if not isinstance(body, dict):
        raise Refused("invalid configuration: wrong type: expected object")
    return dict(body)


def _refuse_times(conf: Mapping[str, JSON]) -> None:
    """Times are ours to set; a plugin cannot be named like one either."""
    for prefix, place in (("", conf), ("upstream.", conf.get("upstream")), ("plugins.", conf.get("plugins"))):
        for name in _TIMES:
            if isinstance(place, dict) and name in place:
                raise Refused(f"the property is forbidden:  {prefix}{name}")


def _new_id(kind: Kind, state: State) -> str:
    """Twenty digits, counted like APISIX's from the revision."""
    number = state.revision + 1
    while state.get(kind.plural, f"{number:020d}") is not None:
        number += 1
    return f"{number:020d}"
