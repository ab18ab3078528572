from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatechat.assistant.key_file import key_in


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "a-key"
    with ThreadPoolExecutor(8) as threads:
        (key,) = set(threads.map(key_in, [file] * 32))
    assert len(key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [it.name for it in file.parent.iterdir()] == ["a-key"]


@pytest.mark.parametrize("held", ["", "00", "no key " * 12, "00" * 33])
def test_a_file_that_holds_no_key_is_left_alone(tmp_path: Path, held: str) -> None:
    (tmp_path / "a-key").write_text(held)
    with pytest.raises(OSError, match="is damaged"):
        key_in(tmp_path / "a-key")
    assert (tmp_path / "a-key").read_text() == held
