"""`sole_trainer`: at most one process trains in a run's folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from steelyard._sole import sole

__all__ = ["sole_trainer"]


def sole_trainer(folder: Path) -> AbstractContextManager[None]:
    """Within it no other process enters for the same folder.

    Raises:
        UsageError: another process trains there.
        InputError: nothing can be written there.
    """
    return sole(folder / ".lock", f"is training in {folder}", "another folder: --run NAME")
