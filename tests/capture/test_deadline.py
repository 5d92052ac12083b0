"""`deadline` interrupts what it should and leaves no timer, handler or thread behind."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from steelyard.capture.deadline import _thread_timer, deadline, within
from steelyard.errors import TimeLimitError, UsageError


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "3", [1]])
def test_what_is_no_deadline(seconds: Any) -> None:
    with pytest.raises(UsageError) as caught, deadline(seconds, "it"):
        pass
    assert str(caught.value) == f"a deadline of {seconds!r} seconds\nexpected: a number above 0"


def test_none_is_no_limit_and_huge_ones_are_fine() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline(None, "it"):
        assert signal.getsignal(signal.SIGALRM) is before
    with deadline(1e300, "it"):
        pass


def test_the_handler_and_the_timer_are_put_back() -> None:
    def mine(*_: object) -> None:
        fired.append(time.monotonic())

    fired: list[float] = []
    old = signal.signal(signal.SIGALRM, mine)
    try:
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with deadline(10, "it"):
            time.sleep(0.1)
        assert signal.getsignal(signal.SIGALRM) is mine
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < left <= 0.21
        time.sleep(0.4)
        assert len(fired) == 1
        assert fired[0] - start >= 0.29
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_without_a_timer_before_there_is_none_after() -> None:
    with (
        pytest.raises(TimeLimitError, match=r"^it was not done after 0\.05 s"),
        deadline(0.05, "it"),
    ):
        time.sleep(5)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_deadlines_nest() -> None:
    with pytest.raises(TimeLimitError, match="outer was not done"), deadline(0.2, "outer"):
        with pytest.raises(TimeLimitError, match="inner was not done"), deadline(0.05, "inner"):
            time.sleep(5)
        time.sleep(5)


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(KeyError), deadline(5, "it"):
        raise KeyError


def in_thread(work: Any) -> list[BaseException]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(120)
    assert not thread.is_alive()
    return errors


def test_a_thread_is_interrupted() -> None:
    def work() -> None:
        with deadline(0.1, "it"):
            while True:
                pass

    count = threading.active_count()
    (error,) = in_thread(work)
    assert isinstance(error, TimeLimitError)
    assert threading.active_count() == count


def test_a_thread_that_is_done_is_never_interrupted_later() -> None:
    """The watcher wakes just as the block ends, many times over."""

    def spend() -> None:
        end = time.monotonic() + 0.003
        while time.monotonic() < end:
            pass

    def work() -> None:
        for _ in range(60):
            with suppress(TimeLimitError):
                within(0.003, "it", spend)
            for _ in range(1000):
                pass

    assert in_thread(work) == []


def test_a_thread_that_ends_inside_is_not_followed() -> None:
    """Its number may be given to another thread, which must not be interrupted in its place."""
    timers = []

    def work() -> None:
        timer = _thread_timer(0.05)
        timer.__enter__()
        timers.append(timer)  # kept, so that nothing cleans up when the thread ends

    thread = threading.Thread(target=work)
    count = threading.active_count()
    thread.start()
    thread.join(120)
    limit = time.monotonic() + 10
    while threading.active_count() > count and time.monotonic() < limit:
        time.sleep(0.01)
    assert threading.active_count() == count


TRACED = """
import sys, threading, time
from steelyard.capture.deadline import deadline
from steelyard.errors import TimeLimitError

def work(seconds):
    try:
        with deadline(0.2, "it"):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
    except TimeLimitError:
        pass

for seconds in (0.0, 60.0):
    thread = threading.Thread(target=work, args=(seconds,))
    thread.start()
    thread.join()
seen = []
sys.settrace(lambda frame, event, argument: seen.append(event))
work(0.0)
sys.settrace(None)
print(len(seen) > 0)
"""


def test_python_can_be_traced_after_a_deadline_in_a_thread() -> None:
    """As debuggers and coverage do; an exception that is raised and taken back would hang it (CPython 3.11)."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.strip() == "True"
