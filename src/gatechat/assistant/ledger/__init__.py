"""What was planned, approved, done and undone, for good: see database for how, records for what."""

from gatechat.assistant.ledger.chain import Entry, Note
from gatechat.assistant.ledger.database import Ledger, LedgerError, Moved
from gatechat.assistant.ledger.records import Held, Left, Records

__all__ = ["Entry", "Held", "Ledger", "LedgerError", "Left", "Moved", "Note", "Records"]
