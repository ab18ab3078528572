"""What was probably meant by a name that is not known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

_CLOSE: Final = 0.66
_MOST_LISTED: Final = 12
_ABSENT: Final = {"stream_routes": "Apache APISIX has them with its stream proxy on (apisix.proxy_mode)"}
"""Why a gateway may be without a kind."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` most likely stands for, None if there is none like it.

    "-", "_" and upper case make no difference ("KeyAuth" is "key-auth"); a beginning that only
    one has is enough.
    """
    plain = {_plain(name): name for name in sorted(known, reverse=True)}
    if _plain(word) in plain:
        return plain[_plain(word)]
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=_CLOSE)
    if close:
        return plain[close[0]]
    begin = [name for text, name in plain.items() if len(word) > 2 and text.startswith(_plain(word))]
    return begin[0] if len(begin) == 1 else None


def instead(word: str, known: Iterable[str]) -> str:
    """Advice for an error: the nearest name, or the names that there are."""
    names = sorted(set(known))
    best = nearest(word, names)
    if best is not None:
        return f'did you mean "{best}"?'
    return f"there are: {listed(names)}" if names else "there are none"


def listed(names: Iterable[str], most: int = _MOST_LISTED) -> str:
    """Names with commas; beyond ``most`` only how many more."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def slug(text: str) -> str:
    """An id made of a name, of what the Admin API takes in one, at most 64 long; "" if nothing is left."""
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-.")[:64].strip("-.")


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]", "", name).lower()


def no_such_kind(kind: str) -> tuple[str, str]:
    """What to say of a kind that a gateway does not have, and what helps."""
    return f"this gateway has no {kind}", _ABSENT.get(kind, "newer versions of APISIX may have them")
