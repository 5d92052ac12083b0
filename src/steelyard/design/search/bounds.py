"""`check_bounds`: whether constraints can be held at all, found out before a search begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from steelyard.design.search.evaluate import Evaluator
from steelyard.design.spaces.base import Point
from steelyard.design.spaces.codesign import Codesign
from steelyard.errors import InputError, SteelyardError

LOOKS, DESCENT = {True: 200, False: 12}, {True: 300, False: 60}
"""Networks that are drawn, and those looked at on the way down from the best of them: of chains, and of others, which
are captured as a whole."""


def check_bounds(evaluator: Evaluator, seed: int = 0) -> Point | None:
    """A network that holds all counted constraints, None without constraints.

    It is looked for among some that are drawn, then from the best of them down, choice by choice.

    Raises:
        InputError: the least that was found is above a limit.
    """
    if not evaluator.constraints:
        return None
    random = Random(seed)  # noqa: S311
    space = evaluator.space
    counted = [one for one in evaluator.constraints if one.quantity.counted]

    def excess(point: Point) -> float:
        try:
            values = evaluator.counted(point)
        except SteelyardError:
            return float("inf")
        return max(
            (values[str(one.quantity)] / max(one.limit, 1e-12) for one in counted), default=0.0
        )

    first = space.sample(random)
    best: Point | None = None
    if counted:
        looks = LOOKS[space.parts(first) is not None]
        drawn = [first, *(space.sample(random) for _ in range(looks - 1))]
        best = min(drawn, key=excess)
        if excess(best) > 1:
            best = _down(evaluator, best, excess)
        if excess(best) > 1:
            raise _infeasible(evaluator, best)
    if len(counted) < len(evaluator.constraints):
        _check_placed(evaluator, first)
    return best


def _check_placed(evaluator: Evaluator, start: Point) -> None:
    """A device's latency and energy, of the network with the fewest MACs that is found."""
    placed = [o for o in evaluator.constraints if not o.quantity.counted and o.quantity.device]
    if not placed:
        return

    def macs(point: Point) -> float:
        try:
            return float(evaluator.costs(point).macs)
        except SteelyardError:
            return float("inf")

    wanted = [one.quantity for one in placed]
    only = Evaluator(evaluator.space, wanted, placed, evaluator.proxy, evaluator.places)
    least = _down(evaluator, start, macs)
    answer = only(least)
    if answer.state == "infeasible" and isinstance(evaluator.space, Codesign):
        least = _best_device(only, evaluator.space, least)
        answer = only(least)
    if answer.state == "infeasible":
        raise InputError(
            f"no network of {evaluator.space.name} is likely to hold {answer.reason} in that with the fewest MACs "
            f"that was found ({evaluator.space.encode(least)})",
            expected="a constraint that the smallest networks hold",
        )


def _best_device(evaluator: Evaluator, space: Codesign, point: Point) -> Point:
    """The network of a point on the device on which it comes nearest to holding the constraints."""

    def excess(point: Point) -> float:
        answer = evaluator(point)
        if answer.state == "done":
            return 0.0
        found = [
            answer.values[str(one.quantity)] / max(one.limit, 1e-12)
            for one in evaluator.constraints
            if str(one.quantity) in answer.values
        ]
        return max(found, default=float("inf"))

    return _down(evaluator, point, excess, range(len(space.networks.choices), len(point)))


def _down(
    evaluator: Evaluator,
    point: Point,
    value: Callable[[Point], float],
    places: Sequence[int] | None = None,
) -> Point:
    """From a point to one of least value among its neighbours, choice by choice; None: all choices."""
    space, looked, least = evaluator.space, 0, value(point)
    most = DESCENT[space.parts(point) is not None]
    for place in range(len(point)) if places is None else places:
        choice = space.choices[place]
        ends = {0, len(choice.values) // 2, len(choice.values) - 1} - {point[place]}
        for index in sorted(ends):
            other = (*point[:place], index, *point[place + 1 :])
            if looked >= most or not space.contains(other):
                continue
            looked += 1
            found = value(other)
            if found < least:
                point, least = other, found
    return point


def _infeasible(evaluator: Evaluator, least: Point) -> InputError:
    values = evaluator.counted(least)
    broken = [
        f"{one}: the least found is {one.quantity.show(values[str(one.quantity)])}"
        for one in evaluator.constraints
        if str(one.quantity) in values and not one.holds(values[str(one.quantity)])
    ]
    return InputError(
        f"no network of {evaluator.space.name} was found that holds its constraints\n"
        + "\n".join(broken),
        expected="constraints that can be held together",
    )
