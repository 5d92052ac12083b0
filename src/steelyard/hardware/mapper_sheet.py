"""`Sheet`: the costs of all patterns of orders under one choice of bypasses, as numbers for the kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.mapper_groups import GROUPS, Groups
from steelyard.hardware.mapper_patterns import Patterns
from steelyard.hardware.mapper_system import Floats
from steelyard.hardware.mapper_tables import Assembly

_LIMIT_WEIGHT = 3.0
"""Found by trial: boxes that fit no memory are the first that can be dropped."""


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
        self.low, self.high = self._extremes()
        self._weights = self._split_weights()

    def _columns(self) -> Any:
        """Where the table of the groups has each pattern's columns (patterns, columns)."""
        columns = self.system.columns
        found = np.tile(self.groups.places(columns), (len(self.chosen), 1))
        moving: dict[Any, list[int]] = {}
        for k, column in enumerate(columns):
            if column.kind == "moved" and column.child < self.assembly.units:
                moving.setdefault((column.operand, column.child), []).append(k)
        for (operand, child), where in moving.items():
            schedules, which = self.patterns.schedules(operand, child)
            used, mine = np.unique(which[self.chosen], return_inverse=True)
            asked = [
                replace(columns[k], still=schedules[u][0], slider=schedules[u][1])
                for u in used
                for k in where
            ]
            found[:, where] = self.groups.places(asked).reshape(len(used), -1)[mine]
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

    def forest(self, pattern: int) -> tuple[Any, Any, Any]:
        """The trees of a pattern's chains, the node each begins with, and the row of each leaf's number."""
        columns = self.places[pattern]
        rows, ends = _joined([self._undominated(g, pattern) for g in range(len(GROUPS))])
        trees, roots = kernels.forest(
            self.groups.table, rows, ends, columns, self._weights[pattern]
        )
        return trees, roots, rows

    def _undominated(self, group: int, pattern: int) -> Any:
        """The rows of a group that no other one beats under a pattern."""
        claim = int(self._claims[group][pattern])
        columns = self.groups.same[group][self.places[pattern]]
        key = (group, claim, columns.tobytes())
        if key not in self._best:
            _, first = np.unique(columns * 2 + (self._signs < 0), return_index=True)
            first.sort()
            self._best[key] = kernels.undominated(
                self.groups.table, self._rows[group][claim], columns[first], self._signs[first]
            )
        return self._best[key]


def _joined(rows: list[Any]) -> tuple[Any, Any]:
    """Lists one after another, and where each ends."""
    return np.concatenate(rows), np.cumsum([len(r) for r in rows])
