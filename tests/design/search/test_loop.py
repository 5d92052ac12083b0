"""`Loop`: the same trials whoever finishes first, and whatever a store lacks."""

from __future__ import annotations

from random import Random

import pytest

from steelyard.design.search.crew import Crew, Finished, Job
from steelyard.design.search.goals import quantities
from steelyard.design.search.loop import Loop, lag_of
from steelyard.design.search.result import Trial
from steelyard.design.search.strategies import Evolution, Nsga2, RandomSearch, Strategy
from steelyard.design.spaces import MobileSpace, MobileStage, Point

SPACE = MobileSpace(
    "few",
    (
        MobileStage(channels=(8, 16), kernel=(3, 5), expansion=(2.0,)),
        MobileStage(channels=(16, 24, 32), repeats=(1, 2), expansion=(2.0,), stride=2),
    ),
    resolution=(8,),
    settings={"num_classes": 10, "in_channels": 1, "stem": "cifar"},
)
STRATEGIES = {
    "random": lambda: RandomSearch(SPACE, 3),
    "evolution": lambda: Evolution(SPACE, 3, population=6, sample=3),
    "nsga2": lambda: Nsga2(SPACE, 3, objectives=2, population=8),
}


class Shuffled(Crew):
    """Finishes what it was given in any order, one or two at a time."""

    def __init__(self, loop: Loop, workers: int, seed: int) -> None:
        self.loop, self.workers, self.random = loop, workers, Random(seed)
        self.taken: list[tuple[int, Point]] = []
        self.begun: list[int] = []

    @property
    def idle(self) -> bool:
        return len(self.taken) < self.workers

    def submit(self, number: int, point: Point) -> None:
        assert self.idle
        self.begun.append(number)
        self.taken.append((number, point))

    def finished(self) -> list[Finished]:
        assert self.taken
        self.random.shuffle(self.taken)
        done = [self.taken.pop() for _ in range(self.random.randint(1, min(2, len(self.taken))))]
        return [(number, self.loop.evaluator(point), 0.0) for number, point in done]


def loop(strategy: str) -> Loop:
    job = Job(SPACE, quantities(["macs,peak_memory"]), (), None)
    made = Loop(job, "random", 3, 40, lambda done, every, how: None)
    chosen: Strategy = STRATEGIES[strategy]()
    made.strategy = chosen
    return made


def trials(strategy: str, order: int, *, workers: int = 3, count: int = 40) -> tuple[Trial, ...]:
    one = loop(strategy)
    one.run(count, Shuffled(one, workers, order), lag_of(workers))
    return one.finished


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_order_in_which_workers_finish_changes_nothing(strategy: str) -> None:
    first = trials(strategy, 0)
    assert [trial.number for trial in first] == list(range(40))
    assert all(trials(strategy, order) == first for order in (1, 2))
    assert any(trial.reason for trial in first)  # some points came twice, and were evaluated once
    evaluated = [trial.key for trial in first if not trial.reason]
    assert len(evaluated) == len(set(evaluated))


def test_workers_are_busy_while_one_trial_takes_long() -> None:
    class Slow(Shuffled):
        def finished(self) -> list[Finished]:
            """Number 0 last, as long as there is another."""
            self.taken.sort(reverse=True)
            number, point = self.taken.pop(0)
            return [(number, self.loop.evaluator(point), 0.0)]

    one = loop("random")
    crew = Slow(one, 3, 0)
    one.run(12, crew, lag_of(3))
    order = list(one.trials)
    assert order.index(0) == lag_of(3) - 1


@pytest.mark.parametrize(
    ("strategy", "lost"),
    [
        *((one, lost) for one in ("random", "evolution") for lost in ({17}, {3, 8, 9, 21})),
        ("evolution", set(range(12, 25))),
        ("nsga2", {9, *range(12, 25)}),
    ],
)
def test_lost_trials_are_proposed_again(strategy: str, lost: set[int]) -> None:
    """As after a kill that left holes: the search ends with the trials that it would have had."""
    whole = trials(strategy, 0)
    one = loop(strategy)
    # who had copied a lost trial is lost with it
    lost |= {t.number for t in whole if t.reason and int(t.reason.split()[-1]) in lost}
    for trial in whole[:30]:
        if trial.number not in lost:
            one.recall(trial)
    crew = Shuffled(one, 3, 5)
    one.run(40, crew, lag_of(3))
    assert one.finished == whole
    assert not set(crew.begun) & (set(range(30)) - lost)
