"""`ending_in_order`: a request to end (SIGTERM) closes files, child processes and the terminal's line first."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM
"""The exit code, which is also what a shell reports for a program that SIGTERM ended."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within it SIGTERM raises SystemExit; elsewhere, and in other threads, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)
