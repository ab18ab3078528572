"""Run by test_database: writes one resource after the other and prints each revision when it is committed."""

import sys
from itertools import count
from pathlib import Path

from gatechat.gateway.model import Put
from gatechat.gateway.store import Store, stage

store = Store(Path(sys.argv[1]))
state = store.load()
for number in count(1):
    change = stage(state, [Put("routes", str(number), {"uri": f"/{number}"})], now=float(number))
    with store.writing(change):
        state = change.after
    print(state.revision, flush=True)
