"""Strategies on made-up objectives: algorithm 1 of the paper step by step, and that learning beats chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median

import pytest

from steelyard.design.search import Evolution, Nsga2, Proposal, RandomSearch, Strategy
from steelyard.design.search.strategies import STRATEGIES, dominates, population_for
from steelyard.design.spaces import Choice, Point, SearchSpace
from steelyard.errors import UsageError


class Plain(SearchSpace):
    """Eight choices of six values each; nothing is built."""

    kind = "plain"
    name = "plain"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"c{i}", tuple(range(6))) for i in range(8))

    def input_shape(self, point: Point) -> tuple[int, int, int, int]:
        return (1, 1, 1, 1)


Objective = Callable[[Point], tuple[float, ...]]


def run(strategy: Strategy, objective: Objective, trials: int) -> list[tuple[float, ...]]:
    found = []
    for number in range(trials):
        proposal = strategy.propose(number, 0)
        found.append(objective(proposal.point))
        strategy.tell(proposal, found[-1])
    return found


def single(point: Point) -> tuple[float, ...]:
    """Least at 3, 3, 3 ..."""
    return (float(sum((x - 3) ** 2 for x in point)),)


def double(point: Point) -> tuple[float, ...]:
    """Against each other in the first half; the second half is best at 0."""
    waste = float(sum(point[4:]))
    return (sum(point[:4]) + waste, sum(5 - x for x in point[:4]) + waste)


def volume(front: list[tuple[float, ...]], corner: float = 45.0) -> float:
    """Of two objectives: the area that is dominated below the corner."""
    area, height = 0.0, corner
    for x, y in sorted(front):
        if y < height:
            area += (corner - x) * (height - y)
            height = y
    return area


def test_evolution_finds_more_than_chance_at_equal_budget() -> None:
    """Real et al. 2018, fig. 4, on a made-up landscape; ten seeds."""
    space = Plain()
    ours = [
        min(run(Evolution(space, seed, population=20, sample=5), single, 200))[0]
        for seed in range(10)
    ]
    chance = [min(run(RandomSearch(space, seed), single, 200))[0] for seed in range(10)]
    assert median(ours) < median(chance) / 2


def test_the_population_is_the_last_networks_and_parents_come_from_it() -> None:
    """Algorithm 1: the oldest dies, however good it is."""
    space = Plain()
    strategy = Evolution(space, 0, population=4, sample=2)
    for i in range(7):
        strategy.tell(Proposal((i % 6,) * 8), (float(i),))
    assert [values for _, values in strategy.population] == [(3.0,), (4.0,), (5.0,), (6.0,)]
    parents = {point for point, _ in strategy.population}
    for number in range(50):
        child = strategy.propose(number, 0).point
        assert any(sum(a != b for a, b in zip(child, p, strict=True)) == 1 for p in parents)


def test_a_sample_of_all_takes_the_best() -> None:
    """With S far above P the best is drawn all but certainly."""
    strategy = Evolution(Plain(), 0, population=3, sample=3)
    for i, value in enumerate((5.0, 1.0, 9.0)):
        strategy.tell(Proposal((i,) * 8), (value,))
    children = [strategy.propose(number, 0).point for number in range(60)]
    near = [sum(x == 1 for x in child) >= 7 for child in children]
    assert sum(near) > 30  # 1 - (2/3)^3 = 70 % of samples hold the best


def test_nsga2_covers_more_of_the_front_than_chance() -> None:
    space = Plain()
    ours, chance = [], []
    for seed in range(3):
        ours.append(volume(run(Nsga2(space, seed, objectives=2, population=20), double, 160)))
        chance.append(volume(run(RandomSearch(space, seed), double, 160)))
    assert median(ours) > median(chance)


def test_failed_trials_teach_nothing() -> None:
    for strategy in (
        Evolution(Plain(), 0, population=2, sample=1),
        Nsga2(Plain(), 0, objectives=1, population=2),
    ):
        for number in range(5):
            strategy.tell(strategy.propose(number, 0), None)
        assert Plain().contains(strategy.propose(5, 0).point)


def test_dominance() -> None:
    random = Random(0)
    for _ in range(100):
        a, b = ([random.randrange(3) for _ in range(3)] for _ in range(2))
        better = all(x <= y for x, y in zip(a, b, strict=True)) and a != b
        assert dominates(a, b) == better


def test_samples_are_of_the_population() -> None:
    with pytest.raises(UsageError, match="a sample of 9 of a population of 3"):
        Evolution(Plain(), 0, population=3, sample=9)


def test_populations_are_a_sixth_of_the_trials_within_bounds() -> None:
    sizes = {1: 8, 24: 8, 53: 8, 54: 9, 100: 16, 150: 25, 299: 49, 300: 50, 100_000: 50}
    assert {trials: population_for(trials) for trials in sizes} == sizes
    for name in ("evolution", "nsga2"):
        made = STRATEGIES[name](Plain(), 0, 2, 150)
        assert isinstance(made, (Evolution, Nsga2))
        assert made.size == 25
