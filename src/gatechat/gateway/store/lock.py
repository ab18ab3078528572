"""One process owns a data folder at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class AlreadyOwned(Exception):
    """Another process owns the folder; ``owner`` is its process id as it wrote it, or ``?``."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class FolderLock:
    """An advisory lock on ``path``. The kernel drops it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 32).decode(errors="replace").strip() or "?"
            os.close(self._file)
            raise AlreadyOwned(owner) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        os.close(self._file)
