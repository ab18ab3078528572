"""The store: every resource, its revision and its history, in one SQLite file."""

from gatechat.gateway.store.database import Store, StoreError
from gatechat.gateway.store.staging import Change, stage

FILE = "gatechat.db"
"""Its name in the data folder."""

__all__ = ["FILE", "Change", "Store", "StoreError", "stage"]
