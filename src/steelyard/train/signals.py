"""`StopRequests`: Ctrl-C and SIGTERM are noted, so that a step is finished and saved before the end."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopRequests"]


class StopRequests(AbstractContextManager["StopRequests"]):
    """Within it a first SIGINT or SIGTERM is noted; a second one interrupts at once.

    In other threads than the main one nothing changes.

    Attributes:
        asked: the name of the signal that came, "" so far.
    """

    def __init__(self) -> None:
        self.asked = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
