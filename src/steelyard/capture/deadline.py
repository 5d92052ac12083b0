"""`deadline`: interrupts code that does not come to an end, also where it sleeps or swallows exceptions."""

from __future__ import annotations

import ctypes
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from steelyard.errors import TimeLimitError, UsageError

T = TypeVar("T")

_LONGEST = 1e8
"""Seconds, about three years; timers take no more."""

_TURNS = 100
"""Of an empty loop, at each of which Python looks for exceptions from other threads."""


class _Expired(BaseException):
    """Raised inside the code; no ``except Exception`` of a network can swallow it."""


@contextmanager
def deadline(seconds: float | None, what: str) -> Iterator[None]:
    """Raises `TimeLimitError` if the block takes longer than ``seconds`` (None: no limit).

    In the main thread a timer signal interrupts even a sleeping system call; in other threads the
    exception arrives at the next Python instruction. A timer signal that was set before runs on
    afterwards.

    Raises:
        TimeLimitError: the block was interrupted.
        UsageError: ``seconds`` is no positive number.
    """
    if seconds is None:
        yield
        return
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds < math.inf:
        raise UsageError(f"a deadline of {seconds!r} seconds", expected="a number above 0")
    seconds = min(seconds, _LONGEST)
    main = threading.current_thread() is threading.main_thread()
    timer = _signal_timer(seconds) if main else _thread_timer(seconds)
    try:
        with timer:
            yield
    except _Expired:
        raise _late(seconds, what) from None


def within(seconds: float | None, what: str, work: Callable[[], T]) -> T:
    """What ``work()`` answers, under a `deadline`; one that comes at the very end of it counts, too.

    Raises:
        TimeLimitError: the work was interrupted.
        UsageError: ``seconds`` is no positive number.
    """
    limit = deadline(seconds, what)
    try:
        with limit:
            return work()
    except _Expired:  # Python was leaving the block, and had not told `limit` yet
        limit.gen.close()
        raise _late(seconds or 0.0, what) from None


def _late(seconds: float, what: str) -> TimeLimitError:
    said = f"{what} was not done after {seconds:g} s"
    return TimeLimitError(said, hint="a longer --deadline, or deadline_s=")


@contextmanager
def _signal_timer(seconds: float) -> Iterator[None]:
    def expire(number: int, frame: FrameType | None) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    started = time.monotonic()
    # again and again, for code that catches BaseException once
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        if remaining:
            left = max(remaining - (time.monotonic() - started), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, interval)


@contextmanager
def _thread_timer(seconds: float) -> Iterator[None]:
    owner = threading.current_thread()
    thread = ctypes.c_ulong(threading.get_ident())
    interrupt, expired = ctypes.pythonapi.PyThreadState_SetAsyncExc, ctypes.py_object(_Expired)
    ended, sent = [False], [False]
    done = threading.Event()

    def watch() -> None:
        wait, pause = seconds, 0.25
        # the number of a thread that has ended may be that of another one by now
        while not done.wait(wait) and owner.is_alive():
            wait = pause  # again and again, as above, but leaving ever more time to clean up
            pause *= 1.5
            if ended[0]:
                break
            # nothing between the look and the call lets another thread run
            sent[0] = True
            interrupt(thread, expired)

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        watcher.start()
        yield
    finally:
        # Before this nothing is called, so that no exception can arrive; after it none is raised any more.
        ended[0] = True
        if sent[0]:
            # One may be on its way, and take its time where several threads have deadlines. Another takes its place,
            # and this thread's own arrives at once. It is not taken back by raising None: in CPython 3.11 that
            # leaves the interpreter looking for it for ever, and a function that is traced never begins.
            try:
                interrupt(thread, expired)
                for _ in range(_TURNS):
                    pass
            except _Expired:
                pass
        done.set()
        if watcher.is_alive():  # not if it was interrupted as it started
            watcher.join()
