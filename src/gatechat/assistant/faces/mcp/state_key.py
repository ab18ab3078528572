"""The key that seals what a client keeps for us between two requests."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from gatechat.assistant.key_file import BYTES, key_in

KEY_FILE: Final = "mcp-state-key"


def state_key(data_dir: Path | None) -> bytes:
    """The one in the data folder (see key_in); without a folder it lasts as long as the process."""
    return secrets.token_bytes(BYTES) if data_dir is None else key_in(data_dir / KEY_FILE)
