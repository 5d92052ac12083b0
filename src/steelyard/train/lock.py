"""`sole_trainer`: at most one process trains in a run's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.errors import UsageError

__all__ = ["sole_trainer"]


@contextmanager
def sole_trainer(folder: Path) -> Iterator[None]:
    """Within it no other process enters for the same folder; the system lets go when a process dies.

    Without `fcntl` (Windows) that is the user's affair.

    Raises:
        UsageError: another process trains there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            who = file.read(32).strip()
            raise UsageError(
                f"another process{f' ({who})' if who.isdecimal() else ''} is training in {folder}",
                expected="one at a time",
                hint="another folder: --run NAME",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
