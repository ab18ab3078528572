"""The contract of a gateway plugin.

A plugin is one Python file in ``plugins/`` (schema, place in the chain, translation, differences, docs) and, beside it
under the same name, the Lua file whose functions Envoy runs for it. It is pure: it is given its configuration, nothing
else, and knows no other plugin.
"""

from __future__ import annotations

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
    """Subclass it once per plugin; the class attributes are data that the Admin API serves and the docs print.

    ``phases`` names the functions that the Lua file has: rewrite, access, header_filter, body_filter.
    ``auth`` marks a plugin that identifies a consumer. ``schema`` is the route side, ``consumer_schema`` the consumer's.
    """

    name: ClassVar[str]
    priority: ClassVar[int]
    version: ClassVar[float] = 0.1
    phases: ClassVar[tuple[str, ...]] = ()
    auth: ClassVar[bool] = False
    schema: ClassVar[Mapping[str, Any]]
    consumer_schema: ClassVar[Mapping[str, Any] | None] = None
    metadata_schema: ClassVar[Mapping[str, Any] | None] = None
    differs: ClassVar[tuple[Difference, ...]] = ()
    docs: ClassVar[str]
    """Markdown: what it is for, an example, the traps."""

    def check(self, conf: Mapping[str, JSON]) -> None:
        """What JSON Schema cannot say. Raises Refused with a text for the person who wrote the configuration."""

    def compile(self, conf: Mapping[str, JSON]) -> JSON:
        """The configuration as the Lua functions get it: defaults filled in, regular expressions compiled."""
        return dict(conf)
