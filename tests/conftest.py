"""For all tests: the interrupt arrives, also in processes that they start."""

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """A shell that runs the tests in the background has them ignore it, and their child processes as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
