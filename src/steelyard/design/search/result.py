"""`SearchResult` and `Trial`: every network that a search tried, and those that none of them beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.design.search.evaluate import Answer, State, recipe_of
from steelyard.design.search.goals import Constraint, Quantity
from steelyard.design.search.strategies import dominates
from steelyard.design.spaces.base import SearchSpace
from steelyard.design.spaces.codesign import Codesign
from steelyard.errors import InputError, UsageError
from steelyard.hardware.device import Accelerator
from steelyard.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from steelyard.design.sharing.judging import Judge
    from steelyard.report.table import Table

SCHEMA = "steelyard.search/1"


@dataclass(frozen=True, slots=True)
class Trial:
    """One network that was tried.

    Attributes:
        number: from 0, in the order of proposal.
        key: of its point, see `SearchSpace.decode`.
        state: ``done``, ``infeasible`` or ``failed``.
        values: by objective or constraint, as far as they were found.
        reason: why it is not done; or the trial whose values these are, where a point came twice.
        seconds: that it took.
        notes: the strategy's.
    """

    number: int
    key: str
    state: State
    values: Mapping[str, float]
    reason: str = ""
    seconds: float = field(default=0.0, compare=False)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, number: int, key: str, answer: Answer, seconds: float, notes: Mapping[str, Any]
    ) -> Trial:
        """A trial from what an evaluator answered."""
        return cls(number, key, answer.state, answer.values, answer.reason, seconds, notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trial:
        """The inverse of `to_dict`.

        Raises:
            InputError: it is none.
        """
        try:
            return cls(
                int(data["number"]), str(data["key"]), data["state"],
                {str(k): float(v) for k, v in data["values"].items()},
                str(data["reason"]), float(data["seconds"]), dict(data["notes"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"a kept trial is damaged: {error}") from error


@dataclass(frozen=True, repr=False)
class SearchResult(Printable):
    """A search, finished or interrupted.

    Attributes:
        space: that was searched.
        strategy, seed: of the search.
        objectives: all minimised.
        constraints: that were held.
        trials: in the order of their numbers.
        facts: where values come from, by what they are of: the device's clock, the proxy for accuracy.
        proxy: the recipe of the short trainings.
        warnings: what a reader must know.
        judge: of networks with shared weights, where the strategy has such.
    """

    space: SearchSpace
    strategy: str
    seed: int
    objectives: tuple[Quantity, ...]
    constraints: tuple[Constraint, ...]
    trials: tuple[Trial, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    proxy: Recipe | None = None
    warnings: tuple[str, ...] = ()
    judge: Judge | None = field(default=None, compare=False)

    def values(self, trial: Trial) -> tuple[float, ...]:
        """Of the objectives, of a trial that is done."""
        return tuple(trial.values[str(one)] for one in self.objectives)

    @cached_property
    def done(self) -> tuple[Trial, ...]:
        """Trials with all values and within all constraints, each network once."""
        first = {t.key: t for t in reversed(self.trials) if t.state == "done"}
        return tuple(sorted(first.values(), key=lambda t: t.number))

    @cached_property
    def front(self) -> tuple[Trial, ...]:
        """Those that no other is as good as in everything and better than in something; by the first objective."""
        rows = [(trial, self.values(trial)) for trial in self.done]
        best = [t for t, mine in rows if not any(dominates(other, mine) for _, other in rows)]
        return tuple(sorted(best, key=lambda t: (self.values(t), t.number)))

    @property
    def best(self) -> Trial:
        """The one of the front that is best in the first objective.

        Raises:
            InputError: no trial is done.
        """
        if not self.front:
            raise InputError(f"no trial of the search in {self.space.name} is done")
        return self.front[0]

    def network(self, trial: Trial) -> nn.Module:
        """The network of a trial, freshly initialised."""
        return self.space.build(self.space.decode(trial.key))

    def shared_network(self, trial: Trial) -> nn.Module:
        """The network of a trial with the weights that it shares with all others, calibrated, in eval mode.

        Raises:
            UsageError: the strategy has no shared weights.
        """
        if self.judge is None:
            raise UsageError(
                f"{self.strategy} shares no weights", expected="a search by once_for_all or enas"
            )
        return self.judge.network(self.space.decode(trial.key))

    def recipe(self, trial: Trial, base: Recipe | None = None) -> Recipe:
        """A recipe that trains the network of a trial: the proxy's, or another, its network replaced.

        Raises:
            UsageError: no recipe, or a space whose networks the zoo does not have.
        """
        return recipe_of(self.space, self.space.decode(trial.key), base or self.proxy)

    def device(self, trial: Trial) -> Accelerator:
        """The device of a trial, where one was searched.

        Raises:
            UsageError: the space searches no device.
        """
        if not isinstance(self.space, Codesign):
            raise UsageError(
                f"{self.space.name} searches no device", expected="a space with a table [device]"
            )
        return self.space.described_chip(self.space.decode(trial.key))

    def counts(self) -> dict[str, int]:
        """Trials by state."""
        return {s: sum(t.state == s for t in self.trials) for s in ("done", "infeasible", "failed")}

    def to_dict(self) -> dict[str, Any]:
        """Plain data under the schema ``steelyard.search/1``."""
        front = {trial.number for trial in self.front}
        return {
            "schema": SCHEMA,
            "space": {
                "name": self.space.name,
                "kind": self.space.kind,
                "size": self.space.size,
                "choices": self.space.describe(),
            },
            "strategy": self.strategy,
            "seed": self.seed,
            "objectives": [str(one) for one in self.objectives],
            "constraints": [str(one) for one in self.constraints],
            "facts": dict(self.facts),
            "counts": self.counts(),
            "trials": [
                {
                    **trial.to_dict(),
                    "on_front": trial.number in front,
                    "choices": _plain(self.space.values(self.space.decode(trial.key))),
                }
                for trial in self.trials
            ],
            "warnings": list(self.warnings),
        }

    def records(self) -> Table:
        """Every trial with every value and choice, for CSV."""
        from steelyard.design.search.layout import trials_table

        return trials_table(self)

    def __repr__(self) -> str:
        return f"<SearchResult of {self.space.name}: {len(self.trials)} trials, {len(self.front)} on the front>"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
