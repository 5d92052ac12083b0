"""`Found` and `Objective`: what the mapper is asked for and what it answers, without the mapper itself.

Whoever only reads kept answers imports this and neither the search nor numba.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.mapping import Mapping

Objective = Literal["energy", "latency", "edp", "dram"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
MapspaceKind = Literal["even", "uneven"]
MAPSPACES: tuple[MapspaceKind, ...] = get_args(MapspaceKind)


@dataclass(frozen=True, slots=True)
class Found:
    """A mapping and how good it is known to be.

    Attributes:
        mapping, evaluation: the best one found and its cost.
        objective: what was minimised.
        value: its objective: pJ, cycles, pJ x cycles, or accesses.
        bound: no mapping of the mapspace is below this.
        visited: nodes of the search.
        patterns: combinations of bypasses and orders; searched: those that had to be looked into.
    """

    mapping: Mapping
    evaluation: Evaluation
    objective: Objective
    value: float
    bound: float
    visited: int
    patterns: int
    searched: int

    @property
    def gap(self) -> float:
        """How far below the value the optimum may lie, as a share of it; 0 when proven."""
        return max(0.0, 1 - self.bound / self.value) if self.value else 0.0

    @property
    def optimal(self) -> bool:
        """Proven to be the best of the mapspace (up to rounding of floating-point sums)."""
        return self.gap < 1e-9


def objective_value(evaluation: Evaluation, objective: Objective) -> float:
    """The objective of an evaluated mapping."""
    if objective == "energy":
        return evaluation.energy_pj
    if objective == "dram":
        return float(evaluation.dram_accesses)
    if objective == "latency":
        return evaluation.exact_cycles
    return evaluation.energy_pj * evaluation.exact_cycles
