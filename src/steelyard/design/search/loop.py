"""`Loop`: who is tried next and what is known, so that a seed is a search, however many work and however it was cut off.

Trials are numbered. What is proposed for number n follows from the seed and from the trials up to n - lag, which the
strategy has been told of in the order of their numbers, whoever finished first. A number that is missing in the store,
because its worker was killed, is proposed again. A later session takes the strategy through the trials that are there in
the same order, so that it knows at every number what it knew then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

from steelyard.design.search.bounds import check_bounds
from steelyard.design.search.crew import Crew, Job
from steelyard.design.search.result import Trial
from steelyard.design.search.store import Store
from steelyard.design.search.strategies import STRATEGIES, Proposal, Strategy, dominates
from steelyard.design.spaces.base import Point
from steelyard.errors import InputError, SteelyardError

if TYPE_CHECKING:
    from steelyard.design.sharing.learn import Learnt

MOST_REJECTED, MOST_REPEATED = 60, 20
"""Proposals for one trial that may break a counted constraint, before `Loop._walked` finds one; and that may have been
there before."""

WALK = 12
"""Steps of a walk among networks that hold the constraints."""

Progress = Callable[[int, int, str], None]
"""Told how many trials are finished, of how many, and how the front stands."""


def lag_of(workers: int) -> int:
    """By how many trials a strategy is behind: as few as keep so many workers busy while one trial takes long."""
    return 1 if workers == 1 else 2 * workers


class Loop:
    """One search.

    Args:
        job: what is evaluated.
        strategy: its name.
        seed: of all that is drawn.
        planned: trials that it is begun for.
        tell: told of every trial.
    """

    def __init__(self, job: Job, strategy: str, seed: int, planned: int, tell: Progress) -> None:
        self.job, self.name, self.seed, self.tell = job, strategy, seed, tell
        self.space, self.planned = job.space, planned
        self.evaluator = job.evaluator()
        self.learnt: Learnt | None = None
        self.trials: dict[int, Trial] = {}
        self.store: Store | None = None
        self.asked = 0
        self._begun = self._told = 0
        self._proposed: dict[int, Proposal] = {}  # until the strategy is told
        self._twins: dict[int, list[int]] = {}  # running trials, and later ones of the same point
        self._first: dict[str, int] = {}  # the first trial of each point
        self._front: list[tuple[float, ...]] = []

    def head(self) -> dict[str, Any]:
        """What makes two searches the same."""
        return {
            "space": self.space.describe(),
            "objectives": ", ".join(map(str, self.job.objectives)),
            "constraints": ", ".join(sorted(map(str, self.job.constraints))) or "none",
            "strategy": self.name,
            "seed": self.seed,
            "recipe": self.job.proxy.to_dict() if self.job.proxy is not None else "none",
        }

    def remember(self, store: Store) -> None:
        """Goes on with what the store holds."""
        self.store, self.planned = store, store.planned
        for trial in sorted(store.trials, key=lambda t: t.number):
            self.recall(trial)

    def recall(self, trial: Trial) -> None:
        """A finished trial of an earlier session, in the order of their numbers."""
        self._first.setdefault(trial.key, trial.number)
        self._add(trial)

    @cached_property
    def strategy(self) -> Strategy:
        """Who proposes."""
        if self.learnt is not None:
            return self.learnt.strategy
        goals = len(self.job.objectives)
        return STRATEGIES[self.name](self.space, self.seed, goals, self.planned)

    def learn(self, learnt: Learnt) -> None:
        """Takes what a strategy with shared weights learnt before it proposes anything."""
        self.learnt, self.evaluator.judge = learnt, learnt.judge

    @cached_property
    def held(self) -> Point | None:
        """A network that holds the counted constraints.

        Raises:
            InputError: there is none.
        """
        return check_bounds(self.evaluator, self.seed)

    @property
    def finished(self) -> tuple[Trial, ...]:
        """In the order of their numbers."""
        return tuple(self.trials[number] for number in sorted(self.trials))

    def missing(self, trials: int) -> deque[int]:
        """Numbers that are to be tried."""
        return deque(n for n in range(trials) if n not in self.trials)

    def run(self, trials: int, crew: Crew, lag: int) -> None:
        """Until trials 0 to ``trials`` - 1 are finished."""
        self.asked, waiting, done = trials, self.missing(trials), 0
        while waiting or self._twins:
            while waiting and crew.idle:
                while done in self.trials:
                    done += 1
                if waiting[0] - lag >= done:
                    break  # the strategy does not know enough yet
                self._begin(waiting.popleft(), crew, lag)
            if self._twins:
                for number, answer, seconds in crew.finished():
                    notes = self._proposed[number].notes
                    trial = Trial.of(number, self._key(number), answer, seconds, notes)
                    self._finish(trial)
                    for twin in self._twins.pop(number):
                        self._copy(trial, twin)

    def _begin(self, number: int, crew: Crew, lag: int) -> None:
        """A point that was there before takes its values, one that runs now waits for them."""
        while self._begun < number:
            self._adopt(self._begun, lag)
        self._catch_up(number - lag)
        self._begun = number + 1
        self._proposed[number] = proposal = self._next(number)
        first = self._first.get(key := self._key(number), number)
        self._first[key] = min(first, number)
        if first >= number:
            self._twins[number] = []
            crew.submit(number, proposal.point)
        elif first in self.trials:
            self._copy(self.trials[first], number)
        else:
            self._twins[first].append(number)

    def _adopt(self, number: int, lag: int) -> None:
        """A trial of an earlier session, at the moment at which the strategy proposed it."""
        self._catch_up(number - lag)
        self._begun = number + 1
        point = self.space.decode(self.trials[number].key)
        self._proposed[number] = self.strategy.adopt(point)

    def _catch_up(self, last: int) -> None:
        """Tells the strategy of all trials up to this one."""
        while self._told <= last:
            values = self._values(self.trials[self._told])
            self.strategy.tell(self._proposed.pop(self._told), values)
            self._told += 1

    def _copy(self, trial: Trial, number: int) -> None:
        reason, notes = f"as trial {trial.number}", self._proposed[number].notes
        self._finish(replace(trial, number=number, reason=reason, seconds=0.0, notes=notes))

    def _next(self, number: int) -> Proposal:
        """A proposal that holds all counted constraints, and a new one if there is any."""
        repeated = 0
        for attempt in range(MOST_REJECTED):
            proposal = self.strategy.propose(number, attempt)
            first = self._first.get(self.space.encode(proposal.point), number)
            if first < number and repeated < MOST_REPEATED:
                repeated += 1
            elif self._holds(proposal.point):
                return proposal
            self.strategy.tell(proposal, None)
        return self._walked(number)

    def _walked(self, number: int) -> Proposal:
        """Where few networks hold the constraints: one some mutations away from one that does, by such as do, too."""
        random = Random(f"{self.seed}/{number}/walk")  # noqa: S311
        trials = [self.trials[n] for n in range(self._told)]
        known = [self.space.decode(trial.key) for trial in trials if trial.state != "failed"]
        if not known and self.held is not None:
            known = [self.held]
        if not known:
            raise InputError(
                f"of {MOST_REJECTED} networks of {self.space.name} that were proposed none holds "
                + ", ".join(map(str, self.job.constraints)),
                expected="constraints that more networks hold",
            )
        point = known[random.randrange(len(known))]
        for _ in range(WALK):
            mutant = self.space.mutate(point, random)
            if self._holds(mutant):
                point = mutant
        return self.strategy.adopt(point)

    def _holds(self, point: Point) -> bool:
        if not any(one.quantity.counted for one in self.job.constraints):
            return True
        try:
            return self.evaluator.broken(self.evaluator.counted(point)) is None
        except SteelyardError:
            return True  # a trial that fails, and says why

    def _finish(self, trial: Trial) -> None:
        if self.store is not None:
            self.store.put(trial)
        self._add(trial)
        self.tell(len(self.trials), self.asked, self._standing(trial))

    def _add(self, trial: Trial) -> None:
        self.trials[trial.number] = trial
        mine = self._values(trial)
        if mine is None or any(one == mine or dominates(one, mine) for one in self._front):
            return
        self._front = [one for one in self._front if not dominates(mine, one)] + [mine]

    def _values(self, trial: Trial) -> tuple[float, ...] | None:
        if trial.state != "done":
            return None
        return tuple(trial.values[str(one)] for one in self.job.objectives)

    def _standing(self, trial: Trial) -> str:
        """The last trial that did not end well, else the front in a few words."""
        if trial.state == "failed":
            return f"trial {trial.number} failed: {trial.reason}"
        if not self._front:
            return "none done yet"
        least = min(self._front)
        named = zip(self.job.objectives, least, strict=True)
        values = ", ".join(f"{one} {one.show(value)}" for one, value in named)
        return f"front of {len(self._front)}, from {values}"

    def _key(self, number: int) -> str:
        return self.space.encode(self._proposed[number].point)
