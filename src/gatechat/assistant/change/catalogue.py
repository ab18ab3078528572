"""Which plugins and kinds a gateway has and what they take, asked of the gateway and kept for a while."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gatechat.apisix.kinds import KINDS, PREFIX
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.problem import Problem

Schema = Mapping[str, Any]

KEPT_SECONDS: Final = 60.0


class Sends(Protocol):
    """What is needed of AdminClient."""

    async def send(
        self, method: str, target: bytes, headers: dict[str, str], body: bytes = b""
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Plugin:
    """``schema`` is for routes and the like; ``consumer`` and ``metadata`` are None where there is none."""

    name: str
    schema: Schema = field(default_factory=dict)
    consumer: Schema | None = None
    metadata: Schema | None = None
    signs_in: bool = False
    """Whether the gateway says that it authenticates consumers."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``kinds`` by the plural; a kind whose schema the gateway does not tell is missing.

    ``attributes`` is what the gateway answered about its HTTP plugins, for redact.encrypted_fields.
    """

    plugins: Mapping[str, Plugin]
    stream_plugins: Mapping[str, Plugin]
    kinds: Mapping[str, Schema]
    attributes: Mapping[str, Any]

    def of(self, kind: str) -> Mapping[str, Plugin]:
        """The plugins that a resource of this kind may have."""
        return self.stream_plugins if kind == "stream_routes" else self.plugins


class Catalogues:
    """Asks a gateway. Raises Problem when it cannot be reached."""

    def __init__(self, admin: Sends) -> None:
        self._admin = admin
        self._kept: tuple[float, Catalogue] | None = None

    async def get(self) -> Catalogue:
        if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
            self._kept = (time.monotonic(), await self._ask())
        return self._kept[1]

    async def _ask(self) -> Catalogue:
        attributes = await self._json("plugins?all=true")
        stream = await self._json("plugins?all=true&subsystem=stream")
        if not isinstance(attributes, dict):
            raise Problem(502, "the Admin API does not tell its plugins (GET /apisix/admin/plugins?all=true)")
        kinds: dict[str, Schema] = {}
        for kind in KINDS.values():
            schema = await self._json(f"schema/{kind.schema}") if kind.schema else None
            if isinstance(schema, dict):
                kinds[kind.plural] = schema
        return Catalogue(_plugins(attributes), _plugins(stream), kinds, attributes)

    async def _json(self, path: str) -> Any:
        """The body of a good answer; None when an older gateway has no such thing."""
        answer = await self._admin.send("GET", f"{PREFIX}/{path}".encode(), {"accept": "application/json"})
        if answer.status in (401, 403):
            raise Problem(
                502, "the Admin API refuses the admin key: give the assistant the right one (--admin-key)"
            )
        try:
            return json.loads(answer.body) if answer.status == 200 else None
        except ValueError:
            return None


def _plugins(attributes: Any) -> dict[str, Plugin]:
    found = attributes.items() if isinstance(attributes, dict) else ()
    return {
        name: Plugin(
            name,
            _schema(of.get("schema")) or {},
            _schema(of.get("consumer_schema")),
            _schema(of.get("metadata_schema")),
            of.get("type") == "auth",
        )
        for name, of in found
        if isinstance(of, dict)
    }


def _schema(value: Any) -> Schema | None:
    return value if isinstance(value, dict) else None
