"""Medians, intervals and doubts, against properties and an order statistic's exact interval."""

from itertools import chain, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BackendError, UsageError
from steelyard.measure.timing import Timing, sample, warm_up

SECONDS = st.floats(1e-6, 10.0)


class FakeClock:
    """A clock, and a run that takes the given seconds by it."""

    def __init__(self, *durations: float) -> None:
        self.now = 0.0
        self.durations = chain(durations, repeat(durations[-1]))

    def __call__(self) -> float:
        return self.now

    def run(self) -> None:
        self.now += next(self.durations)


@given(st.lists(SECONDS, min_size=2, max_size=60))
def test_the_interval_holds_the_median_and_lies_within_the_samples(times: list[float]) -> None:
    timing = Timing(tuple(times))
    assert timing.interval_s is not None
    low, high = timing.interval_s
    assert min(times) <= low <= timing.median_s * (1 + 1e-12)
    assert timing.median_s * (1 - 1e-12) <= high <= max(times)
    assert timing.p50_s <= timing.p90_s <= timing.p99_s <= max(times)


@given(st.lists(SECONDS, min_size=2, max_size=40), st.floats(0.01, 100))
def test_everything_scales_with_time(times: list[float], factor: float) -> None:
    one, other = Timing(tuple(times)), Timing(tuple(t * factor for t in times))
    assert other.median_s == pytest.approx(one.median_s * factor)
    assert other.interval_s == pytest.approx(tuple(x * factor for x in one.interval_s or ()))
    assert len(one.doubts()) == len(other.doubts())


def test_the_interval_covers_the_true_median_as_often_as_it_says() -> None:
    """Of log-normal times with median 1; 95 % asked, and 300 trials have a standard error of 1.3 %."""
    random = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        timing = Timing(tuple(random.lognormal(0.0, 0.3, 31)))
        low, high = timing.interval_s or (0.0, 0.0)
        inside += low <= 1.0 <= high
    assert 0.90 <= inside / 300 <= 0.985


def test_the_interval_is_near_the_exact_one_of_order_statistics() -> None:
    """With 101 samples the 41st and the 61st smallest hold the median with 95.4 % (binomial law)."""
    random = np.random.default_rng(5)
    times = np.sort(random.lognormal(0.0, 0.2, 101))
    low, high = Timing(tuple(times)).interval_s or (0.0, 0.0)
    assert times[38] <= low <= times[42]
    assert times[58] <= high <= times[62]


def test_one_sample_has_no_interval_and_says_so() -> None:
    timing = Timing((0.5,))
    assert timing.interval_s is None
    assert timing.median_s == timing.p99_s == 0.5
    assert timing.doubts() == ("only 1 sample: the interval says little",)


def test_no_sample_is_refused() -> None:
    with pytest.raises(UsageError, match="no sample was taken"):
        Timing(())


@pytest.mark.parametrize("wrong", [0.0, -0.1, float("nan")])
def test_a_clock_that_goes_backwards_is_refused(wrong: float) -> None:
    with pytest.raises(BackendError, match="the clock went backwards or stood still"):
        Timing((0.1, wrong, 0.1))


def test_quiet_samples_raise_no_doubt() -> None:
    assert Timing(tuple(1 + 0.001 * (i % 3) for i in range(60))).doubts() == ()


def test_a_slower_end_is_said() -> None:
    doubts = Timing((1.0,) * 20 + (1.3,) * 20).doubts()
    assert any("the last third took 1.30 of the first" in doubt for doubt in doubts)


def test_others_at_work_are_said() -> None:
    doubts = Timing((1.0, 1.0, 1.0, 2.0) * 10).doubts()
    assert any("other programs are at work" in doubt for doubt in doubts)


def test_warm_up_ends_when_two_windows_agree() -> None:
    clock = FakeClock(9.0, 5.0, 3.0, 2.0, 1.5, 1.0)
    times = warm_up(clock.run, limit_s=1000.0, clock=clock)
    assert times[:6] == pytest.approx((9.0, 5.0, 3.0, 2.0, 1.5, 1.0))
    assert np.median(times[-5:]) == pytest.approx(np.median(times[-10:-5]))
    assert len(times) < 20


def test_warm_up_ends_when_the_time_is_up() -> None:
    durations = [2.0**-i for i in range(50)]  # never settles
    clock = FakeClock(*durations)
    times = warm_up(clock.run, limit_s=1.9, clock=clock)
    assert sum(times[:-1]) < 1.9 <= sum(times) or len(times) == 1


def test_samples_are_all_kept_in_order() -> None:
    clock = FakeClock(1.0, 3.0, 2.0)
    assert sample(clock.run, 3, clock) == (1.0, 3.0, 2.0)
