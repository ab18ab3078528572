"""The one folder where gatechat keeps what it must not lose, and the admin key in it."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from gatechat.cli.errors import CliError

KEY_FILE = "admin-key"


def default_data_dir() -> Path:
    return platformdirs.user_data_path("gatechat", appauthor=False)


def prepare(data_dir: Path) -> Path:
    """Makes the folder, for its owner alone, where it is missing. Raises CliError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CliError(
            f"The data folder {data_dir} cannot be made: {error.strerror}. Name another with --data-dir."
        ) from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise CliError(
            f"The data folder {data_dir} cannot be written by this user. "
            f"Make it yours (chown -R $(id -un) {data_dir}), or name another with --data-dir."
        )
    return data_dir


def read_admin_key(data_dir: Path) -> str | None:
    """The embedded gateway's admin key, or None before its first start. Raises CliError."""
    file = data_dir / KEY_FILE
    try:
        key = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"The admin key {file} cannot be read: {error}") from error
    if not key:
        raise CliError(f"The admin key {file} is empty; delete the file, and the next start makes a new key.")
    return key


def admin_key(data_dir: Path) -> str:
    """The embedded gateway's admin key, made at the first call and readable by its owner alone."""
    key = read_admin_key(prepare(data_dir))
    if key is not None:
        return key
    key = secrets.token_urlsafe(32)
    file = data_dir / KEY_FILE
    descriptor, fresh = tempfile.mkstemp(dir=data_dir, prefix=f".{KEY_FILE}.")  # for its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(key + "\n")
        out.flush()
        os.fsync(descriptor)
    try:
        os.link(fresh, file)  # unlike a rename it fails when another start was faster: then that key counts
    except FileExistsError:
        return admin_key(data_dir)
    finally:
        os.unlink(fresh)
    return key


def key_for(admin_url: str, given: str | None, data_dir: Path) -> str | None:
    """The key for an Admin API: the given one; else, when it is on this machine, the embedded gateway's."""
    if given is not None:
        return given
    host = urlsplit(admin_url).hostname
    return read_admin_key(data_dir) if host in ("127.0.0.1", "localhost", "::1") else None
