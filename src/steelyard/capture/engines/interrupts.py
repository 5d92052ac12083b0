"""`Interrupts`: holds Ctrl-C and timers back while something must not be left half done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_QUIET_S = 0.5


class Interrupts:
    """Stands before the Python handlers of Ctrl-C, termination and timers, in the main thread.

    While ``open`` a signal goes to its handler at once. One whose handler raises closes the door behind
    it for half a second, so that what follows, putting things back, is not disturbed; whoever is still
    running after that has swallowed the exception, and gets the next one. Signals that arrive while it is
    closed are delivered by `release`.
    """

    def __init__(self) -> None:
        self.open = False
        self._raised_at: float | None = None
        self._handlers: dict[int, Any] = {}
        self._pending: list[tuple[int, FrameType | None]] = []

    def hold(self) -> None:
        """Starts standing before the handlers; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._arrived)

    def release(self) -> None:
        """Puts the handlers back and lets the signals through that were held."""
        self.open = False
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for number, frame in self._pending:
            self._handlers[number](number, frame)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Holds signals back for a moment."""
        before, self.open = self.open, False
        try:
            yield
        finally:
            self.open = before
            while self._free() and self._pending:
                self._arrived(*self._pending.pop())

    def _free(self) -> bool:
        """True if signals may go through now."""
        return self.open and (
            self._raised_at is None or time.monotonic() - self._raised_at > _QUIET_S
        )

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if not self._free():
            if number not in (waiting for waiting, _ in self._pending):
                self._pending.append((number, frame))
            return
        self._raised_at = time.monotonic()
        self._handlers[number](number, frame)
        self._raised_at = None  # the handler did not raise
