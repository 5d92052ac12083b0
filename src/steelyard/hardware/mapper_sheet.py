"""`Sheet`: the costs of all patterns of orders under one choice of bypasses, as numbers for the kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.mapper_groups import GROUPS, Groups
from steelyard.hardware.mapper_patterns import Patterns
from steelyard.hardware.mapper_system import Floats
from steelyard.hardware.mapper_tables import Assembly

_LIMIT_WEIGHT = 3.0
"""Found by trial: boxes that fit no memory are the first that can be dropped."""


Forest = tuple[Any, Any, Any]
"""Trees, the node that each begins with, and the row of each leaf's number."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is searched: something below ``best``; see `mapper_kernels.cost`."""

    mode: int
    caps: tuple[float, float]
    best: float


class Sheet:
    """Costs under one choice of bypasses. All patterns have one system; only what is in its columns differs.

    Args:
        groups: the chains that fit.
        assembly: of the choice.
        patterns: of the mapspace.
        chosen: which patterns; all counts and indices below are of these.
    """

    def __init__(
        self, groups: Groups, assembly: Assembly, patterns: Patterns, chosen: list[int]
    ) -> None:
        self.groups, self.assembly, self.patterns, self.chosen = groups, assembly, patterns, chosen
        self.system = assembly.system
        self.places = self._columns()
        self._claims = [which[chosen] for _, which in patterns.claims]
        self._rows = [
            [groups.rows(group, claim) for claim in claims]
            for group, (claims, _) in enumerate(patterns.claims)
        ]
        self._signs = np.where((self.system.rows < 0).any(axis=0), -1.0, 1.0)
        self._best: dict[tuple[int, int, bytes], Any] = {}
        self._lost = np.inf
        self.low, self.high = self._extremes()
        self._weights = self._split_weights()

    def _columns(self) -> Any:
        """Where the table of the groups has each pattern's columns (patterns, columns)."""
        columns = self.system.columns
        moving: dict[Any, list[int]] = {}
        for k, column in enumerate(columns):
            if column.kind == "moved" and column.child < self.assembly.units:
                moving.setdefault((column.operand, column.child), []).append(k)
        fixed = [k for k in range(len(columns)) if not any(k in where for where in moving.values())]
        asked = [columns[k] for k in fixed]
        parts = []
        for (operand, child), where in moving.items():
            schedules, which = self.patterns.schedules(operand, child)
            used, mine = np.unique(which[self.chosen], return_inverse=True)
            parts.append((where, mine, len(asked)))
            asked += [
                replace(columns[k], still=schedules[u][0], slider=schedules[u][1])
                for u in used
                for k in where
            ]
        places = self.groups.places(asked)  # all at once: the table is copied each time
        found = np.empty((len(self.chosen), len(columns)), np.int64)
        found[:, fixed] = places[: len(fixed)]
        for where, mine, begin in parts:
            end = begin + (int(mine.max()) + 1) * len(where)
            found[:, where] = places[begin:end].reshape(-1, len(where))[mine]
        return found

    def _extremes(self) -> tuple[Floats, Floats]:
        """Least and greatest product of each column, for each pattern."""
        low, high = np.ones(self.places.shape), np.ones(self.places.shape)
        for group in range(len(GROUPS)):
            least, most = kernels.extremes(self.groups.table, *_joined(self._rows[group]))
            low *= least[self._claims[group][:, None], self.places]
            high *= most[self._claims[group][:, None], self.places]
        return low, high

    def _split_weights(self) -> Floats:
        """How much each column matters when trees are split: its share of the least cost, limits above all."""
        part = np.abs(self.system.rows) * self.low[:, None, :]
        share = part / np.maximum(part.sum(axis=2, keepdims=True), 1e-300)
        weights: Floats = share.max(axis=1)
        return weights + _LIMIT_WEIGHT * (self.system.limits > 0).any(axis=0)

    def bounds(self, mode: int, caps: tuple[float, float]) -> Floats:
        """What no mapping of each pattern is below; infinite if none fits."""
        found = kernels.costs(self.low, self.high, self.system.arrays(caps), mode)
        for group, rows in enumerate(self._rows):
            empty = np.array([not len(r) for r in rows])
            found[empty[self._claims[group]]] = np.inf
        return found

    def forest(self, pattern: int, aim: Aim) -> tuple[Forest | None, float]:
        """The trees of a pattern's chains that may be part of something better than the aim.

        Returns:
            the trees, None if there is nothing better; and the least cost of what is left out.
        """
        columns = self.places[pattern]
        chosen = [self._rows[g][self._claims[g][pattern]] for g in range(len(GROUPS))]
        table = self.groups.table
        lost = self._lost
        if aim.best < np.inf:
            chosen, least = self._promising(table, chosen, columns, aim)
            lost = min(lost, least)
            if not len(chosen[0]):
                return None, lost
        undominated = [self._undominated(g, rows, columns) for g, rows in enumerate(chosen)]
        rows, ends = _joined(undominated)
        trees, roots = kernels.forest(table, rows, ends, columns, self._weights[pattern])
        return (trees, roots, rows), lost

    def _promising(
        self, table: Floats, chosen: list[Any], columns: Any, aim: Aim
    ) -> tuple[list[Any], float]:
        """The rows of each group that may be part of something better, and the least cost of the others."""
        rows, ends = _joined(chosen)
        system = self.system.arrays(aim.caps)
        part = kernels.gathered(table, rows, columns)
        keep, lost = kernels.promising(part, ends, system, aim.mode, aim.best)
        begins = [0, *ends]
        return [r[keep[begins[g] : begins[g + 1]]] for g, r in enumerate(chosen)], lost

    def _undominated(self, group: int, rows: Any, places: Any) -> Any:
        """Those rows of a group that no other one beats."""
        columns = self.groups.same[group][places]
        key = (group, columns.tobytes(), rows.tobytes())
        if key not in self._best:
            _, first = np.unique(columns * 2 + (self._signs < 0), return_index=True)
            first.sort()
            self._best[key] = kernels.undominated(
                self.groups.table, rows, columns[first], self._signs[first]
            )
        return self._best[key]

    def relaxed(self, aim: Aim) -> tuple[Forest | None, float]:
        """As `forest`, for all patterns at once: chains with the least of each column under any of them.

        Leaves every pattern with those chains only that may be better even so.
        """
        low = np.column_stack([self._least_of(k) for k in range(self.places.shape[1])])
        chosen = [np.unique(np.concatenate(rows)) for rows in self._rows]
        columns = np.arange(low.shape[1])
        chosen, lost = self._promising(low, chosen, columns, aim)
        self._lost = lost
        kept = np.zeros(len(low), bool)
        kept[np.concatenate(chosen)] = True
        self._rows = [[rows[kept[rows]] for rows in claims] for claims in self._rows]
        if not len(chosen[0]):
            return None, lost
        rows, ends = _joined(chosen)
        trees, roots = kernels.forest(low, rows, ends, columns, self._weights.max(axis=0))
        return (trees, roots, rows), lost

    @property
    def relaxes(self) -> bool:
        """True if columns are bounded from one side only."""
        negative = (self.system.rows[0] < 0).nonzero()[0]
        timed = self.system.stalls[:, (0, 2)]
        return not (
            self.system.limits[:, negative].any()
            or self.system.rows[1:, negative].any()
            or np.isin(timed, negative).any()
        )

    def _least_of(self, column: int) -> Floats:
        """A column's factors, the least of all patterns (the most, where that is less)."""
        table = self.groups.table[:, np.unique(self.places[:, column])]
        return table.max(axis=1) if self._signs[column] < 0 else table.min(axis=1)


def _joined(rows: list[Any]) -> tuple[Any, Any]:
    """Lists one after another, and where each ends."""
    return np.concatenate(rows), np.cumsum([len(r) for r in rows])
