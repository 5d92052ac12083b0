"""`canary`: the same small work each time; where it takes longer, something that the system does not show slows the machine.

A virtual machine cannot see its neighbours, which share its caches, its memory and the clock of its cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

REPEATS = 5


def canary() -> tuple[float, float]:
    """Seconds of arithmetic in the nearest cache, and of a copy in memory: medians; one thread, 20 ms in all."""
    near = np.linspace(-1, 1, 1 << 14, dtype=np.float32)
    far = np.ones(1 << 22, np.float32)
    to = np.empty_like(far)
    return _median(lambda: [np.tanh(near) for _ in range(30)]), _median(lambda: np.copyto(to, far))


def slowness(seen: Sequence[float], best: Sequence[float]) -> float:
    """How many times as long as at best: the worse of the two."""
    return max(now / least for now, least in zip(seen, best, strict=True))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return median(times)
