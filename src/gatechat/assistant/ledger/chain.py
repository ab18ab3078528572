"""The chain of entries: what an entry is, how it is hashed, and whether a row of them holds together.

An entry's hash is SHA-256 over the hash before it and the entry's own text, so that nothing in the middle can
be changed, removed or put in without every later hash being another. What a chain cannot show is that its
end was cut off: for that, keep the hash of the last entry elsewhere and compare.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

BEGINNING: Final = "0" * 64
"""What stands for the hash before the first entry."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be written. ``what`` ("plan", "approval", …) happened to ``subject``, a plan's id or "".

    ``state``: the state that the subject has from here on; None leaves it. ``body`` is for every reader and
    holds no secret; ``document`` is the whole, kept beside the chain, which holds only its salted hash.
    ``touched`` are (kind, id) of the resources that were written.
    """

    what: str
    subject: str
    by: str
    role: str
    face: str
    body: Mapping[str, Any]
    state: str | None = None
    document: str | None = field(default=None, repr=False)
    touched: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What was written: number ``seq`` (from 1), ``at`` in Unix seconds; ``seal`` vouches for its
    document.
    """

    seq: int
    at: float
    what: str
    subject: str
    state: str | None
    by: str
    role: str
    face: str
    body: Any
    seal: str
    previous: str
    hash: str = ""

    def line(self) -> str:
        """One line of the export."""
        return canonical(asdict(self))


def canonical(value: Any) -> str:
    """The one JSON text of a value: names sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def hash_of(entry: Entry) -> str:
    """What ``entry.hash`` must be. The hash before it is one of the hashed fields."""
    fields = asdict(entry)
    del fields["hash"]
    return hashlib.sha256(canonical(fields).encode()).hexdigest()


def seal(salt: str, document: str) -> str:
    """Vouches for a document and tells nothing of it: the salt keeps short secrets from being guessed."""
    return hashlib.sha256(f"{salt}\n{document}".encode()).hexdigest()


def from_line(line: str) -> Entry:
    """Raises ValueError for what is no line of an export."""
    try:
        return Entry(**json.loads(line))
    except TypeError as error:
        raise ValueError(str(error)) from error


def breaks(entries: Iterable[Entry]) -> Iterable[str]:
    """What is wrong with the chain, in words; nothing when it holds."""
    previous, number = BEGINNING, 0
    for entry in entries:
        if entry.seq != number + 1:
            missing = (
                f"entry {number + 1} is"
                if entry.seq == number + 2
                else f"entries {number + 1} to {entry.seq - 1} are"
            )
            yield f"{missing} missing before entry {entry.seq}"
        elif entry.previous != previous:
            yield f"entry {entry.seq} does not follow from the entry before it"
        if entry.hash != hash_of(entry):
            yield f"entry {entry.seq} ({entry.what} of {entry.subject or 'no plan'}) was altered"
        previous, number = entry.hash, entry.seq
