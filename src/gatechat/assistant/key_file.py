"""Keys of the assistant's own, each in a file of the data folder that its owner alone can read."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

BYTES: Final = 32


def key_in(file: Path) -> bytes:
    """The key of ``BYTES`` bytes in ``file``, made at the first call. Processes that make it at once get the
    same.

    Raises OSError when the folder cannot be written or the file holds no key.
    """
    if not file.exists():
        _make(file)
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != BYTES:
        raise OSError(f"{file} is damaged: it holds no key of {BYTES} bytes")
    return key


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # for its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(secrets.token_hex(BYTES))
        out.flush()
        os.fsync(descriptor)
    try:
        os.link(fresh, file)  # fails when another start was faster: then that key counts
    except FileExistsError:
        return
    finally:
        os.unlink(fresh)
