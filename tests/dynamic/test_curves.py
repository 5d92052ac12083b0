"""Curves: areas by hand, what a cost buys, and the ends of a budgeted curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from steelyard.dynamic.curves import Curve, CurvePoint, anytime_curve, budgeted_curve
from steelyard.dynamic.exit_outputs import ExitOutputs
from steelyard.dynamic.policies import Confidence
from steelyard.errors import UsageError

Made = Callable[..., ExitOutputs]
COSTS = np.array([1.0, 2.5, 4.0, 7.0])
POINTS = tuple(CurvePoint(cost, cost, share) for cost, share in ((1, 0.5), (2, 0.7), (5, 0.8)))
STEPS, LINES = Curve("a", "MACs", POINTS, steps=True), Curve("b", "MACs", POINTS)


def test_areas_by_hand() -> None:
    assert STEPS.area() == pytest.approx((1 * 0.5 + 3 * 0.7) / 4)
    assert LINES.area() == pytest.approx((1 * 0.6 + 3 * 0.75) / 4)
    assert STEPS.area(1.5, 3) == pytest.approx((0.5 * 0.5 + 1 * 0.7) / 1.5)
    assert LINES.area(2, 5) == pytest.approx(0.75)
    assert STEPS.area(2, 9) == pytest.approx((3 * 0.7 + 4 * 0.8) / 7)
    assert LINES.area(5, 9) == pytest.approx(0.8)
    assert LINES.area(3.5, 3.5) == pytest.approx(0.75)


def test_area_of_nothing() -> None:
    for low, high in ((0.5, 2), (3, 2)):
        with pytest.raises(UsageError, match="the area from"):
            STEPS.area(low, high)


def test_what_a_cost_buys_and_what_accuracy_costs() -> None:
    assert [STEPS.accuracy_at(cost) for cost in (1, 1.9, 2, 10)] == [0.5, 0.5, 0.7, 0.8]
    assert LINES.accuracy_at(1.5) == pytest.approx(0.6)
    assert [STEPS.cost_for(share) for share in (0.1, 0.6, 0.8, 0.9)] == [1, 2, 5, None]
    assert LINES.cost_for(0.75) == pytest.approx(3.5)
    with pytest.raises(UsageError, match="the cheapest point"):
        LINES.accuracy_at(0.5)


def test_anytime_is_each_exit_for_all(made: Made) -> None:
    outputs = made()
    found = anytime_curve(outputs, COSTS)
    assert [point.accuracy for point in found.points] == outputs.correct.mean(1).tolist()
    assert found.steps
    assert "anytime: accuracy against cost" in str(found)
    assert found.to_dict()["points"][1]["cost"] == 2.5


@pytest.mark.parametrize("distribution", ["geometric", "free"])
def test_budgeted_begins_at_the_first_exit_and_beats_chance(distribution: str, made: Made) -> None:
    validation, held_out = made(samples=1500), made(samples=4000, seed=1)
    found = budgeted_curve(
        Confidence(), validation, held_out, COSTS, budgets=7, distribution=distribution
    )
    shares = held_out.correct.mean(1)
    assert len(found.points) == 7
    assert (found.points[0].cost, found.points[0].accuracy) == (1.0, pytest.approx(shares[0]))
    # sending images on by confidence is better than sending on any of them
    mixed = [np.interp(cost, COSTS, shares) for cost in np.linspace(1, 7, 100)]
    assert found.area(1.0, 7.0) > np.mean(mixed) + 0.01
    assert found.accuracy_at(3.0) > float(np.interp(3.0, COSTS, shares)) + 0.02


def test_no_budgets(made: Made) -> None:
    with pytest.raises(UsageError, match="no budgets"):
        budgeted_curve(Confidence(), made(), made(), COSTS, budgets=[])
    found = budgeted_curve(Confidence(), made(), made(), COSTS, budgets=1)
    assert [point.cost for point in found.points] == [7.0]
