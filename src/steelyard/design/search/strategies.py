"""`Strategy`: who proposes the next network: at random, regularised evolution, or NSGA-II.

A strategy proposes points and is told what became of them. It draws from a generator of its own for each proposal, so
that what it proposes follows from what it proposed and was told before, in this order. A search that was cut off makes it
adopt the points of the earlier session as it goes through them again, and then goes on as if it had not been.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.errors import MissingExtraError, UsageError

Values = tuple[float, ...]
"""Of the objectives, in their order; the smaller the better."""


SMALLEST, LARGEST = 8, 50
"""Populations of a search whose number of trials is known: a sixth of it, within these; see `population_for`."""


def population_for(trials: int) -> int:
    """The population of evolution and NSGA-II in a search of so many trials: a sixth of them, from 8 to 50.

    The first population is drawn at random, and what comes after it is what these strategies are for: a sixth leaves
    evolution five sixths of the trials, and NSGA-II six generations. `benchmarks/strategies.py` measures it beside a
    quarter, an eighth, and 50 whatever the number of trials.
    """
    return min(max(trials // 6, SMALLEST), LARGEST)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is as good in everything and better in something."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point to be tried.

    Attributes:
        point: of the space.
        token: the strategy's own.
        notes: what is kept with the trial, as plain data.
    """

    point: Point
    token: object = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class Strategy(ABC):
    """Proposes points."""

    @abstractmethod
    def propose(self, number: int, attempt: int) -> Proposal:
        """A point for trial ``number``; ``attempt`` counts proposals that were turned down."""

    def adopt(self, point: Point) -> Proposal:
        """A point that the strategy does not choose now, as if it had: of an earlier session, or found by `Loop`."""
        return Proposal(point)

    @abstractmethod
    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """What became of a proposal; None: it breaks a constraint, failed, or was there before."""


class RandomSearch(Strategy):
    """Every point of the space with equal probability."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space, self.seed = space, seed

    def propose(self, number: int, attempt: int) -> Proposal:
        """A point for trial ``number``."""
        return Proposal(self.space.sample(_generator(self.seed, number, attempt)))

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """Nothing is learnt."""


class Evolution(Strategy):
    """Regularised (ageing) evolution: the best of some of the last networks is mutated, the oldest dies.

    Real, Aggarwal, Huang, Le 2018 (arXiv:1802.01548), algorithm 1: P is ``population``, S is ``sample``, a quarter of it
    as in the paper (25 of 100) where none is given. With several objectives the best of a sample is any that none of it
    dominates.

    Raises:
        UsageError: a sample larger than the population, or none.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        population: int = LARGEST,
        sample: int | None = None,
    ) -> None:
        sample = max(1, population // 4) if sample is None else sample
        if not 1 <= sample <= population:
            raise UsageError(
                f"a sample of {sample} of a population of {population}", expected="1 to all of it"
            )
        self.space, self.seed, self.sample, self.size = space, seed, sample, population
        self.population: deque[tuple[Point, Values]] = deque(maxlen=population)

    def propose(self, number: int, attempt: int) -> Proposal:
        """A random point until the population is full, then a mutant."""
        random = _generator(self.seed, number, attempt)
        if len(self.population) < self.size:
            return Proposal(self.space.sample(random))
        drawn = [self.population[random.randrange(self.size)] for _ in range(self.sample)]
        best = [a for a in drawn if not any(dominates(b[1], a[1]) for b in drawn)]
        parent, _ = best[random.randrange(len(best))]
        return Proposal(self.space.mutate(parent, random))

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """The youngest; the oldest goes."""
        if values is not None:
            self.population.append((proposal.point, values))


class Nsga2(Strategy):
    """NSGA-II by Optuna: Deb et al. 2002 (IEEE Trans. Evol. Comput. 6).

    Raises:
        MissingExtraError: Optuna is not installed.
    """

    def __init__(
        self, space: SearchSpace, seed: int, *, objectives: int, population: int = LARGEST
    ) -> None:
        try:
            self.optuna: Any = importlib.import_module("optuna")
        except ImportError:
            raise MissingExtraError("NSGA-II", extra="search", package="optuna") from None
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.space, self.seed, self.size = space, seed, population
        self.ranges = {
            choice.name: self.optuna.distributions.IntDistribution(0, len(choice.values) - 1)
            for choice in space.choices
        }
        self.searched = {name: one for name, one in self.ranges.items() if not one.single()}
        self.study: Any = self.optuna.create_study(
            directions=["minimize"] * objectives, sampler=self._sampler(0, 0)
        )

    def _sampler(self, number: int, attempt: int) -> Any:
        """Optuna's, which keeps populations and parents in the study, hence nothing but random numbers of its own."""
        seed = _generator(self.seed, number, attempt).getrandbits(32)
        made = self.optuna.samplers.NSGAIISampler(population_size=self.size, seed=seed)
        # Optuna would look for it in all earlier trials
        made.infer_relative_search_space = lambda study, trial: self.searched
        return made

    def propose(self, number: int, attempt: int) -> Proposal:
        """What Optuna's sampler suggests."""
        self.study.sampler = self._sampler(number, attempt)
        return self._asked()

    def adopt(self, point: Point) -> Proposal:
        """Enqueued in Optuna's study."""
        self.study.enqueue_trial(dict(zip(self.ranges, point, strict=True)))
        return self._asked()

    def _asked(self) -> Proposal:
        trial = self.study.ask(self.ranges)
        # an enqueued trial is of no generation until the sampler was asked, too
        _ = trial.relative_params
        point = tuple(trial.params[name] for name in self.ranges)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        notes = {k: v for k, v in frozen.system_attrs.items() if isinstance(v, (int, float, str))}
        return Proposal(point, trial, notes)

    def tell(self, proposal: Proposal, values: Values | None) -> None:
        """To Optuna."""
        if values is None:
            self.study.tell(proposal.token, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(proposal.token, list(values))


Maker = Callable[[SearchSpace, int, int, int], Strategy]
STRATEGIES: Mapping[str, Maker] = {
    "random": lambda space, seed, objectives, trials: RandomSearch(space, seed),
    "evolution": lambda space, seed, objectives, trials: Evolution(
        space, seed, population=population_for(trials)
    ),
    "nsga2": lambda space, seed, objectives, trials: Nsga2(
        space, seed, objectives=objectives, population=population_for(trials)
    ),
    "rl": lambda space, seed, objectives, trials: _reinforce(space, seed),
}
"""By name: a space, a seed, the number of objectives and that of trials make one."""


def _reinforce(space: SearchSpace, seed: int) -> Strategy:
    from steelyard.design.search.reinforce import Reinforce

    return Reinforce(space, seed)


def _generator(seed: int, number: int, attempt: int) -> Random:
    return Random(f"{seed}/{number}/{attempt}")  # noqa: S311
