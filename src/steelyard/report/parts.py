"""`Parts`: all that a report knows of one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.cost import CostReport

if TYPE_CHECKING:
    from steelyard.measure.breakdown import Breakdown
    from steelyard.metrics import Scorecard
    from steelyard.report.advice import Advice
    from steelyard.report.against import Against
    from steelyard.report.neighbours import Neighbours
    from steelyard.report.placed import Placed


@dataclass(frozen=True, slots=True)
class Parts:
    """One network.

    Attributes:
        cost: its cost.
        placed: the network on each device.
        advice: what would help it.
        cards: its scorecard on each device.
        neighbours: it among the zoo's networks; None where accuracies cannot be compared.
        split: where the time of one inference went on this machine, if that was measured.
        against: the network held against an earlier report, if that was asked for.
    """

    cost: CostReport
    placed: tuple[Placed, ...] = ()
    advice: Advice | None = None
    cards: tuple[Scorecard, ...] = ()
    neighbours: Neighbours | None = None
    split: Breakdown | None = None
    against: Against | None = None

    @property
    def name(self) -> str:
        """Of the network."""
        return self.cost.workload.name
