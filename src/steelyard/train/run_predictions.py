"""`RunPredictions`: what a trained network sees in photographs, where each left it and what that cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from steelyard._display import Printable
from steelyard.zoo.predict.api import Guess

if TYPE_CHECKING:
    from steelyard.report.table import Table

__all__ = ["RunPrediction", "RunPredictions"]


@dataclass(frozen=True, slots=True)
class RunPrediction:
    """One photograph.

    Attributes:
        photo: its file.
        guesses: the most probable classes first, by the probabilities of its exit.
        exit: where it left, from 1.
        costs: by unit: ``s``, measured for this photograph; ``MACs`` and ``J`` of its exit, where they are known.
        remark: on how it was read; "" for nothing to say.
    """

    photo: str
    guesses: tuple[Guess, ...]
    exit: int
    costs: Mapping[str, float]
    remark: str


@dataclass(frozen=True, slots=True)
class RunPredictions(Printable):
    """Several photographs.

    Attributes:
        network, weights: what looked.
        exits: how many it has; 1 for a network without any.
        budget, unit: mean cost of an image that the thresholds were solved for; None and "" for none.
        predictions: one for each photograph.
    """

    network: str
    weights: str
    exits: int
    budget: float | None
    unit: str
    predictions: tuple[RunPrediction, ...]

    def records(self) -> Table:
        """A row a guess: what CSV holds."""
        return _layout.guesses_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, schema ``steelyard.run-predictions/1``."""
        return {
            "schema": "steelyard.run-predictions/1",
            "network": self.network,
            "weights": self.weights,
            "exits": self.exits,
            "budget": self.budget,
            "unit": self.unit,
            "predictions": [
                {
                    "photo": one.photo,
                    "exit": one.exit,
                    "costs": dict(one.costs),
                    "guesses": [asdict(guess) for guess in one.guesses],
                    "remark": one.remark,
                }
                for one in self.predictions
            ],
        }


# below the class that it prints, so that whoever has a result can print it
from steelyard.train import run_predictions_layout as _layout  # noqa: E402
