"""The data folder and the admin key in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatechat.cli import data_dir
from gatechat.cli.errors import CliError


def test_the_folder_and_the_key_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    key = data_dir.admin_key(folder)
    assert len(key) >= 32
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / data_dir.KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [data_dir.KEY_FILE]


def test_the_key_stays_the_same(tmp_path: Path) -> None:
    assert data_dir.admin_key(tmp_path) == data_dir.admin_key(tmp_path) == data_dir.read_admin_key(tmp_path)


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert data_dir.admin_key(tmp_path / "a") != data_dir.admin_key(tmp_path / "b")


def test_of_many_first_starts_at_once_one_makes_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(data_dir.admin_key, [tmp_path] * 32))) == 1


def test_an_empty_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / data_dir.KEY_FILE).touch()
    with pytest.raises(CliError, match="is empty; delete the file"):
        data_dir.admin_key(tmp_path)


def test_a_folder_that_cannot_be_made_is_named_with_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match=r"file/data cannot be made: .* --data-dir"):
        data_dir.admin_key(tmp_path / "file" / "data")


KEYS = [
    ("the given key is sent", "http://127.0.0.1:9180", "given", "given"),
    ("this machine is sent the embedded gateway's", "http://localhost:9180", None, "embedded"),
    ("this machine is sent it over IPv6 too", "http://[::1]:9180", None, "embedded"),
    ("another machine is not", "http://apisix.example:9180", None, None),
    ("a name that only looks like this machine is not", "http://localhost.example:9180", None, None),
]


@pytest.mark.parametrize(("url", "given", "sent"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_which_key_is_sent(tmp_path: Path, url: str, given: str | None, sent: str | None) -> None:
    (tmp_path / data_dir.KEY_FILE).write_text("embedded\n")
    assert data_dir.key_for(url, given, tmp_path) == sent
