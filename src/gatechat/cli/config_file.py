"""Settings from TOML: a table of the same names as the flags, below flags and environment.

data_dir = "/srv/gatechat"
proxy_port = 8080
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs

from gatechat.cli.errors import CliError


def default_files() -> tuple[Path, Path]:
    """Where settings are looked for without --config; the second wins over the first."""
    return platformdirs.user_config_path("gatechat", appauthor=False) / "gatechat.toml", Path("gatechat.toml")


def load(path: Path | None, known: Iterable[str]) -> dict[str, Any]:
    """The settings of one file, or of those default files that are there. ``known`` are all settings' names.

    Raises CliError for a file that is not there or is no TOML, for an unknown name and for a table.
    """
    if path is not None:
        return _read(path, known)
    settings: dict[str, Any] = {}
    for file in default_files():
        if file.is_file():
            settings |= _read(file, known)
    return settings


def _read(path: Path, known: Iterable[str]) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CliError(f"{path} is no TOML: {error}") from error
    _check_names(path, settings, sorted(known))
    return settings


def _check_names(path: Path, settings: Mapping[str, Any], known: list[str]) -> None:
    for name, value in settings.items():
        if name not in known:
            near = get_close_matches(name.replace("-", "_"), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise CliError(f"{path}: there is no setting {name}; {hint}")
        if isinstance(value, dict | list):
            raise CliError(
                f"{path}: {name} is one value, not a {'table' if isinstance(value, dict) else 'list'}"
            )
