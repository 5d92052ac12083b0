"""Free thresholds beside all that there are: every combination of thresholds, on small cases."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from steelyard.dynamic.budget import geometric_shares, shared_values
from steelyard.dynamic.free_thresholds import best_values
from steelyard.dynamic.thresholds import leave_at


def brute_force(scores: np.ndarray, correct: np.ndarray, costs: np.ndarray, budget: float) -> int:
    """The most images right within the budget, over all thresholds that differ."""
    some = [[*np.unique(row), np.inf] for row in scores[:-1]]
    best, numbers = -1, np.arange(scores.shape[1])
    for values in product(*some):
        ends = leave_at(scores, values)
        if costs[ends].mean() <= budget * (1 + 1e-12):
            best = max(best, int(correct[ends, numbers].sum()))
    return best


def case(exits: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    rng = np.random.default_rng(seed)
    correct = rng.random((exits, samples)) < np.linspace(0.5, 0.9, exits)[:, None]
    scores = rng.random((exits, samples)) + 0.5 * correct
    if seed % 3 == 0:
        scores = scores.round(1)  # with ties
    costs = np.cumsum(rng.uniform(0.5, 2, exits))
    return scores, correct, costs, float(rng.uniform(costs[0], costs[-1]))


def found(
    scores: np.ndarray, correct: np.ndarray, costs: np.ndarray, budget: float
) -> tuple[int, float, int]:
    """Images right and mean cost of the free thresholds, and images right with geometric shares."""
    start = shared_values(scores, geometric_shares(costs, budget))
    values = best_values(scores, correct, costs, budget, start)
    numbers = np.arange(scores.shape[1])
    ends, first = leave_at(scores, values), leave_at(scores, start)
    right = int(correct[ends, numbers].sum())
    return right, float(costs[ends].mean()), int(correct[first, numbers].sum())


@pytest.mark.parametrize("seed", range(30))
def test_three_exits_are_solved_exactly(seed: int) -> None:
    # one threshold over all its values, the other exactly for each: nothing is left out
    scores, correct, costs, budget = case(3, 20, seed)
    right, mean, before = found(scores, correct, costs, budget)
    assert mean <= budget * (1 + 1e-9)
    assert right == brute_force(scores, correct, costs, budget) >= before


def test_four_and_five_exits_come_near_to_the_best() -> None:
    gaps = []
    for exits, samples, seeds in ((4, 12, 15), (5, 8, 4)):
        for seed in range(seeds):
            scores, correct, costs, budget = case(exits, samples, seed)
            right, mean, before = found(scores, correct, costs, budget)
            best = brute_force(scores, correct, costs, budget)
            assert mean <= budget * (1 + 1e-9)
            assert before <= right <= best
            gaps.append(best - right)
    assert max(gaps) <= 1
    assert np.mean(gaps) < 0.1


def test_the_best_is_found_where_one_exit_is_worthless() -> None:
    # the second exit is always wrong: nobody is to leave there
    rng = np.random.default_rng(0)
    scores = rng.random((3, 500))
    correct = np.stack([scores[0] > 0.4, np.zeros(500, dtype=bool), np.ones(500, dtype=bool)])
    costs = np.array([1.0, 2.0, 3.0])
    start = shared_values(scores, geometric_shares(costs, 2.0))
    values = best_values(scores, correct, costs, 2.0, start)
    ends = leave_at(scores, values)
    assert (ends != 1).all()
    assert correct[ends, np.arange(500)].all()
