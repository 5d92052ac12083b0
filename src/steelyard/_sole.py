"""`sole`: at most one process at a time does something; the system lets go when a process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard.errors import InputError, UsageError


@contextmanager
def sole(lock: Path, doing: str, hint: str) -> Iterator[None]:
    """Within it no other process enters with the same file.

    Without `fcntl` (Windows) that is the user's affair.

    Args:
        lock: a file for this alone; it is made, with its folder, and stays.
        doing: what the other one does, for the message: ``is training in runs/a``.
        hint: what to type instead.

    Raises:
        UsageError: another process is there.
        InputError: the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+")
    except OSError as error:
        raise InputError(f"cannot write {lock}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            who = file.read(32).strip()
            raise UsageError(
                f"another process{f' ({who})' if who.isdecimal() else ''} {doing}",
                expected="one at a time",
                hint=hint,
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
