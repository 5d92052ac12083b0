"""`BudgetEvaluation`: what a network with exits costs and reaches when it keeps to a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.dynamic.budget_check import BudgetCheck
from steelyard.dynamic.threshold_file import thresholds_dict
from steelyard.dynamic.thresholds import Thresholds
from steelyard.train.evaluation import About

if TYPE_CHECKING:
    from steelyard.report.table import Table

__all__ = ["BudgetEvaluation", "ExitScore", "Timed"]


@dataclass(frozen=True, slots=True)
class ExitScore:
    """One exit, on the held-out images.

    Attributes:
        cost: of leaving here, in the budget's unit.
        macs: the same in multiply-accumulates.
        top1: percent right if all images left here.
        expected, leaving: images that leave here: of the validation images, and of the held-out ones.
        top1_leaving: percent right of the held-out images that leave here; None where none do.
    """

    cost: float
    macs: int
    top1: float
    expected: int
    leaving: int
    top1_leaving: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "cost": self.cost,
            "macs": self.macs,
            "top1": self.top1,
            "expected": self.expected,
            "leaving": self.leaving,
            "top1_leaving": self.top1_leaving,
        }


@dataclass(frozen=True, slots=True)
class Timed:
    """The engine on some held-out images, one at a time, in turns with a run of all exits.

    Attributes:
        images: how many.
        mean_s: seconds of an image that stops at its exit.
        all_s: of one that runs through all exits.
    """

    images: int
    mean_s: float
    all_s: float


@dataclass(frozen=True, slots=True)
class BudgetEvaluation(Printable):
    """A budget solved for on one part of the images, and judged on the rest.

    Attributes:
        about: what was evaluated on what.
        backend: what ran the stages.
        accelerator: whose energy the budget means; "" for other budgets.
        distribution: of the images over the exits that was asked for.
        thresholds: by which images leave.
        check: expected and realised cost and accuracy, with intervals.
        exits: earliest first.
        classes: their names.
        leaving_by_class: held-out images of each class that leave at each exit.
        timed: only of a budget in seconds.
        kept: whether thresholds were solved on images that the run kept from training; else on some of these.
    """

    about: About
    backend: str
    accelerator: str
    distribution: str
    thresholds: Thresholds
    check: BudgetCheck
    exits: tuple[ExitScore, ...]
    classes: tuple[str, ...]
    leaving_by_class: tuple[tuple[int, ...], ...]
    timed: Timed | None = None
    kept: bool = False

    @property
    def top1(self) -> float:
        """Percent of the held-out images that are right at their exit."""
        return 100 * self.check.realised.accuracy

    @property
    def cost(self) -> float:
        """Mean of a held-out image, in the budget's unit."""
        return self.check.realised.cost

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know."""
        if self.check.holds is False:
            return ("the held-out images cost more than the budget, beyond chance",)
        return ()

    def records(self) -> Table:
        """A row an exit: what CSV holds."""
        return _layout.exits_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.budget-evaluation/1``."""
        timed = self.timed
        return {
            "schema": "steelyard.budget-evaluation/1",
            **self.about.to_dict(),
            "backend": self.backend,
            "accelerator": self.accelerator,
            "distribution": self.distribution,
            "top1": self.top1,
            "cost": self.cost,
            "thresholds": thresholds_dict(self.thresholds),
            "check": self.check.to_dict(),
            "exits": [one.to_dict() for one in self.exits],
            "classes": list(self.classes),
            "leaving_by_class": [list(row) for row in self.leaving_by_class],
            "timed": timed
            and {"images": timed.images, "mean_s": timed.mean_s, "all_s": timed.all_s},
            "kept": self.kept,
            "notes": list(self.notes),
        }


# below the class that it prints, so that whoever has a result can print it
from steelyard.train import budget_layout as _layout  # noqa: E402
