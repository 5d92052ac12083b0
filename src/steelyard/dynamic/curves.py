"""Accuracy against cost: `anytime_curve` of the exits as they are, `budgeted_curve` of thresholds solved for budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from steelyard._display import Printable
from steelyard.dynamic.budget import Distribution, solve_thresholds
from steelyard.dynamic.budget_check import outcome
from steelyard.dynamic.exit_outputs import ExitOutputs, Floats, checked_costs
from steelyard.dynamic.policies import Policy
from steelyard.errors import UsageError

__all__ = ["Curve", "CurvePoint", "anytime_curve", "budgeted_curve"]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One setting on held-out images.

    Attributes:
        budget: that was asked for, the mean cost of an image.
        cost: that came of it.
        accuracy: share of the images that are right, 0 to 1.
    """

    budget: float
    cost: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Curve(Printable):
    """Accuracy against cost.

    Attributes:
        name: of the policy, or ``anytime``.
        unit: of the costs.
        points: by growing cost.
        steps: between points the accuracy is that of the cheaper one (anytime); else it is on the straight line,
            which a part of the images at either setting reaches.
    """

    name: str
    unit: str
    points: tuple[CurvePoint, ...]
    steps: bool = False

    def area(self, low: float | None = None, high: float | None = None) -> float:
        """Mean accuracy over the costs from ``low`` to ``high``, all alike likely: 0 to 1.

        Args:
            low, high: in the curve's unit, the ends of the curve if not given; beyond its dearest point it stays level.

        Raises:
            UsageError: below the cheapest point, or an empty range.
        """
        costs = np.array([point.cost for point in self.points])
        shares = np.array([point.accuracy for point in self.points])
        least = float(costs[0]) if low is None else low
        most = float(costs[-1]) if high is None else high
        if least < costs[0] or most < least:
            raise UsageError(
                f"the area from {least:g} to {most:g} {self.unit}",
                expected=f"a range from {costs[0]:g} on",
            )
        if least == most:
            return self.accuracy_at(least)
        inner = costs[(costs > least) & (costs < most)]
        edges = np.concatenate([[least], inner, [most]])
        if self.steps:
            heights = shares[np.searchsorted(costs, edges[:-1], side="right") - 1]
            return float(heights @ np.diff(edges) / (most - least))
        ends = np.interp(edges, costs, shares)
        return float((ends[1:] + ends[:-1]) @ np.diff(edges) / 2 / (most - least))

    def accuracy_at(self, cost: float) -> float:
        """What the cost buys: 0 to 1.

        Raises:
            UsageError: less than the cheapest point.
        """
        costs = [point.cost for point in self.points]
        shares = [point.accuracy for point in self.points]
        if cost < costs[0]:
            raise UsageError(
                f"{cost:g} {self.unit}", expected=f"{costs[0]:g} or more, the cheapest point"
            )
        if self.steps:
            return shares[int(np.searchsorted(costs, cost, side="right")) - 1]
        return float(np.interp(cost, costs, shares))

    def cost_for(self, accuracy: float) -> float | None:
        """The least cost that reaches the accuracy; None where none does."""
        before: CurvePoint | None = None
        for point in self.points:
            if point.accuracy >= accuracy:
                if before is None or self.steps:
                    return point.cost
                part = (accuracy - before.accuracy) / (point.accuracy - before.accuracy)
                return before.cost + part * (point.cost - before.cost)
            before = point
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.accuracy-curve/1``."""
        return {
            "schema": "steelyard.accuracy-curve/1",
            "name": self.name,
            "unit": self.unit,
            "steps": self.steps,
            "area": self.area(),
            "points": [
                {"budget": one.budget, "cost": one.cost, "accuracy": one.accuracy}
                for one in self.points
            ],
        }


def anytime_curve(held_out: ExitOutputs, costs: ArrayLike, *, unit: str = "MACs") -> Curve:
    """Each exit for all images: what is known when computing stops at a cost (Huang et al. 2018, section 3.2).

    Args:
        held_out: images that the network was not trained on.
        costs: of each exit, cumulative.
        unit: of the costs.

    Raises:
        ShapeError, InputError: costs that do not fit.
    """
    values = checked_costs(costs, held_out.exits).tolist()
    shares = held_out.correct.mean(1).tolist()
    points = tuple(
        CurvePoint(cost, cost, share) for cost, share in zip(values, shares, strict=True)
    )
    return Curve("anytime", unit, points, steps=True)


def budgeted_curve(
    policy: Policy,
    validation: ExitOutputs,
    held_out: ExitOutputs,
    costs: ArrayLike,
    *,
    budgets: Sequence[float] | int = 20,
    distribution: Distribution = "geometric",
    temperatures: Sequence[float] = (),
    unit: str = "MACs",
) -> Curve:
    """Thresholds solved for each budget on validation images, applied to the others.

    Args:
        policy: what gives the scores.
        validation: images to solve on.
        held_out: images to judge by.
        costs: of leaving at each exit, cumulative.
        budgets: mean costs of an image, or how many from the first exit's cost to the last's.
        distribution: see `solve_thresholds`.
        temperatures: of each exit; none: 1 each.
        unit: of the costs.

    Raises:
        UsageError: no budget, or one that cannot be met.
        ShapeError, InputError: costs that do not fit.
    """
    values = checked_costs(costs, validation.exits)
    wanted = _spread(values, budgets) if isinstance(budgets, int) else list(budgets)
    if not wanted:
        raise UsageError("no budgets", expected="one or more")
    points = []
    for budget in wanted:
        found = solve_thresholds(
            policy, validation, values, budget, distribution=distribution, temperatures=temperatures
        )
        reached = outcome(found, held_out, values)
        points.append(CurvePoint(budget, reached.cost, reached.accuracy))
    points.sort(key=lambda point: (point.cost, point.accuracy))
    return Curve(policy.name, unit, tuple(points))


def _spread(costs: Floats, number: int) -> list[float]:
    """Budgets from the first exit's cost to the last's, evenly, both ends exactly."""
    if number < 2:
        return [float(costs[-1])] * number
    inner = np.linspace(costs[0], costs[-1], number)[1:-1].tolist()
    return [float(costs[0]), *inner, float(costs[-1])]
