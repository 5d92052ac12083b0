"""Budgets: the geometric shares of the paper, what the images cost, and budgets that nobody can meet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.dynamic.budget import geometric_shares, shared_values, solve_thresholds
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.policies import PLAIN, Confidence, named_policy
from steelyard.dynamic.thresholds import leave_at
from steelyard.errors import InputError, UsageError

Made = Callable[..., ExitOutputs]
COSTS = np.array([1.0, 2.5, 4.0, 7.0])


@pytest.mark.parametrize("q", [0.05, 0.3, 0.5, 0.9])
def test_shares_are_those_of_the_paper(q: float) -> None:
    """Huang et al. 2018, section 3.3: q_k = z (1 - q)^(k - 1) q, z such that they sum to 1."""
    theirs = (1 - q) ** np.arange(4) * q
    theirs /= theirs.sum()
    assert geometric_shares(COSTS, float(theirs @ COSTS)) == pytest.approx(theirs, abs=1e-9)


def test_shares_by_hand() -> None:
    assert geometric_shares(np.array([1.0, 2.0, 3.0]), 2.0) == pytest.approx([1 / 3] * 3)
    # r = 2: (1 + 4 + 12) / 7
    assert geometric_shares(np.array([1.0, 2.0, 3.0]), 17 / 7) == pytest.approx(
        [1 / 7, 2 / 7, 4 / 7]
    )
    assert geometric_shares(COSTS, 1.0).tolist() == [1, 0, 0, 0]
    assert geometric_shares(COSTS, 7.0).tolist() == [0, 0, 0, 1]


@given(
    st.lists(st.floats(0.01, 1e9), min_size=1, max_size=9, unique=True),
    st.floats(0, 1),
)
@settings(max_examples=50, deadline=None)
def test_the_shares_cost_the_budget(steps: list[float], part: float) -> None:
    costs = np.cumsum(steps)
    budget = min(max(costs[0] + part * (costs[-1] - costs[0]), costs[0]), costs[-1])
    shares = geometric_shares(costs, budget)
    assert shares.sum() == pytest.approx(1)
    assert float(shares @ costs) == pytest.approx(budget, rel=1e-6)


def test_shares_become_counts() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [1.0] * 8])  # fmt: skip
    values = shared_values(scores, np.array([0.25, 0.5, 0.25]))
    # two leave with 0.8 or more, of the others four with 0.5 or more at the second exit
    assert values.tolist() == [0.8, 0.5]
    assert leave_at(scores, values).tolist() == [0, 0, 2, 2, 1, 1, 1, 1]


def test_equal_scores_leave_together_and_cost_less() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.5], [1.0] * 4])
    values = shared_values(scores, np.array([0.5, 0.5]))
    assert leave_at(scores, values).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", list(PLAIN))
@pytest.mark.parametrize("distribution", ["geometric", "free"])
@pytest.mark.parametrize("budget", [1.0, 1.3, 2.9, 5.5, 7.0])
def test_validation_images_cost_no_more(
    name: str, distribution: str, budget: float, made: Made
) -> None:
    outputs = made()
    found = solve_thresholds(
        named_policy(name), outputs, COSTS, budget, distribution=distribution, unit="J", model="m"
    )
    mean = COSTS[found.decide(outputs)].mean()
    assert mean <= budget * (1 + 1e-9)
    if distribution == "geometric":
        assert (
            mean >= budget - 3 * 6 / outputs.samples
        )  # rounded up to whole images, at three exits
    assert (found.budget, found.unit, found.model) == (budget, "J", "m")


def test_the_cheapest_budget_lets_every_image_leave_at_once(made: Made) -> None:
    found = solve_thresholds(Confidence(), made(), COSTS, 1.0)
    assert (found.decide(made(seed=5)) == 0).all()


def test_the_dearest_geometric_budget_lets_none_leave(made: Made) -> None:
    found = solve_thresholds(Confidence(), made(), COSTS, 7.0)
    assert (found.decide(made(seed=5)) == 3).all()


@pytest.mark.parametrize("unit", ["MACs", "s"])
@pytest.mark.parametrize(
    ("budget", "where"),
    [(0.5, "below the first exit"), (7.5, "above the last exit"), (np.nan, "no number")],
)
def test_budgets_that_cannot_be_met(budget: float, where: str, unit: str, made: Made) -> None:
    with pytest.raises(UsageError, match=f"{unit} is {where}") as said:
        solve_thresholds(Confidence(), made(), COSTS, budget, unit=unit)
    assert said.value.expected.startswith(f"1 {unit} to 7 {unit}")


def test_one_exit(made: Made) -> None:
    outputs = made(exits=1)
    for distribution in ("geometric", "free"):
        found = solve_thresholds(Confidence(), outputs, [3.0], 3.0, distribution=distribution)
        assert found.values == ()
        assert (found.decide(outputs) == 0).all()


def test_one_image(made: Made) -> None:
    outputs = made(samples=1)
    for distribution in ("geometric", "free"):
        found = solve_thresholds(Confidence(), outputs, COSTS, 3.0, distribution=distribution)
        assert COSTS[found.decide(outputs)][0] <= 3.0


def test_other_wrong_settings(made: Made) -> None:
    with pytest.raises(UsageError, match="distribution='even'"):
        solve_thresholds(Confidence(), made(), COSTS, 3.0, distribution="even")
    with pytest.raises(UsageError, match="2 temperatures for 4 exits"):
        solve_thresholds(Confidence(), made(), COSTS, 3.0, temperatures=(1.0, 1.0))
    with pytest.raises(InputError, match="costs"):
        solve_thresholds(Confidence(), made(), COSTS[::-1], 3.0)
