"""What of the ledger holds secrets, encrypted: AES-256-GCM, with a key that lies beside the database.

A copy of the database (a backup, a file sent with a report) tells no secret without the key's file. Whoever
can read both is the gateway's owner.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatechat.assistant.key_file import key_in

KEY_FILE: Final = "ledger-key"
_NONCE_BYTES: Final = 12
"""RFC 5116, section 5.2."""


class Altered(ValueError):
    """What was put away is not what is there now, or another key closed it."""


class Safe:
    """``about`` says where a text belongs ("entry 7"): it opens nowhere else."""

    def __init__(self, folder: Path) -> None:
        self._cipher = AESGCM(key_in(folder / KEY_FILE))

    def close(self, text: str, about: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())

    def open(self, closed: bytes, about: str) -> str:
        """Raises Altered."""
        try:
            nonce, sealed = closed[:_NONCE_BYTES], closed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, sealed, about.encode()).decode()
        except (InvalidTag, TypeError, ValueError) as error:
            raise Altered(f"{about} was altered, or closed with another {KEY_FILE}") from error
