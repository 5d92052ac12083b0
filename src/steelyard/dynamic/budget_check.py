"""`check_thresholds`: what thresholds cost and reach on validation and on held-out images, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, log1p
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from steelyard._display import Printable
from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, Ints, checked_costs
from steelyard.dynamic.thresholds import Thresholds
from steelyard.errors import InputError

__all__ = ["BudgetCheck", "Outcome", "check_thresholds", "clopper_pearson", "outcome"]

_DRAWS = 4000
_LEVEL = 0.95
_HALVINGS = 45


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens to some images under thresholds.

    Attributes:
        samples: how many images.
        leaving: how many leave at each exit.
        cost: mean of an image.
        cost_interval: 95 %, by the bootstrap: 4,000 draws of as many images, seed 0.
        accuracy: share of the images that are right, 0 to 1.
        accuracy_interval: 95 %, exact (Clopper and Pearson).
    """

    samples: int
    leaving: tuple[int, ...]
    cost: float
    cost_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "samples": self.samples,
            "leaving": list(self.leaving),
            "cost": self.cost,
            "cost_interval": list(self.cost_interval),
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
        }


@dataclass(frozen=True, slots=True)
class BudgetCheck(Printable):
    """Whether a budget that was solved for holds on images that took no part.

    Attributes:
        budget, unit: what was asked for; of the thresholds.
        policy: its name.
        costs: of leaving at each exit.
        expected: on the validation images.
        realised: on the held-out images.
    """

    budget: float | None
    unit: str
    policy: str
    costs: tuple[float, ...]
    expected: Outcome
    realised: Outcome

    @property
    def holds(self) -> bool | None:
        """Whether the held-out images cost no more than the budget, but for chance; None without a budget."""
        if self.budget is None:
            return None
        return self.realised.cost_interval[0] <= self.budget

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.budget-check/1``."""
        return {
            "schema": "steelyard.budget-check/1",
            "policy": self.policy,
            "budget": self.budget,
            "unit": self.unit,
            "costs": list(self.costs),
            "holds": self.holds,
            "expected": self.expected.to_dict(),
            "realised": self.realised.to_dict(),
        }


def check_thresholds(
    thresholds: Thresholds, validation: ExitOutputs, held_out: ExitOutputs, costs: ArrayLike
) -> BudgetCheck:
    """Expected and realised budget.

    Args:
        thresholds: solved on the validation images.
        validation: those.
        held_out: images that took no part.
        costs: of leaving at each exit, in the budget's unit.

    Raises:
        UsageError: outputs of another number of exits.
        ShapeError, InputError: costs that do not fit.
    """
    return BudgetCheck(
        thresholds.budget,
        thresholds.unit,
        thresholds.policy.name,
        tuple(checked_costs(costs, thresholds.exits).tolist()),
        outcome(thresholds, validation, costs),
        outcome(thresholds, held_out, costs),
    )


def outcome(thresholds: Thresholds, outputs: ExitOutputs, costs: ArrayLike) -> Outcome:
    """What the thresholds do with these images.

    Raises:
        UsageError: outputs of another number of exits.
        ShapeError, InputError: costs that do not fit.
    """
    values = checked_costs(costs, outputs.exits)
    return outcome_of(thresholds.decide(outputs), outputs, values)


def outcome_of(exits: Ints, outputs: ExitOutputs, costs: Floats) -> Outcome:
    """As `outcome`, of images that are known to leave at these exits (N,)."""
    right = int(outputs.correct[exits, np.arange(outputs.samples)].sum())
    leaving = np.bincount(exits, minlength=outputs.exits)
    return Outcome(
        outputs.samples,
        tuple(leaving.tolist()),
        float(leaving @ costs) / outputs.samples,
        _bootstrap(leaving, costs),
        right / outputs.samples,
        clopper_pearson(right, outputs.samples),
    )


def _bootstrap(leaving: Ints, costs: Floats) -> tuple[float, float]:
    """Of the mean cost: images drawn anew are a draw of the counts."""
    samples = int(leaving.sum())
    draws = np.random.default_rng(0).multinomial(samples, leaving / samples, size=_DRAWS)
    low, high = np.quantile(draws @ costs / samples, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def clopper_pearson(right: int, samples: int, *, level: float = _LEVEL) -> tuple[float, float]:
    """Exact interval of a share: it holds the true one at least that often.

    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.

    >>> low, high = clopper_pearson(90, 100)
    >>> f"{low:.4f} {high:.4f}"
    '0.8238 0.9510'

    Args:
        right: of the samples.
        samples: 1 or more.
        level: of confidence.

    Raises:
        InputError: no sample, or more right than samples.
    """
    if not 0 <= right <= samples or not samples:
        raise InputError(f"{right} of {samples} samples", expected="0 to all of 1 or more")
    tail = (1 - level) / 2
    low = _share_with(right, samples, tail) if right else 0.0
    high = _share_with(right + 1, samples, 1 - tail) if right < samples else 1.0
    return low, high


def _share_with(least: int, samples: int, chance: float) -> float:
    """The share of right ones at which ``least`` or more of the samples are right with that chance, by bisection."""
    counts = np.arange(least, samples + 1)
    whole = lgamma(samples + 1)
    ways = np.array([whole - lgamma(k + 1) - lgamma(samples - k + 1) for k in counts.tolist()])
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        logs = ways + counts * log(middle) + (samples - counts) * log1p(-middle)
        if float(np.exp(logs).sum()) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2
