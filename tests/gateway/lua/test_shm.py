from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.lua.luajit import Lua

NEW = multiprocessing.get_context("spawn")
"""A fork of this process may crash: other tests have left threads of gRPC in it."""


def opened(path: Path, slots: int | None = None) -> Any:
    """A table of Lua functions ``fixed`` and ``sliding`` in a Lua state of its own, as each worker has."""
    return Lua().function(
        "return function(path, slots) local c = assert(use('shm').open(path, slots)) return {"
        "fixed = function(...) return c:fixed(...) end, "
        "sliding = function(...) return c:sliding(...) end} end"
    )(str(path), slots)


def test_a_fixed_window_begins_with_its_first_request(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters")
    assert counters.fixed("k", 1, 60)[:2] == (1, 60)
    used, left = counters.fixed("k", 1, 60)[:2]
    assert used == 2
    assert 59 < left < 60


def test_keys_are_counted_apart(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters")
    assert [counters.fixed(key, 1, 60)[0] for key in ("a", "b", "", "a" * 5000, "a" * 5001)] == [1] * 5


def test_when_the_window_is_over_counting_begins_anew(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters")
    started = time.monotonic()
    counters.fixed("k", 5, 0.05)
    while (used := counters.fixed("k", 1, 0.05)[0]) != 1:
        assert used > 5
        assert time.monotonic() - started < 5
    assert time.monotonic() - started >= 0.05


def test_a_new_lua_state_goes_on_counting(tmp_path: Path) -> None:
    opened(tmp_path / "counters").fixed("k", 7, 60)
    assert opened(tmp_path / "counters").fixed("k", 1, 60)[0] == 8


def count(path: Path, times: int) -> None:
    counters = opened(path)
    for _ in range(times):
        counters.fixed("k", 1, 600)


def test_no_count_is_lost_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    workers = [NEW.Process(target=count, args=(path, 20_000)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert opened(path).fixed("k", 1, 600)[0] == 60_001


def die_with_the_lock(path: Path) -> None:
    Lua().function(
        "return function(path) local c = assert(use('shm').open(path)) local ffi = require 'ffi' "
        "ffi.C.pthread_mutex_lock(c.area.lock) ffi.cdef 'void _exit(int)' ffi.C._exit(3) end"
    )(str(path))


def test_a_process_that_dies_with_the_lock_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    dying = NEW.Process(target=die_with_the_lock, args=(path,))
    dying.start()
    dying.join(60)
    assert dying.exitcode == 3
    assert opened(path).fixed("k", 1, 60)[0] == 1


def test_a_full_table_drops_the_counter_that_would_end_first(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters", 32)
    for number in range(32):
        counters.fixed(f"k{number}", 1, 600 + number)
    assert counters.fixed("one more", 1, 1000)[0] == 1
    assert counters.fixed("k31", 1, 600)[0] == 2
    assert counters.fixed("k0", 1, 2000)[0] == 1


def test_a_sliding_window_counts_a_part_of_the_window_before(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters")
    started = time.monotonic()
    while (found := counters.sliding("k", 1, 4, 0.2))[2] == 0:  # until there is a window before this one
        assert time.monotonic() - started < 5
    accepted, used, before, left = found
    assert before == 4
    assert accepted == (used - accepted + before * left / 0.2 + 1 <= 4)


def test_a_sliding_window_does_not_count_what_it_refuses(tmp_path: Path) -> None:
    counters = opened(tmp_path / "counters")
    answers = [counters.sliding("k", 1, 2, 3600)[:2] for _ in range(4)]
    assert answers == [(True, 1), (True, 2), (False, 2), (False, 2)]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 20_000_000], ids=["empty", "short", "long"])
def test_a_file_of_something_else_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "counters"
    path.write_bytes(content)
    assert opened(path).fixed("k", 1, 60)[0] == 1


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    opened(tmp_path / "counters")
    assert (tmp_path / "counters").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    counters, problem = Lua().function("return use('shm').open")(str(tmp_path / "no" / "counters"))
    assert counters is None
    assert problem == f"cannot open {tmp_path}/no/counters: No such file or directory"


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "218d1f59b9b83cc8"), (3, "ce0f1a45f7060679"), (8, "edfee820bce4858c")],
)
def test_keys_are_hashed_as_halfsiphash_has_it(length: int, expected: str) -> None:
    """Source: vectors_hsip64 of the reference implementation, key 00 01 … 07."""
    found = Lua().call(
        "function(length) local text = '' for i = 0, length - 1 do text = text .. string.char(i) end "
        "local a, b = use('shm').hash(text, 0x03020100, 0x07060504) local bit = require 'bit' "
        "return bit.tohex(bit.bswap(a)) .. bit.tohex(bit.bswap(b)) end",
        length,
    )
    assert found == expected
