"""Expected and realised budgets: intervals beside scipy's, and whether they hold what they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binomtest

from steelyard.dynamic.budget import solve_thresholds
from steelyard.dynamic.budget_check import check_thresholds, clopper_pearson, outcome
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.policies import Confidence
from steelyard.errors import InputError, UsageError

Made = Callable[..., ExitOutputs]
COSTS = np.array([1.0, 2.5, 4.0, 7.0])


@pytest.mark.parametrize(("right", "samples"), [(0, 5), (5, 5), (1, 1), (90, 100), (3, 1000), (9211, 10_000)])  # fmt: skip
def test_exact_interval_is_scipys(right: int, samples: int) -> None:
    theirs = binomtest(right, samples).proportion_ci(0.95, "exact")
    assert clopper_pearson(right, samples) == pytest.approx((theirs.low, theirs.high), abs=1e-8)


def test_no_samples() -> None:
    with pytest.raises(InputError, match="0 of 0 samples"):
        clopper_pearson(0, 0)


def test_expected_and_realised(made: Made) -> None:
    validation, held_out = made(samples=1000), made(samples=800, seed=1)
    thresholds = solve_thresholds(Confidence(), validation, COSTS, 3.0)
    found = check_thresholds(thresholds, validation, held_out, COSTS)
    ends = thresholds.decide(held_out)
    right = held_out.correct[ends, np.arange(800)]
    assert found.realised.cost == pytest.approx(COSTS[ends].mean())
    assert found.realised.accuracy == pytest.approx(right.mean())
    assert found.realised.leaving == tuple(np.bincount(ends, minlength=4))
    assert found.expected.cost <= 3.0 <= found.expected.cost + 0.1
    # the bootstrap of a mean is near the normal interval where there are many images
    half = 1.96 * COSTS[ends].std() / np.sqrt(800)
    low, high = found.realised.cost_interval
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert found.holds
    text = str(found)
    assert "thresholds solved for 3 MACs an image" in text
    assert "Where images leave" in text
    assert found.to_dict()["schema"] == "steelyard.budget-check/1"


def test_intervals_hold_the_mean_of_images_without_end(made: Made) -> None:
    """Thresholds once, then many sets of images: about 95 in 100 intervals hold what a very large set costs."""
    thresholds = solve_thresholds(Confidence(), made(samples=2000), COSTS, 3.0)
    truth = outcome(thresholds, made(samples=100_000, seed=99), COSTS)
    held = []
    for seed in range(60):
        found = outcome(thresholds, made(samples=200, seed=100 + seed), COSTS)
        low, high = found.cost_interval
        held.append(low <= truth.cost <= high)
    assert np.mean(held) >= 0.87  # 5 in 1000 chance of less at 95 %


def test_a_budget_that_does_not_hold_is_said(made: Made) -> None:
    thresholds = solve_thresholds(Confidence(), made(heat=3), COSTS, 3.0)
    found = check_thresholds(thresholds, made(heat=3), made(seed=1, heat=0.5), COSTS)
    assert found.holds is False
    assert "exceeded beyond chance" in str(found)


def test_all_leave_at_once(made: Made) -> None:
    thresholds = solve_thresholds(Confidence(), made(), COSTS, 1.0)
    found = outcome(thresholds, made(seed=1), COSTS)
    assert (found.cost, found.cost_interval, found.leaving) == (1.0, (1.0, 1.0), (400, 0, 0, 0))


def test_outputs_of_another_network(made: Made) -> None:
    thresholds = solve_thresholds(Confidence(), made(), COSTS, 3.0)
    with pytest.raises(UsageError, match="outputs of 3 exits"):
        outcome(thresholds, made(exits=3), COSTS[:3])


def test_seconds_are_printed_in_thousandths(made: Made) -> None:
    seconds = COSTS / 1000
    thresholds = solve_thresholds(Confidence(), made(), seconds, 0.003, unit="s")
    text = str(check_thresholds(thresholds, made(), made(seed=1), seconds))
    assert "solved for 3 ms an image" in text.replace("3.00", "3")
    assert "(ms)" in text
