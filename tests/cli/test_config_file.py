"""Settings files: which are read, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatechat.cli import config_file
from gatechat.cli.errors import CliError

KNOWN = ("port", "proxy_port", "data_dir", "allow_admin")
LISTS = ("allow_admin",)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_file_that_is_named_is_the_only_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "gatechat.toml", "port = 1\nproxy_port = 1\n")
    assert config_file.load(write(tmp_path / "mine.toml", "port = 2"), KNOWN, LISTS) == {"port": 2}


def test_the_current_folders_file_wins_over_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    platforms, here = config_file.default_files()
    monkeypatch.chdir(tmp_path)
    write(platforms, "port = 1\nproxy_port = 1\n")
    write(here, "port = 2\n")
    assert config_file.load(None, KNOWN, LISTS) == {"port": 2, "proxy_port": 1}


def test_without_any_file_there_are_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert config_file.load(None, KNOWN, LISTS) == {}


def test_several_values_may_be_a_list(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.toml", 'allow_admin = ["127.0.0.1", "::1"]')
    assert config_file.load(file, KNOWN, LISTS) == {"allow_admin": "127.0.0.1,::1"}


WRONG = [
    ("no TOML", "port = ", "is no TOML"),
    ("no text", b"\xff\xfe", "is no TOML"),
    ("a name with a slip in it", "prot = 1", "there is no setting prot; did you mean port?"),
    ("a flag's name", "proxy-port = 1", "there is no setting proxy-port; did you mean proxy_port?"),
    (
        "a strange name",
        "colour = 1",
        "there is no setting colour; there are: allow_admin, data_dir, port, proxy_port",
    ),
    ("a table", "[port]\nnumber = 1", "port must be one value"),
    ("a list of numbers for names", "allow_admin = [1]", "allow_admin must be a list of strings"),
    ("a list", "port = [1]", "port must be one value"),
]


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CliError) as caught:
        config_file.load(path, KNOWN, LISTS)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No such file"):
        config_file.load(tmp_path / "none.toml", KNOWN, LISTS)
