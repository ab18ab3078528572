"""Everything an Admin API holds, read once and never changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from gatechat.apisix.kinds import KINDS, PREFIX
from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.text import line

JSON: TypeAlias = Any

_SET_BY_THE_GATEWAY: Final = ("id", "create_time", "update_time")
_AT_ONCE: Final = 8
"""Requests under way at the same time."""
_NONE: Final[Mapping[str, Item]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Item:
    """One resource. ``value`` is without id and times; ``modified_index`` changes with each write,
    ``created_index`` never.
    """

    value: Mapping[str, JSON]
    modified_index: int
    created_index: int = 0

    @property
    def name(self) -> str:
        return str(self.value.get("name") or self.value.get("username") or "")


@dataclass(frozen=True, eq=False)
class Configuration:
    """kind -> id -> Item, ids as in gatechat.apisix.kinds. Two readings are never equal: compare items.

    ``absent`` are the kinds that the gateway does not have, ``server`` is what it calls itself
    ("APISIX/3.18.0"), ``embedded`` says that it is gatechat's own, ``read_at`` is when it was first
    read so, in Unix seconds.
    """

    kinds: Mapping[str, Mapping[str, Item]]
    absent: frozenset[str] = frozenset()
    server: str = ""
    embedded: bool = False
    read_at: float = 0.0

    def all(self, kind: str) -> Mapping[str, Item]:
        return self.kinds.get(kind, _NONE)

    def get(self, kind: str, id: str) -> Item | None:
        return self.all(kind).get(id)

    def __iter__(self) -> Iterator[tuple[str, str, Item]]:
        return ((kind, id, item) for kind, items in self.kinds.items() for id, item in items.items())

    def resolve(self, kind: str, word: str) -> str:
        """The id that ``word`` means: an id, or a name that only one resource has.

        Raises Problem: 404 with the nearest names, 409 with the candidates when several have the name.
        """
        items = self.all(kind)
        if word in items:
            return word
        named = sorted(id for id, item in items.items() if item.name == word)
        if len(named) == 1:
            return named[0]
        if named:
            raise Problem(409, f"{len(named)} {kind} are named {word!r}; say which id: {_few(named)}")
        known = {*items, *(item.name for item in items.values() if item.name)}
        near = get_close_matches(word, sorted(known), n=3, cutoff=0.6)
        hint = f"Did you mean {_few(near)}?" if near else _there_are(kind, items)
        raise Problem(404, f"{kind}: there is none with the id or name {word!r}. {hint}")


def _there_are(kind: str, items: Mapping[str, Item]) -> str:
    if not items:
        return f"There are no {kind} at all."
    return f"There are {len(items)}: {_few(sorted(items))}"


def _few(words: list[str]) -> str:
    """Names are others' text: short and clean."""
    shown = ", ".join(line(word, 60) for word in words[:10])
    return shown if len(words) <= 10 else f"{shown}, … ({len(words)} in all)"


@dataclass(slots=True)
class Memory:
    """What was read last, by path: what the Admin API answers in the same bytes is not taken apart again.

    ``credentials`` are those of each consumer, read at ``credentials_at`` by the monotonic clock.
    """

    lists: dict[str, tuple[bytes, dict[str, Item]]] = field(default_factory=dict)
    credentials: dict[str, dict[str, Item]] = field(default_factory=dict)
    credentials_at: float = float("-inf")
    last: Configuration | None = None


async def load(admin: AdminClient, memory: Memory | None = None, credentials_age: float = 0) -> Configuration:
    """Everything. Credentials, which take a request for each consumer, may be ``credentials_age`` seconds
    old.

    Kinds that an older gateway has not are ``absent`` and empty (APISIX 3.3 to 3.18).

    Each kind is one unpaged answer, so that no resource is missed or seen twice when others write meanwhile;
    the kinds are read one beside the other, not at one instant. Raises Problem when something cannot be read.
    """
    return await _Reading(admin, memory or Memory(), credentials_age).all()


class _Reading:
    def __init__(self, admin: AdminClient, memory: Memory, credentials_age: float) -> None:
        self._admin = admin
        self._old = memory
        self._credentials_age = credentials_age
        self._lists: dict[str, tuple[bytes, dict[str, Item]]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._absent: set[str] = set()
        self._headers: Mapping[str, str] = {}

    async def all(self) -> Configuration:
        listed = [kind for kind in KINDS if kind != "credentials"]
        async with asyncio.TaskGroup() as group:
            tasks = {kind: group.create_task(self._list(kind)) for kind in listed}
        kinds = {kind: task.result() for kind, task in tasks.items()}
        kinds["credentials"] = await self._credentials(list(kinds["consumers"]))
        kinds["plugin_metadata"] = await self._metadata(kinds["plugin_metadata"])
        unchanged = self._unchanged(kinds)
        self._old.lists = self._lists
        if unchanged is None:
            self._old.last = Configuration(
                MappingProxyType({kind: MappingProxyType(kinds[kind]) for kind in KINDS}),
                frozenset(self._absent),
                self._headers.get("server", ""),
                "x-gatechat-version" in self._headers,
                time.time(),
            )
            return self._old.last
        return unchanged

    def _unchanged(self, kinds: Mapping[str, dict[str, Item]]) -> Configuration | None:
        """The last configuration if nothing is new: what was worked out from it stays known."""
        last = self._old.last
        if last is None or last.absent != self._absent or last.server != self._headers.get("server", ""):
            return None
        one_by_one = ("credentials", "plugin_metadata")
        if any(self._old.lists.get(path) is not parsed for path, parsed in self._lists.items()):
            return None
        return last if all(last.all(kind) == kinds[kind] for kind in one_by_one) else None

    async def _ask(self, path: str) -> Answer:
        async with self._slots:
            answer = await self._admin.send("GET", f"{PREFIX}/{path}".encode(), {})
        self._headers = answer.headers
        return answer

    async def _list(self, kind: str) -> dict[str, Item]:
        answer = await self._ask(kind)
        if answer.status in (400, 404):
            self._absent.add(kind)
            return {}
        return self._items(kind, answer, f"/{kind}/")

    def _items(self, path: str, answer: Answer, prefix: str) -> dict[str, Item]:
        old = self._old.lists.get(path)
        if old is None or old[0] != answer.body:
            body = read_object(answer, path)
            rows = body.get("list") or []  # Lua writes an empty list as {}
            known = old[1] if old is not None else {}
            found = {row["key"].partition(prefix)[2]: _item(row) for row in rows}
            same = {id: known[id] for id, item in found.items() if known.get(id) == item}
            old = (answer.body, dict(sorted((found | same).items())))
        self._lists[path] = old
        return old[1]

    async def _credentials(self, usernames: list[str]) -> dict[str, Item]:
        """Of each consumer, the first by itself: it shows whether there are credentials at all."""
        now, memory = time.monotonic(), self._old
        if now - memory.credentials_at > self._credentials_age:
            memory.credentials, memory.credentials_at = {}, now
        known = {name: memory.credentials[name] for name in usernames if name in memory.credentials}
        asked = [name for name in usernames if name not in known]
        for name in asked[:1]:
            known[name] = await self._credentials_of(name)
        if "credentials" in self._absent:
            return {}
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._credentials_of(name)) for name in asked[1:]}
        memory.credentials = known | {name: task.result() for name, task in tasks.items()}
        found = (pair for items in memory.credentials.values() for pair in items.items())
        return dict(sorted(found, key=lambda pair: pair[0]))

    async def _credentials_of(self, username: str) -> dict[str, Item]:
        """A consumer without any is answered with 404."""
        answer = await self._ask(f"consumers/{quote(username, safe='')}/credentials")
        if answer.status == 404:
            return {}
        body = read_object(answer, f"consumers/{username}/credentials")
        if "list" not in body:
            self._absent.add("credentials")  # before 3.11: what comes after the username is not looked at
        rows = body.get("list") or []
        return {row["key"].partition("/consumers/")[2]: _item(row) for row in rows}

    async def _metadata(self, listed: dict[str, Item]) -> dict[str, Item]:
        """Each by itself: APISIX decrypts their secrets when asked for one, not in the list."""
        found = {}
        for name in listed:
            answer = await self._ask(f"plugin_metadata/{quote(name, safe='')}")
            if answer.status != 404:  # deleted since it was listed
                found[name] = _item(read_object(answer, f"plugin_metadata/{name}"))
        return found


def _item(row: Mapping[str, JSON]) -> Item:
    value = row["value"]
    return Item(
        {name: part for name, part in value.items() if name not in _SET_BY_THE_GATEWAY},
        int(row.get("modifiedIndex", 0)),
        int(row.get("createdIndex", 0)),
    )


def read_object(answer: Answer, path: str) -> dict[str, JSON]:
    """The JSON object of a good answer. Raises Problem for any other."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if answer.status == 200 and isinstance(body, dict):
        return body
    said = body.get("error_msg") or body.get("message") if isinstance(body, dict) else None
    words = said or answer.body[:200].decode(errors="replace")
    if answer.status in (401, 403):
        raise Problem(502, f"the Admin API refuses the admin key ({answer.status} {words}): see --admin-key")
    raise Problem(502, f"{path} cannot be read from the Admin API: {answer.status} {words}")
