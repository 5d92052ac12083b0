"""`Interrupts`: holds Ctrl-C and timers back while something must not be left half done."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch.overrides
import torch.utils._contextlib
import torch.utils._python_dispatch

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)

_DELICATE = (
    contextlib.__file__,
    torch.overrides.__file__,
    torch.utils._contextlib.__file__,
    torch.utils._python_dispatch.__file__,
    str(Path(__file__).parents[2]),  # steelyard itself
)
"""Code that enters and leaves modes. An exception raised right there would leave one behind."""

_RETRY_S, _RETRIES = 0.002, 500
_QUIET_S = 0.5


class Interrupts:
    """Stands before the Python handlers of Ctrl-C, termination and timers, in the main thread.

    While ``open`` a signal goes to its handler at once, or some milliseconds later if it arrives in code
    that enters or leaves PyTorch's modes. One whose handler raises closes the door behind it for half a
    second, so that what follows, putting things back, is not disturbed; code that still runs after that
    has swallowed the exception, and gets the next. Signals that arrive while it is closed are delivered
    by `release`.
    """

    def __init__(self) -> None:
        self.open = False
        self._handlers: dict[int, Any] = {}
        self._pending: dict[int, FrameType | None] = {}
        self._retries = 0
        self._raised_at: float | None = None
        self._lock = threading.Lock()

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
        with self._lock:  # no retry is under way after this
            handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in self._pending.items():
            handlers[number](number, frame)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Holds signals back for a moment."""
        before, self.open = self.open, False
        try:
            yield
        finally:
            self.open = before
            if before:
                for number in self._pending:
                    self._retry(number)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._pending[number] = frame
        quiet = self._raised_at is not None and time.monotonic() - self._raised_at < _QUIET_S
        if quiet or not self.open:
            return
        delicate = frame is not None and frame.f_code.co_filename.startswith(_DELICATE)
        if delicate and self._retries < _RETRIES:
            self._retries += 1
            self._retry(number)
            return
        del self._pending[number]
        self._raised_at = time.monotonic()
        self._handlers[number](number, frame)
        self._raised_at = None  # the handler did not raise

    def _retry(self, number: int) -> None:
        """Has the signal arrive again a little later."""
        timer = threading.Timer(_RETRY_S, self._again, (number,))
        timer.daemon = True
        timer.start()

    def _again(self, number: int) -> None:
        with self._lock:
            if number in self._handlers:
                signal.pthread_kill(threading.main_thread().ident or 0, number)
