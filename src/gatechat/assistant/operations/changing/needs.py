"""What the changing tools need of the core."""

from __future__ import annotations

from typing import Any, Final, Protocol

from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.view.live import Live

TEXT: Final[dict[str, Any]] = {"type": "string"}


class Needs(Protocol):
    """The core, as far as these tools know it."""

    @property
    def changes(self) -> Changes: ...

    @property
    def live(self) -> Live: ...

    @property
    def redactor(self) -> Redactor: ...
