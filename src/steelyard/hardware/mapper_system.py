"""`Column`, `System` and `Builder`: the cost of a choice of bypasses as weights over products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steelyard.hardware.device import Operand

Floats = Any  # numpy arrays of float64


@dataclass(frozen=True, slots=True)
class Column:
    """One product.

    Attributes:
        kind: ``moved`` (elements past the loops outside ``child``), ``tile`` (size of the tile at ``child``),
            ``axis`` (instances used along ``shared``'s only axis), ``steps`` (cycles of the units).
        operand, child: of what, where.
        shared: axes whose instances count as one.
        each: place of a level: divided by the instances used there; -1: not divided.
        still: places of memories whose loops leave the operand where it is.
        slider: (place, dimension) of the loop that slides the inputs, or (-1, "").
    """

    kind: str
    operand: Operand = "I"
    child: int = -1
    shared: frozenset[str] = frozenset()
    each: int = -1
    still: frozenset[int] = frozenset()
    slider: tuple[int, str] = (-1, "")


@dataclass(slots=True)
class System:
    """The cost of any pattern: numbers for `mapper_kernels.cost`.

    ``columns`` of what is moved do not say what stays still and what slides; that is what patterns differ in.
    ``entries``: what is not zero in the limits, (wall, column, weight) by wall.
    """

    columns: list[Column]
    rows: Floats
    fixed: Floats
    limits: Floats
    walls: Floats
    stalls: Floats
    entries: Floats

    def arrays(self, caps: tuple[float, float]) -> tuple[Floats, ...]:
        """What `mapper_kernels.cost` takes, with the most energy and the most cycles."""
        return (self.rows, self.fixed, self.entries, self.walls, self.stalls, np.array(caps))


class Builder:
    """Collects weights of columns and lays them out as matrices."""

    def __init__(self) -> None:
        self.index: dict[Column, int] = {}
        self.rows: list[dict[int, float]] = []
        self.fixed: list[float] = []
        self.walls: list[tuple[dict[int, float], float]] = []
        self.pairs: list[list[tuple[int, float]]] = []

    def row(self) -> int:
        """A new row of the cost; its number."""
        self.rows.append({})
        self.fixed.append(0.0)
        return len(self.rows) - 1

    def _column(self, column: Column) -> int:
        return self.index.setdefault(column, len(self.index))

    def add(self, row: int, column: Column, weight: float) -> None:
        """Adds weight x column to a row."""
        if weight:
            k = self._column(column)
            self.rows[row][k] = self.rows[row].get(k, 0.0) + weight

    def limit(self, weights: dict[Column, float], wall: float) -> None:
        """The weighted sum must not exceed the wall."""
        self.walls.append(({self._column(c): w for c, w in weights.items()}, wall))

    def stall(self, sides: list[tuple[Column, float]]) -> None:
        """Cycles that are waited for: the larger of one or two weighted columns."""
        if sides:
            self.pairs.append([(self._column(c), w) for c, w in sides])

    def system(self) -> System:
        """Everything as matrices."""
        width = len(self.index)
        rows = np.zeros((len(self.rows), width))
        for k, weights in enumerate(self.rows):
            for column, weight in weights.items():
                rows[k, column] = weight
        limits = np.zeros((len(self.walls), width))
        for k, (weights, _) in enumerate(self.walls):
            for column, weight in weights.items():
                limits[k, column] = weight
        stalls = np.zeros((len(self.pairs), 4))
        stalls[:, (0, 2)] = -1
        for k, sides in enumerate(self.pairs):
            for side, (column, weight) in enumerate(sides):
                stalls[k, 2 * side : 2 * side + 2] = column, weight
        walls = np.array([wall for _, wall in self.walls], float)
        where = np.argwhere(limits)
        entries = np.column_stack([where, limits[tuple(where.T)]])
        fixed = np.array(self.fixed)
        return System(list(self.index), rows, fixed, limits, walls, stalls, entries)
