"""`Bystanders`: how much of the machine other programs took while something was measured (Linux; elsewhere unknown)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of /proc/stat that are work: user, nice, system, interrupts, and what the hypervisor gave to others."""


class Bystanders:
    """Counts from when it is made.

    What this process and its children that it has waited for used is its own.
    """

    def __init__(self) -> None:
        self._before = _machine(), _own(), time.perf_counter()

    def cores(self) -> float | None:
        """Cores that others kept busy on average; None where the system does not say."""
        (machine, own, begun), now = self._before, time.perf_counter()
        late = _machine()
        if machine is None or late is None or now <= begun:
            return None
        return max(0.0, (late - machine) - (_own() - own)) / (now - begun)


def _machine() -> float | None:
    """Seconds of work of all cores since the system began."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]
        return sum(int(fields[i]) for i in _BUSY) / os.sysconf("SC_CLK_TCK")
    return None


def _own() -> float:
    return sum(os.times()[:4])
