"""`deadline`: interrupts code that does not come to an end, also where it sleeps or swallows exceptions."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from steelyard.errors import TimeLimitError, UsageError


class _Expired(BaseException):
    """Raised inside the code; no ``except Exception`` of a network can swallow it."""


@contextmanager
def deadline(seconds: float | None, what: str) -> Iterator[None]:
    """Raises `TimeLimitError` if the block takes longer than ``seconds`` (None: no limit).

    In the main thread a timer signal interrupts even a sleeping system call; in other threads the
    exception arrives at the next Python instruction.

    Raises:
        TimeLimitError: the block was interrupted.
        UsageError: ``seconds`` is not positive.
    """
    if seconds is None:
        yield
        return
    if seconds <= 0:
        raise UsageError(f"a deadline of {seconds} seconds", expected="more than 0")
    main = threading.current_thread() is threading.main_thread()
    timer = _signal_timer(seconds) if main else _thread_timer(seconds)
    try:
        with timer:
            yield
    except _Expired:
        raise TimeLimitError(
            f"{what} was not done after {seconds:g} s", hint="a longer deadline_s"
        ) from None


@contextmanager
def _signal_timer(seconds: float) -> Iterator[None]:
    def expire(number: int, frame: FrameType | None) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    # again and again, for code that catches BaseException once
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _thread_timer(seconds: float) -> Iterator[None]:
    thread = threading.get_ident()
    done = threading.Event()

    def watch() -> None:
        if not done.wait(seconds):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(_Expired)
            )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
