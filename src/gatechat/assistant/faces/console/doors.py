"""How a person gets in where a model must not: a key in the data folder, a link with a one-time code, a
cookie.

The key never leaves its file. Whoever can read the file (the gateway's owner, in a terminal) can have a
link made; the code in it lets one browser in, once. No answer to a model carries any of the three.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gatechat.assistant.key_file import key_in

KEY_FILE: Final = "approver-key"
LINK_SECONDS: Final = 24 * 3600.0
"""How long a link waits to be opened."""
VISIT_SECONDS: Final = 12 * 3600.0
"""How long a browser is let in."""


def approver_key(data_dir: Path) -> bytes:
    """The key, made at the first call and readable by its owner alone. Raises what key_in does."""
    return key_in(data_dir / KEY_FILE)


class Doors:
    """``use_once``: whether a code, which lapses at a Unix time, was not used before (over all processes)."""

    def __init__(
        self, key: bytes, use_once: Callable[[str, float], bool], now: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._use_once = use_once
        self._now = now

    def code(self) -> str:
        """For one link."""
        return self._sealed("link", LINK_SECONDS)

    def enter(self, code: str) -> str | None:
        """The cookie for who comes with a code that is ours, has not lapsed and was not used; else None."""
        until = self._until("link", code)
        if until is None or not self._use_once(code.split(".")[1], until):
            return None
        return self._sealed("visit", VISIT_SECONDS)

    def knows(self, cookie: str) -> bool:
        """Whether a cookie is ours and has not lapsed."""
        return self._until("visit", cookie) is not None

    def form_token(self, cookie: str, plan: str) -> str:
        """What a form of ours carries, for this visitor and this plan: pages of others cannot know it."""
        return self._sign("form", f"{cookie}/{plan}")

    def _sealed(self, purpose: str, seconds: float) -> str:
        text = f"{int(self._now() + seconds)}.{secrets.token_hex(16)}"
        return f"{text}.{self._sign(purpose, text)}"

    def _until(self, purpose: str, sealed: str) -> float | None:
        text, _, signature = sealed.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(purpose, text).encode()):
            return None
        until = float(text.partition(".")[0])
        return until if until > self._now() else None

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"{purpose}:{text}".encode(), "sha256").hex()
