"""`Timing`: every sample kept, the median with its interval, and what makes a measurement doubtful, in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steelyard.errors import BackendError, UsageError

RESAMPLES = 2000
"""Of the bootstrap."""

LEVEL = 0.95
"""Of the interval."""

STABLE = 0.05
"""Warm-up ends when two successive windows differ by less than this share of their median."""


@dataclass(frozen=True)
class Timing:
    """Times of one thing done again and again, in the order in which they were taken.

    Attributes:
        samples_s: seconds, all of them.
        warmup_s: seconds of the runs before, which do not count.
    """

    samples_s: tuple[float, ...]
    warmup_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.samples_s:
            raise UsageError("no sample was taken", expected="at least one")
        if any(not sample > 0 for sample in self.samples_s):
            raise BackendError(
                f"a run took {min(self.samples_s)} s: the clock went backwards or stood still",
                expected="a monotonic clock",
                hint="measure again",
            )

    @cached_property
    def median_s(self) -> float:
        """The median of the samples."""
        return float(np.median(self.samples_s))

    @cached_property
    def interval_s(self) -> tuple[float, float] | None:
        """Interval of the median at `LEVEL`, by percentile bootstrap (Efron 1979); None for one sample.

        The resampling is seeded: the same samples give the same interval.
        """
        samples = np.asarray(self.samples_s)
        if len(samples) < 2:
            return None
        draw = np.random.default_rng(0).integers(0, len(samples), (RESAMPLES, len(samples)))
        medians = np.median(samples[draw], axis=1)
        low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def quantile_s(self, share: float) -> float:
        """The time that a share of the samples does not exceed (0.5: the median)."""
        return float(np.quantile(self.samples_s, share))

    @property
    def p50_s(self) -> float:
        """The median."""
        return self.median_s

    @property
    def p90_s(self) -> float:
        """Nine of ten runs were no slower."""
        return self.quantile_s(0.9)

    @property
    def p99_s(self) -> float:
        """99 of 100 runs were no slower."""
        return self.quantile_s(0.99)

    def doubts(self) -> tuple[str, ...]:
        """What speaks against believing the median, each a sentence."""
        found: list[str] = []
        count = len(self.samples_s)
        if count < 10:
            found.append(f"only {count} sample{'s' if count > 1 else ''}: the interval says little")
        interval = self.interval_s
        if interval is not None and interval[1] - interval[0] > 0.1 * self.median_s:
            found.append(
                f"the median is known to {50 * (interval[1] - interval[0]) / self.median_s:.0f} % only"
            )
        if count >= 10 and self.quantile_s(0.9) > 1.5 * self.quantile_s(0.1):
            found.append("one run in ten took half as long again: other programs are at work")
        if count >= 20:
            third = count // 3
            early, late = np.median(self.samples_s[:third]), np.median(self.samples_s[-third:])
            if not 0.9 < early / late < 1.1:
                found.append(
                    f"the last third took {late / early:.2f} of the first: the clock rate or the load changed"
                )
        return tuple(found)


def warm_up(
    run: Callable[[], object],
    *,
    window: int = 5,
    limit_s: float = 10.0,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, ...]:
    """Runs until two windows agree to `STABLE` in their medians, or the time is up; returns all times.

    Args:
        run: what is to be measured.
        window: runs in one window; two are made at least, if the time allows.
        limit_s: seconds after which no further run begins.
        clock: seconds, monotonic.
    """
    times: list[float] = []
    begun = clock()
    while True:
        times.append(_timed(run, clock))
        if len(times) >= 2 * window and _agree(times[-2 * window : -window], times[-window:]):
            return tuple(times)
        if clock() - begun >= limit_s:
            return tuple(times)


def sample(
    run: Callable[[], object], count: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, ...]:
    """The seconds of each of ``count`` runs."""
    return tuple(_timed(run, clock) for _ in range(count))


def _timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    run()
    return clock() - begun


def _agree(before: Sequence[float], after: Sequence[float]) -> bool:
    a, b = float(np.median(before)), float(np.median(after))
    return abs(a - b) <= STABLE * min(a, b)
