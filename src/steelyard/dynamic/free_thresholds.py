"""`best_values`: thresholds under which most images are right within a budget, by exact search in one or two at a time.

With all other thresholds fixed, the best one of an exit is found exactly: its images in the order of their scores,
running sums of what is gained and saved by leaving. Pairs are searched, too: one threshold over a grid of quantiles,
the other exactly for each, because under a budget one can only be lowered where another is raised. Starts at a given
solution and at solutions of the problem with a price instead of a budget; the best of all ends is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.dynamic.exit_outputs import Floats, Ints

__all__ = ["best_values"]

_GRID = 24
_MOST_SWEEPS = 20
_PRICES = 12
_SLACK = 1e-9
"""Of the budget: what sums may lose to rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Scores, correctness (exits, N), costs as shares of the limit for all images, images by falling score (exits, N)."""

    scores: Floats
    correct: Floats
    costs: Floats
    order: Ints
    limit: float

    @property
    def turns(self) -> int:
        return len(self.costs) - 1


def best_values(
    scores: Floats, correct: NDArray[np.bool_], costs: Floats, budget: float, start: Floats
) -> Floats:
    """Thresholds (exits - 1,) with a mean cost within the budget; at least as many images right as with the start.

    Args:
        scores: (exits, N); an image leaves where its score reaches the threshold.
        correct: (exits, N).
        costs: of leaving at each exit, growing.
        budget: for the mean cost.
        start: thresholds within the budget.
    """
    if not len(start):
        return start
    order = np.argsort(-scores, axis=1, kind="stable")
    shares = costs / (budget * scores.shape[1])
    problem = _Problem(scores, correct.astype(np.float64), shares, order, 1 + _SLACK)
    starts = [start, *_priced_starts(problem)]
    ends = [_climb(problem, one) for one in starts]
    return max(ends, key=lambda values: _rank(problem, values))


def _priced_starts(problem: _Problem) -> list[Floats]:
    """Solutions where cost is paid for: the dearest within the limit, by halving the price."""
    free = _Problem(problem.scores, problem.correct, problem.costs, problem.order, np.inf)
    low, high = 0.0, 1.0 / float(np.diff(problem.costs).min())
    found: Floats | None = None
    for _ in range(_PRICES):
        price = (low + high) / 2
        values = np.full(problem.turns, np.inf)
        for _ in range(_MOST_SWEEPS):
            before = values.copy()
            for turn in reversed(range(problem.turns)):
                values[turn] = _best(free, values, turn, price)[1]
            if (values == before).all():
                break
        if _totals(problem, values)[1] <= problem.limit:
            high, found = price, values
        else:
            low = price
    return [] if found is None else [found]


def _climb(problem: _Problem, start: Floats) -> Floats:
    """Better thresholds until no single one and no pair of them can be bettered."""
    values = start.copy()
    for _ in range(_MOST_SWEEPS):
        before = _rank(problem, values)
        for turn in range(problem.turns):
            values[turn] = _best(problem, values, turn)[1]
        for first in range(problem.turns):
            for second in range(problem.turns):
                if first != second:
                    values = _best_pair(problem, values, first, second)
        if _rank(problem, values) <= before:
            break
    return values


def _best_pair(problem: _Problem, values: Floats, first: int, second: int) -> Floats:
    """The first over a grid, the second exactly for each."""
    rank, best = _rank(problem, values), values
    for candidate in _grid(problem, values, first):
        trial = values.copy()
        trial[first] = candidate
        found, trial[second] = _best(problem, trial, second)
        if found > rank:
            rank, best = found, trial
    return best


def _grid(problem: _Problem, values: Floats, turn: int) -> Floats:
    """Never, and quantiles of the scores of the images that come to this exit."""
    here = np.unique(problem.scores[turn][_arrived(problem, values, turn)])
    if len(here) > _GRID:
        here = here[np.linspace(0, len(here) - 1, _GRID).round().astype(int)]
    return np.append(here, np.inf)


_Rank = tuple[float, float]
"""Images right (less what they cost, where there is a price), and the cost with a minus."""


def _best(problem: _Problem, values: Floats, turn: int, price: float = 0.0) -> tuple[_Rank, float]:
    """The best threshold of one exit, the others fixed, and its rank: -inf where none is within the limit."""
    arrived = _arrived(problem, values, turn)
    ends = _ends(problem, values, turn + 1)
    line = problem.order[turn]
    line = line[arrived[line]]
    before = ~arrived
    gone = _ends(problem, values, 0)
    samples = np.arange(len(before))
    right, cost = problem.correct[ends, samples], problem.costs[ends]
    here, mine = problem.correct[turn], problem.costs[turn]
    base_right = problem.correct[gone, samples][before].sum() + right[arrived].sum()
    base_cost = problem.costs[gone][before].sum() + cost[arrived].sum()
    rights = base_right + np.append(0.0, np.cumsum(here[line] - right[line]))
    paid = base_cost - np.append(0.0, np.cumsum(cost[line] - mine))
    scores = problem.scores[turn][line]
    whole = np.ones(len(line) + 1, dtype=bool)
    whole[1:-1] = scores[1:] < scores[:-1]  # equal scores leave together
    worth = rights - price * paid
    worth[~whole | (paid > problem.limit)] = -np.inf
    number = int(np.lexsort((-paid, worth))[-1])
    rank = (float(worth[number]), -round(float(paid[number]), 9))
    return rank, float(scores[number - 1]) if number else np.inf


def _arrived(problem: _Problem, values: Floats, turn: int) -> NDArray[np.bool_]:
    """Images that left at none of the exits before."""
    below: NDArray[np.bool_] = np.all(problem.scores[:turn] < values[:turn, None], axis=0)
    return below


def _ends(problem: _Problem, values: Floats, turn: int) -> Ints:
    """Where each image leaves if it has come to exit ``turn``."""
    ends = np.full(problem.scores.shape[1], problem.turns, dtype=np.int64)
    for at in reversed(range(turn, problem.turns)):
        ends[problem.scores[at] >= values[at]] = at
    return ends


def _totals(problem: _Problem, values: Floats) -> tuple[float, float]:
    """Images right, and the cost of all."""
    ends = _ends(problem, values, 0)
    right = problem.correct[ends, np.arange(len(ends))].sum()
    return float(right), float(problem.costs[ends].sum())


def _rank(problem: _Problem, values: Floats) -> _Rank:
    right, cost = _totals(problem, values)
    return (right if cost <= problem.limit else -np.inf), -round(cost, 9)
