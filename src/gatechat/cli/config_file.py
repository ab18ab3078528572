"""Settings from TOML: a table of the same names as the flags, below flags and environment.

data_dir = "/srv/gatechat"
proxy_port = 8080
allow_admin = ["127.0.0.1", "10.0.0.0/8"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs

from gatechat.cli.errors import CliError


def default_files() -> tuple[Path, Path]:
    """Where settings are looked for without --config; the second wins over the first."""
    return platformdirs.user_config_path("gatechat", appauthor=False) / "gatechat.toml", Path("gatechat.toml")


def load(path: Path | None, known: Collection[str], lists: Collection[str]) -> dict[str, Any]:
    """The settings of one file, or of those default files that are there, as flags would give them.

    ``known`` are all settings' names, ``lists`` those that take several values, which flags join by commas.
    Raises CliError for a file that is not there or is no TOML, for an unknown name, and for a table or a list
    where one value belongs.
    """
    if path is not None:
        return _read(path, known, lists)
    settings: dict[str, Any] = {}
    for file in default_files():
        if file.is_file():
            settings |= _read(file, known, lists)
    return settings


def _read(path: Path, known: Collection[str], lists: Collection[str]) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CliError(f"{path} is no TOML: {error}") from error
    for name, value in settings.items():
        if name not in known:
            near = get_close_matches(name.replace("-", "_"), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
            raise CliError(f"{path}: there is no setting {name}; {hint}")
        if name in lists and isinstance(value, list) and all(isinstance(part, str) for part in value):
            settings[name] = ",".join(value)
        elif isinstance(value, dict | list):
            wanted = "a list of strings" if name in lists else "one value"
            raise CliError(f"{path}: {name} must be {wanted}")
    return settings
