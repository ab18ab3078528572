"""The store: every resource, its revision and its history, in one SQLite file."""

from gatechat.gateway.store.database import Store, StoreError
from gatechat.gateway.store.staging import Change, stage

__all__ = ["Change", "Store", "StoreError", "stage"]
