"""The search for the fastest recipe: short trials of all, longer turns of the best few, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from steelyard.errors import BackendError, SteelyardError
from steelyard.measure.child import Child
from steelyard.measure.optimize_result import Trial
from steelyard.measure.recipes import Plan, Recipe, limits
from steelyard.measure.session import Job

if TYPE_CHECKING:
    from torch import nn

    from steelyard.measure.optimize_network import Task

TRIAL_S = 0.2
"""Seconds of samples in a first trial, one at least."""

TURN_S = 0.1
"""Seconds of samples in a turn of the finalists, one at least."""

NOT_TRIED = "not tried"
"""How the reasons for what was left out begin."""

TURNS = 12
"""Of each finalist at most."""

LONG_S = 0.15
"""A run that takes longer counts also if another runtime ran before it: the caches are filled anew in any case."""

BASELINE_EVERY = 3
"""Turns, in one of which a baseline of long runs takes part: it is not what is chosen from."""

FINALISTS = 4
CLOSE = 1.5
"""A finalist's first time is at most so many times the best."""

CLOSE_THOROUGH = 1.6
FINALISTS_THOROUGH = 6
"""The same where everything is compared."""

THOROUGH_SLACK = 2.0
"""Then a recipe is left out only if it would have to be so many times as fast as was ever seen."""

LONG_TURNS = 6
"""Turns of a recipe whose runs are long."""

TRIALS_SHARE = 0.75
"""Of the time; after it no recipe is begun any more."""

Tell = Callable[[str, float], None]


class Lab(Child):
    """A child process that holds one network and runs it in many settings, see `steelyard.measure.optimize_worker`."""

    def __init__(self, job: Job, pinned: tuple[int, ...] | None) -> None:
        """Starts it, as `Child`."""
        super().__init__(job, pinned, "steelyard.measure.optimize_worker")

    def ask(self, do: str, **request: Any) -> Any:
        """The answer.

        Raises:
            SteelyardError: the worker's own, or `BackendError` where it died or did not answer.
        """
        self.job = replace(self.job, setting=str(request.get("setting", self.job.setting)))
        return self._ask(self._limit_s, do=do, **request)

    _limit_s = 600.0

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None


class OwnProcess:
    """The same for a module, in this process."""

    def __init__(self, model: nn.Module) -> None:
        self._state: dict[str, Any] = {"model": model}
        self.alive = True

    def ask(self, do: str, **request: Any) -> Any:
        """The answer; what is no error of ours becomes one."""
        from steelyard.measure.optimize_worker import respond

        try:
            return respond(self._state, {"do": do, **request})
        except SteelyardError:
            raise
        except Exception as error:
            raise BackendError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Drops all sessions."""
        for session in self._state.get("sessions", {}).values():
            session.close()
        self._state = {}


Open = Callable[[bool], "Lab | OwnProcess"]
"""A place to run recipes in, with or without keeping freed memory."""


class Search:
    """One search; `trials` holds what is known at any time, also when it is interrupted.

    Attributes:
        first_choice: of the search within its time, if everything was compared afterwards.
        first_s: seconds that it took.
    """

    def __init__(
        self,
        task: Task,
        open_lab: Open,
        *,
        least_agreement: float,
        budget_s: float,
        suffix: str = "",
        tell: Tell = lambda doing, share: None,
    ) -> None:
        """Starts the child, which loads its libraries meanwhile.

        Args:
            task: the network.
            open_lab: where recipes run.
            least_agreement: share of the photographs that keep their class.
            budget_s: seconds.
            suffix: of the file that is wanted; "" for none.
            tell: told what happens.
        """
        self.begun = time.perf_counter()
        self.task = task
        self.open_lab = open_lab
        self.least_agreement = least_agreement
        self.budget_s = budget_s
        self.suffix = suffix
        self.tell = tell
        self.trials: dict[Recipe, Trial] = {}
        self.opened: dict[str, Any] = {}
        self.first_choice: Recipe | None = None
        self.first_s = 0.0
        self._held: set[Recipe] = set()
        self._labs: dict[bool, Lab | OwnProcess] = {False: open_lab(False)}

    @property
    def elapsed_s(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.begun

    def open(self) -> dict[str, Any]:
        """Builds the network and its reference; what is known of it.

        Raises:
            SteelyardError: the network is at fault.
        """
        self.tell("building the network", 0.0)
        self.opened = self._open(self._labs[False])
        return self.opened

    def run(self, plan: Plan, *, thorough: bool = False) -> None:
        """Tries what is planned, and then, if it is to be thorough, everything whatever time it takes.

        Raises:
            SteelyardError: the baseline cannot run.
        """
        try:
            self._first_trials(plan)
            self._final(plan.baseline, self._finalists())
            if thorough:
                self._everything(plan)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the children."""
        with ExitStack() as stack:
            for lab in self._labs.values():
                stack.callback(lab.close)
        self._labs = {}

    # ---- first trials --------------------------------------------------------------------------

    def _first_trials(self, plan: Plan) -> None:
        self._try(plan.baseline)
        if reason := self.trials[plan.baseline].refused:
            raise BackendError(f"the network does not run as it is: {reason}")
        for index, recipe in enumerate(plan.recipes):
            self.tell(f"trying {recipe}", index / (len(plan.recipes) + 2))
            if reason := self._not_worth(recipe):
                self.trials[recipe] = Trial(recipe, refused=reason)
            else:
                self._try(recipe)
                self._forget_losers(plan.baseline)

    def _not_worth(self, recipe: Recipe) -> str:
        if self.elapsed_s > TRIALS_SHARE * self.budget_s and not self._needed(recipe):
            return f"{NOT_TRIED}: the time of {self.budget_s:.0f} s was up"
        return self._ruled_out(recipe, 1.0)

    def _ruled_out(self, recipe: Recipe, slack: float) -> str:
        """Why it cannot win, by what its siblings took, if it may be ``slack`` times as fast as was ever seen."""
        best = min(t.median_s for t in self.trials.values() if t.median_s is not None)
        for sibling, most in limits(recipe):
            alike = self.trials.get(sibling)
            if alike is None or alike.refused.startswith(NOT_TRIED):
                continue
            if alike.median_s is None:
                if _arithmetic(sibling) == _arithmetic(recipe):
                    return f"{NOT_TRIED}: {sibling}: {alike.refused}"
            elif alike.median_s > slack * most * best:
                return (
                    f"{NOT_TRIED}: {sibling} is {alike.median_s / best:.1f} times as slow as the best, "
                    f"and this at most {most:g} times as fast"
                )
        return ""

    def _needed(self, recipe: Recipe) -> bool:
        """Whether even a search out of time tries it: a first answer, and a first that can be stored."""
        good = [t.recipe for t in self.trials.values() if t.median_s is not None]
        if self.suffix:
            return recipe.fits(self.suffix) and not any(r.fits(self.suffix) for r in good)
        return len(good) < 2

    def _try(self, recipe: Recipe) -> None:
        begun = time.perf_counter()
        try:
            found = self._load(recipe)
        except SteelyardError as error:
            took = time.perf_counter() - begun
            self.trials[recipe] = Trial(recipe, took_s=took, refused=str(error))
            return
        self.trials[recipe] = Trial(
            recipe,
            ran=found["ran"],
            samples_s=tuple(found["samples_s"]),
            deviation=found["deviation"],
            agreement=found["agreement"],
            took_s=found["took_s"],
        )

    def _load(self, recipe: Recipe) -> dict[str, Any]:
        found: dict[str, Any] = self._lab(recipe.keep_freed).ask(
            "try", setting=recipe.setting, agreement=self.least_agreement, trial_s=TRIAL_S
        )
        self._held.add(recipe)
        return found

    def _forget_losers(self, baseline: Recipe) -> None:
        """Gives back the memory of what will not be in the final."""
        keep = {baseline, *self._finalists()}
        for recipe in self._held - keep:
            lab = self._labs.get(recipe.keep_freed)
            if lab is not None and lab.alive:
                lab.ask("drop", setting=recipe.setting)
        self._held &= keep

    def _ranked(self) -> list[tuple[float, Recipe]]:
        """What is right, the fastest first, by the fastest run: after so few, other programs may have slowed the rest."""
        found = [
            (min(t.samples_s), t.recipe) for t in self.trials.values() if t.median_s is not None
        ]
        return sorted(found, key=lambda pair: pair[0])

    def _finalists(self) -> list[Recipe]:
        """The best few, and the best that can be stored as wanted."""
        found = self._ranked()
        chosen = [recipe for took, recipe in found[:FINALISTS] if took <= CLOSE * found[0][0]]
        stored = [recipe for _, recipe in found if self.suffix and recipe.fits(self.suffix)]
        return list(dict.fromkeys([*chosen, *stored[:1]]))

    # ---- the final -----------------------------------------------------------------------------

    def _final(self, baseline: Recipe, finalists: Sequence[Recipe]) -> None:
        """Turns of the best few, whose first samples count no more once there are others, and of the baseline.

        Its first ones count on: it was alone in the process, as it is without us.
        """
        taking = list(dict.fromkeys([*finalists, baseline]))
        first = {recipe: self.trials[recipe] for recipe in taking}
        later: dict[Recipe, list[float]] = {recipe: [] for recipe in taking}
        later[baseline] += first[baseline].samples_s
        for turn in range(TURNS):
            self.tell("comparing the best", 0.85 + 0.15 * turn / TURNS)
            for recipe in taking if turn % 2 else taking[::-1]:
                if self.trials[recipe].refused or (turn and self._out_of_time):
                    continue
                if self._long(recipe) and (
                    turn >= LONG_TURNS or (recipe == baseline and turn % BASELINE_EVERY)
                ):
                    continue
                try:
                    later[recipe] += self._turn(recipe)
                except SteelyardError as error:
                    self.trials[recipe] = replace(first[recipe], refused=str(error))
                    continue
                self.trials[recipe] = replace(first[recipe], samples_s=tuple(later[recipe]))

    def _long(self, recipe: Recipe) -> bool:
        return (self.trials[recipe].median_s or 0.0) > LONG_S

    @property
    def _out_of_time(self) -> bool:
        return self.first_choice is None and self.elapsed_s > self.budget_s

    def _turn(self, recipe: Recipe) -> list[float]:
        lab = self._lab(recipe.keep_freed)
        if recipe not in self._held:  # its process died, or it was dropped
            self._load(recipe)
        if self._long(recipe):
            long: list[float] = lab.ask("sample", setting=recipe.setting, at_least_s=0.0, count=1)
            return long
        found: list[float] = lab.ask("sample", setting=recipe.setting, at_least_s=TURN_S, count=2)
        # the first run finds the caches as another runtime left them
        return found[1:]

    def _everything(self, plan: Plan) -> None:
        """Tries what was left out for its time or its siblings, and lets all take turns that are near the best."""
        self.first_s = self.elapsed_s
        known = [t for t in self.trials.values() if t.median_s is not None]
        self.first_choice = min(known, key=lambda t: t.median_s or 0.0).recipe
        kept = replace(
            plan.baseline, keep_freed=True
        )  # the other figure that gains are held against
        for recipe in plan.recipes:
            if not self.trials[recipe].refused.startswith(NOT_TRIED):
                continue
            reason = "" if recipe == kept else self._ruled_out(recipe, THOROUGH_SLACK)
            if reason:
                self.trials[recipe] = Trial(recipe, refused=reason)
                continue
            self.tell(f"trying {recipe}", 0.9)
            self._try(recipe)
            self._forget_losers(plan.baseline)
        ranked = self._ranked()
        near = [recipe for took, recipe in ranked if took <= CLOSE_THOROUGH * ranked[0][0]]
        self._final(plan.baseline, [*near[:FINALISTS_THOROUGH], self.first_choice])

    # ---- processes -----------------------------------------------------------------------------

    def _lab(self, keep_freed: bool) -> Lab | OwnProcess:
        """The process for it; a new one where there is none or it has died."""
        lab = self._labs.get(keep_freed)
        if lab is None or not lab.alive:
            if lab is not None:
                lab.close()
                self._held = {recipe for recipe in self._held if recipe.keep_freed != keep_freed}
            lab = self._labs[keep_freed] = self.open_lab(keep_freed)
            self._open(lab)
        return lab

    def _open(self, lab: Lab | OwnProcess) -> dict[str, Any]:
        keep_freed = lab is self._labs.get(True)
        job = replace(self.task.job, keep_freed=keep_freed)
        found: dict[str, Any] = lab.ask(
            "open", job=asdict(job), photos=list(self.task.photos), weights=self.task.weights
        )
        return found


def _arithmetic(recipe: Recipe) -> tuple[str, str, bool]:
    """Recipes that are alike in this compute the same outputs, nearly."""
    return recipe.backend, recipe.precision, recipe.parts


def all_tried(search: Search, plan: Plan) -> Sequence[Trial]:
    """Of a search, the baseline left out; what the plan left out stands last."""
    tried = [t for recipe, t in search.trials.items() if recipe != plan.baseline]
    return [*tried, *(Trial(recipe, refused=reason) for recipe, reason in plan.left_out)]
