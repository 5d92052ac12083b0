"""`search`: looks for the best networks of a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from steelyard.design.search.bounds import check_bounds
from steelyard.design.search.crew import Crew, Job
from steelyard.design.search.evaluate import Evaluator
from steelyard.design.search.goals import constraint, quantities
from steelyard.design.search.result import SearchResult, Trial
from steelyard.design.search.store import Store, sole_search
from steelyard.design.search.strategies import STRATEGIES, Proposal, Strategy, dominates
from steelyard.design.spaces.base import Point, SearchSpace
from steelyard.design.spaces.registry import load_space
from steelyard.errors import InputError, SteelyardError, UnknownNameError, UsageError
from steelyard.train.recipe import Recipe
from steelyard.train.toml import load_recipe

MOST_REJECTED, MOST_REPEATED = 60, 20
"""Proposals for one trial that may break a counted constraint, before `_Search._walked` finds one; and that may have been
there before."""

FEWEST_RANKED = 5
"""Networks that a rank correlation is told of."""

WALK = 12
"""Steps of a walk among networks that hold the constraints."""

MOST_WORKERS = 64

Progress = Callable[[int, int, str], None]
"""Told how many trials are finished, of how many, and how the front stands."""


def search(
    space: SearchSpace | str | Path,
    objectives: str | Sequence[str],
    *,
    constraints: str | Sequence[str] = (),
    trials: int = 100,
    strategy: str = "",
    seed: int = 0,
    store: str | Path | None = None,
    workers: int = 1,
    recipe: Recipe | str | Path | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Tries networks of a space, and returns all of them and those that none of them beats.

    Constraints on counted quantities are held by every network that is tried; others are checked before anything that
    takes longer. With one worker the same seed gives the same trials. With a store, a search that ended early goes on:
    a trial is kept when it is finished, and none is tried twice.

    Example: ``search("mnasnet", ["macs", "latency_ms@cpu"], constraints="params<=2M", trials=500)``.

    Args:
        space: a `SearchSpace`, a name of `list_spaces`, or a TOML file.
        objectives: what is minimised, see `steelyard.design.search.goals`.
        constraints: what must hold, ``macs<=300M``.
        trials: finished ones, in all sessions together.
        strategy: ``random``, ``evolution`` or ``nsga2``; "": evolution for one objective, else nsga2.
        seed: of all that is drawn.
        store: a file in which trials are kept.
        workers: processes that evaluate; the space must then be one that can be sent to them.
        recipe: for ``error``: how networks are trained; its own network is replaced.
        progress: told how it goes, after every trial.

    Raises:
        UsageError: objectives, constraints or options that are wrong; or the store is of another search or in use.
        UnknownNameError: no such strategy, device or recipe.
        InputError: constraints that no network holds, or a store that cannot be used.
        MissingExtraError: nsga2 without Optuna.
        KeyboardInterrupt: interrupted; what is finished is in the store.
    """
    found = space if isinstance(space, SearchSpace) else load_space(space)
    goals = quantities([objectives] if isinstance(objectives, str) else objectives)
    texts = [constraints] if isinstance(constraints, str) else constraints
    limits = tuple(constraint(one) for text in texts for one in text.split(",") if one.strip())
    chosen = strategy or ("evolution" if len(goals) == 1 else "nsga2")
    if chosen not in STRATEGIES:
        raise UnknownNameError("strategy", chosen, STRATEGIES, hint=", ".join(STRATEGIES))
    if trials < 1 or not 1 <= workers <= MOST_WORKERS:
        raise UsageError(
            f"{trials} trials, {workers} workers",
            expected=f"at least 1, at most {MOST_WORKERS} workers",
        )
    proxy = recipe if isinstance(recipe, Recipe) or recipe is None else load_recipe(recipe)
    job = Job(found, goals, limits, proxy)
    one = _Search(job, chosen, seed, progress or (lambda done, every, how: None))
    if workers > 1 and one.evaluator.measures:
        raise UsageError(
            f"latencies that are measured, by {workers} workers at once, disturb each other",
            expected="one worker, or a machine that is calibrated",
            hint="steelyard calibrate",
        )
    with ExitStack() as held:
        if store is not None:
            held.enter_context(sole_search(Path(store)))
            one.remember(Store(Path(store), one.head()))
        one.run(trials, workers)
    return one.result()


class _Search:
    """One search: what is known, and the loop."""

    def __init__(self, job: Job, strategy: str, seed: int, tell: Progress) -> None:
        self.job, self.name, self.seed, self.tell = job, strategy, seed, tell
        self.evaluator: Evaluator = job.evaluator()
        self.strategy: Strategy = STRATEGIES[strategy](job.space, seed, len(job.objectives))
        self.trials: list[Trial] = []
        self.store: Store | None = None
        self.asked = 0
        self.held: Point | None = None
        self._number = 0
        self._running: dict[int, Proposal] = {}
        self._twins: dict[int, int] = {}  # running trials of the same point: the later, the earlier
        self._seen: dict[str, Trial] = {}
        self._front: list[tuple[float, ...]] = []

    def head(self) -> dict[str, Any]:
        """What makes two searches the same."""
        return {
            "space": self.job.space.describe(),
            "objectives": ", ".join(map(str, self.job.objectives)),
            "constraints": ", ".join(sorted(map(str, self.job.constraints))) or "none",
            "strategy": self.name,
            "seed": self.seed,
            "recipe": self.job.proxy.to_dict() if self.job.proxy is not None else "none",
        }

    def remember(self, store: Store) -> None:
        """Goes on with what the store holds."""
        self.store = store
        for trial in sorted(store.trials, key=lambda t: t.number):
            point = self.job.space.decode(trial.key)
            self.strategy.recall(point, self._values(trial), trial.notes)
            self._add(trial)

    def run(self, trials: int, workers: int) -> None:
        """Until so many trials are finished."""
        self.asked = trials
        if len(self.trials) >= trials:
            return
        if not self.trials:
            self.held = check_bounds(self.evaluator, self.seed)
        crew = Crew(self.job, min(workers, trials - len(self.trials)), self.evaluator)
        self._number = 1 + max((trial.number for trial in self.trials), default=-1)
        try:
            while len(self.trials) < trials:
                while crew.idle and len(self.trials) + len(self._running) < trials:
                    self._begin(crew)
                if len(self._running) > len(self._twins):
                    for number, answer, seconds in crew.finished():
                        proposal = self._running.pop(number)
                        key = self._key(proposal)
                        trial = Trial.of(number, key, answer, seconds, proposal.notes)
                        self._finish(trial, proposal)
                        for twin in [n for n, of in self._twins.items() if of == number]:
                            del self._twins[twin]
                            self._copy(trial, twin, self._running.pop(twin))
        finally:
            crew.close()

    def _begin(self, crew: Crew) -> None:
        """The next trial; a point that was there before takes its values, one that runs now waits for them."""
        number, self._number = self._number, self._number + 1
        proposal = self._next(number)
        key = self._key(proposal)
        if key in self._seen:
            self._copy(self._seen[key], number, proposal)
            return
        same = [n for n, other in self._running.items() if self._key(other) == key]
        self._running[number] = proposal
        if same:
            self._twins[number] = same[0]
        else:
            crew.submit(number, proposal.point)

    def _copy(self, trial: Trial, number: int, proposal: Proposal) -> None:
        reason = f"as trial {trial.number}"
        again = replace(trial, number=number, reason=reason, seconds=0.0, notes=proposal.notes)
        self._finish(again, proposal)

    def _next(self, number: int) -> Proposal:
        """A proposal that holds all counted constraints, and a new one if there is any."""
        repeated = 0
        there = {self._key(proposal) for proposal in self._running.values()}
        for attempt in range(MOST_REJECTED):
            proposal = self.strategy.propose(number, attempt)
            key = self._key(proposal)
            if (key in self._seen or key in there) and repeated < MOST_REPEATED:
                repeated += 1
            elif self._holds(proposal.point):
                return proposal
            self.strategy.tell(proposal, None)
        return self._walked(number)

    def _walked(self, number: int) -> Proposal:
        """Where few networks hold the constraints: one some mutations away from one that does, by such as do, too."""
        random = Random(f"{self.seed}/{number}/walk")  # noqa: S311
        space = self.job.space
        known = [space.decode(trial.key) for trial in self.trials if trial.state != "failed"]
        if not known and self.held is not None:
            known = [self.held]
        if not known:
            raise InputError(
                f"of {MOST_REJECTED} networks of {space.name} that were proposed none holds "
                + ", ".join(map(str, self.job.constraints)),
                expected="constraints that more networks hold",
            )
        point = known[random.randrange(len(known))]
        for _ in range(WALK):
            mutant = space.mutate(point, random)
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

    def _finish(self, trial: Trial, proposal: Proposal) -> None:
        if self.store is not None:
            self.store.put(trial)
        self.strategy.tell(proposal, self._values(trial))
        self._add(trial)
        self.tell(len(self.trials), self.asked, self._standing(trial))

    def _add(self, trial: Trial) -> None:
        self.trials.append(trial)
        self._seen.setdefault(trial.key, trial)
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

    def _key(self, proposal: Proposal) -> str:
        return self.job.space.encode(proposal.point)

    def result(self) -> SearchResult:
        """Everything that is known now."""
        return SearchResult(
            self.job.space, self.name, self.seed, tuple(self.job.objectives), tuple(self.job.constraints),
            tuple(sorted(self.trials, key=lambda t: t.number)), self._facts(), self.job.proxy,
            self._warnings(),
        )  # fmt: skip

    def _facts(self) -> dict[str, str]:
        facts = {f"latency_ms@{d}": str(c) for d, c in self.evaluator.clocks.items()}
        wanted = {one.name for one in self.evaluator.wanted}
        if "error" in wanted and self.job.proxy is not None:
            proxy = self.job.proxy
            epochs = f"{proxy.epochs} epoch{'s' if proxy.epochs > 1 else ''}"
            facts["error"] = (
                f"of the test images of {proxy.data.source} after {epochs} by the recipe {proxy.name}: "
                "a proxy for full training"
            )
        if "naswot" in wanted:
            facts["naswot"] = (
                "minus the score of Mellor et al. 2021 of the untrained network on noise: a proxy for accuracy"
            )
            facts |= self._correlation()
        return facts

    def _correlation(self) -> dict[str, str]:
        """Of the score and the error, where both were found."""
        from steelyard.design.search.zero_cost import rank_correlation

        rows = {t.key: t.values for t in self.trials if {"naswot", "error"} <= t.values.keys()}
        if len(rows) < FEWEST_RANKED:
            return {}
        one, other = ([values[name] for values in rows.values()] for name in ("naswot", "error"))
        found = rank_correlation(one, other)
        return {
            "naswot and error": f"rank correlation {found:.2f} over {len(rows)} networks of this search, with "
            "its short trainings"
        }  # fmt: skip

    def _warnings(self) -> tuple[str, ...]:
        found = list(self.store.notes) if self.store is not None else []
        reasons = Counter(t.reason for t in self.trials if t.state == "failed")
        if reasons:
            reason, _ = reasons.most_common(1)[0]
            total = sum(reasons.values())
            found.append(f"{total} trial{'s' if total > 1 else ''} failed, most often: {reason}")
        return tuple(found)
