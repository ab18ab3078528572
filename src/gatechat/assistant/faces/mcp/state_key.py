"""The key that seals what a client keeps for us between two requests."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

KEY_FILE: Final = "mcp-state-key"
_BYTES: Final = 32


def state_key(data_dir: Path | None) -> bytes:
    """Made at the first call and readable by its owner alone. Without a folder it lasts as long as the
    process.

    Raises OSError when the folder cannot be written, ValueError when the file holds no key.
    """
    if data_dir is None:
        return secrets.token_bytes(_BYTES)
    file = data_dir / KEY_FILE
    if not file.exists():
        _make(file)
    key = bytes.fromhex(file.read_text(encoding="ascii"))
    if len(key) != _BYTES:
        raise ValueError(f"{file} is no key of {_BYTES} bytes; delete it, and the next start makes a new one")
    return key


def _make(file: Path) -> None:
    descriptor, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{KEY_FILE}.")  # for its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_hex(_BYTES))
    try:
        os.link(fresh, file)  # fails when another start was faster: then that key counts
    except FileExistsError:
        return
    finally:
        os.unlink(fresh)
