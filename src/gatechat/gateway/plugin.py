"""The contract of a gateway plugin.

A plugin is one Python file in ``plugins/`` (schema, place in the chain, translation, differences, docs)
and, beside it under the same name, the Lua file whose functions Envoy runs for it. It is pure: it is given
its configuration, nothing else, and knows no other plugin. What the Lua functions get and may do stands at
the top of ``lua/runtime.lua``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gatechat.gateway.model import JSON


@dataclass(frozen=True, slots=True)
class Difference:
    """Where we differ from Apache APISIX. ``refused`` means that asking for it is answered with a 400."""

    field: str
    text: str
    refused: bool


class Plugin:
    """Subclass it once per plugin; its attributes are data that the Admin API serves and the docs print.

    ``phases`` names the functions that the Lua file has: rewrite, access, header_filter, body_filter. A
    plugin without phases has no Lua file and is translated to native Envoy configuration.
    ``schema`` is the route side, ``consumer_schema`` the consumer's. ``encrypt_fields`` are the secret ones
    of both.
    ``auth`` marks a plugin that identifies a consumer, ``consumer_key`` the field of its consumer side by
    which one is found. ``prefer_route``: a route's configuration replaces that of a global rule, instead of
    running besides it. ``counts``: it counts for the resource that its configuration belongs to, whose name
    the Lua functions find in ``ctx.step.owner``.
    """

    name: ClassVar[str]
    priority: ClassVar[int]
    version: ClassVar[float] = 0.1
    phases: ClassVar[tuple[str, ...]] = ()
    auth: ClassVar[bool] = False
    consumer_key: ClassVar[str | None] = None
    prefer_route: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    schema: ClassVar[Mapping[str, Any]]
    consumer_schema: ClassVar[Mapping[str, Any] | None] = None
    metadata_schema: ClassVar[Mapping[str, Any] | None] = None
    encrypt_fields: ClassVar[tuple[str, ...]] = ()
    differs: ClassVar[tuple[Difference, ...]] = ()
    docs: ClassVar[str]
    """Markdown: what it is for, an example, the traps."""

    def check(self, conf: Mapping[str, JSON]) -> None:
        """What JSON Schema cannot say. Raises Refused with a text for who wrote the configuration."""

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """The configuration as the Lua functions get it: defaults filled in, regular expressions compiled.

        Names of request variables that the response's functions read go into its field ``_vars``.
        """
        return with_defaults(self.schema, conf)

    def phases_of(self, conf: Mapping[str, JSON]) -> tuple[str, ...]:
        """Those of ``phases`` that do something with this configuration (defaults are not filled in)."""
        return self.phases

    def sets_host(self, conf: Mapping[str, JSON]) -> bool:
        """Whether it chooses the Host that is sent upstream, instead of the upstream's ``pass_host``."""
        return False


def with_defaults(schema: Mapping[str, Any], value: JSON) -> JSON:
    """A copy of ``value`` with the schema's defaults filled in, also in nested objects and arrays."""
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        filled = {name: with_defaults(properties.get(name, {}), item) for name, item in value.items()}
        for name, sub in properties.items():
            if name not in filled and "default" in sub:
                filled[name] = with_defaults(sub, sub["default"])
        return filled
    if isinstance(value, list):
        items = schema.get("items", {})
        return [with_defaults(items if isinstance(items, dict) else {}, item) for item in value]
    return value


_VARIABLE = re.compile(r"(?<!\\)\$(?:\{\s*([^}]+?)\s*\}|([\w.]+))")


def variables(template: str) -> list[str]:
    """The names of the variables in a template such as ``$uri/${arg_a ?? none}``."""
    return [re.split(r"\s*\?\?\s*", braced or plain)[0] for braced, plain in _VARIABLE.findall(template)]
