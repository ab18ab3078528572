"""The road to a write put together from its parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.changes import Changes, Settings
from gatechat.assistant.change.plan import Drafts
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.resources import Resources
from gatechat.assistant.change.turns import Turns
from gatechat.assistant.ledger import Ledger, Records
from gatechat.assistant.view.live import Live

LEDGER: Final = "ledger.db"
TURNS: Final = "apply.lock"


def open_changes(
    data_dir: Path,
    admin: AdminClient,
    live: Live,
    drafts: Drafts,
    *,
    redactor: Callable[[], Redactor],
    page: Callable[[str], str],
    gateway: str | None,
    control: str | None = None,
    now: Callable[[], float] = time.time,
) -> Changes:
    """``page``: id -> the URL of the plan's page. ``gateway``: the URL that leads through it, and
    ``control``: that of its Control API, if there are.

    Raises LedgerError when the data folder cannot be used.
    """
    ledger = Ledger(data_dir / LEDGER, now)
    return Changes(
        records=Records(ledger, redactor),
        drafts=drafts,
        live=live,
        resources=Resources(admin),
        turns=Turns(data_dir / TURNS),
        settings=Settings(drafts.policy, page, now),
        gateway=gateway,
        control=control,
    )
