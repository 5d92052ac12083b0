"""How many trials a search has stored, read past steelyard, for the tests that interrupt one."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def stored_trials(store: Path) -> int:
    """Trials in a store, each once; none while there is no store or no table yet."""
    if not store.exists():
        return 0
    base = sqlite3.connect(store)
    try:
        query = "SELECT count(*) FROM trials WHERE key LIKE 'trial-%'"
        return int(base.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        base.close()
