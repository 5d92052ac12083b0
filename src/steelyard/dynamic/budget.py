"""`solve_thresholds`: thresholds for a budget, on validation data; shares of the exits geometric or free."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, checked_costs
from steelyard.dynamic.free_thresholds import best_values
from steelyard.dynamic.policies import Policy
from steelyard.dynamic.thresholds import Thresholds, scored
from steelyard.errors import UsageError
from steelyard.units import format_si

__all__ = ["Distribution", "geometric_shares", "said", "shared_values", "solve_thresholds"]

Distribution = Literal["geometric", "free"]

_STEPS = 200


def solve_thresholds(
    policy: Policy,
    validation: ExitOutputs,
    costs: ArrayLike,
    budget: float,
    *,
    distribution: Distribution = "geometric",
    temperatures: Sequence[float] = (),
    model: str = "",
    unit: str = "MACs",
) -> Thresholds:
    """Thresholds with which the validation images cost at most the budget on average.

    Geometric: exit k is to take a share proportional to r^k of the images (Huang et al. 2018, arXiv:1703.09844,
    section 3.3, whose q is 1 - r), r solved for the budget; thresholds follow one after another. Free: any shares,
    chosen so that most validation images are right.

    Args:
        policy: what gives the scores.
        validation: images that neither the network was trained on nor the result is judged by.
        costs: of leaving at each exit, cumulative: MACs, measured seconds, joules.
        budget: mean cost of an image, in their unit.
        distribution: of the images over the exits.
        temperatures: of each exit; none: 1 each.
        model: fingerprint of the network.
        unit: of costs and budget.

    Raises:
        UsageError: a budget below the first exit's cost or above the last's, or no such distribution.
        ShapeError, InputError: costs that do not fit, see `checked_costs`.
    """
    values = checked_costs(costs, validation.exits)
    check_budget(budget, values, unit)
    if distribution not in get_args(Distribution):
        raise UsageError(f"distribution={distribution!r}", expected="geometric or free")
    found = scored(policy, validation, temperatures)
    start = shared_values(found, geometric_shares(values, budget))
    if distribution == "free" and budget > values[0]:
        start = best_values(found, validation.correct, values, budget, start)
    return Thresholds(
        policy, tuple(start.tolist()), tuple(temperatures), model, float(budget), unit
    )


def check_budget(budget: float, costs: Floats, unit: str) -> None:
    """That the budget can be met, and can be used.

    Raises:
        UsageError: it is below the first exit's cost, above the last's, or no number.
    """
    if costs[0] <= budget <= costs[-1]:
        return
    where = "below the first exit" if budget < costs[0] else "above the last exit"
    if budget != budget:
        where = "no number"
    raise UsageError(
        f"a budget of {said(budget, unit)} is {where}",
        expected=f"{said(costs[0], unit)} to {said(costs[-1], unit)}, what leaving at the first and at the last "
        "exit costs",
    )


def said(cost: float, unit: str) -> str:
    """A cost in words.

    >>> said(0.005, "s"), said(3e7, "MACs")
    ('5.00 ms', '30.0 M MACs')
    """
    if not isfinite(cost):
        return f"{cost:g} {unit}"
    return format_si(cost, unit) if unit in ("s", "J") else f"{format_si(cost)} {unit}"


def geometric_shares(costs: Floats, budget: float) -> Floats:
    """Shares of the exits proportional to r^k whose mean cost is the budget: (exits,) -> (exits,).

    Args:
        costs: growing.
        budget: from the first to the last of them.
    """
    places = np.arange(len(costs))

    def shares(log_ratio: float) -> Floats:
        powers = places * log_ratio
        grown = np.exp(powers - powers.max())
        found: Floats = grown / grown.sum()
        return found

    if budget in (costs[0], costs[-1]):
        all_at_one: Floats = np.eye(len(costs))[0 if budget == costs[0] else -1]
        return all_at_one
    low, high = -800.0, 800.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float(shares(middle) @ costs) > budget:
            high = middle
        else:
            low = middle
    return shares(low)


def shared_values(scores: Floats, shares: Floats) -> Floats:
    """Thresholds by which at least the shares have left through each exit: (exits, N), (exits,) -> (exits - 1,).

    At least: equal scores leave together, and so the mean cost is never above that of the shares.
    """
    samples = scores.shape[1]
    values = np.full(len(shares) - 1, np.inf)
    wanted = np.ceil(np.cumsum(shares) * samples - 1e-9).astype(int)
    left = np.ones(samples, dtype=bool)
    for stage in range(len(values)):
        if not shares[stage + 1 :].any():
            values[stage] = -np.inf  # nothing is to go on, of other images neither
        number = wanted[stage] - (samples - int(left.sum()))
        if number > 0 and values[stage] > 0:
            here = np.sort(scores[stage][left])
            values[stage] = here[len(here) - number]
        left &= scores[stage] < values[stage]
    return values
