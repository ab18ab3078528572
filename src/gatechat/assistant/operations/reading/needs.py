"""What the reading tools need of the core, and what they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Protocol

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.view.configuration import JSON, Configuration
from gatechat.assistant.view.live import Live

TEXT: Final = {"type": "string"}
COUNT: Final = {"type": "integer"}


class Redacts(Protocol):
    """What is needed of the redactor."""

    def redact(self, kind: str, value: JSON, id: str = "") -> JSON: ...

    def secrets(self, kind: str, value: JSON, id: str = "") -> list[Any]: ...

    def scrub(self, text: str, secrets: Sequence[Any]) -> str: ...


class Allows(Protocol):
    """What is needed of the policy."""

    @property
    def request_methods(self) -> Collection[str]: ...


class Needs(Protocol):
    """The core, as far as the reading tools know it."""

    @property
    def admin(self) -> AdminClient: ...

    @property
    def live(self) -> Live: ...

    @property
    def settings(self) -> AssistantSettings: ...

    @property
    def redactor(self) -> Redacts: ...

    @property
    def policy(self) -> Allows: ...


def scrubbed(core: Needs, configuration: Configuration, words: str, of: Iterable[tuple[str, str]]) -> str:
    """``words`` without the secrets of these resources (kind, id), which conditions may quote."""
    secrets: list[Any] = []
    for kind, id in of:
        item = configuration.get(kind, id)
        if item is not None:
            secrets += core.redactor.secrets(kind, dict(item.value), id)
    return core.redactor.scrub(words, secrets)
