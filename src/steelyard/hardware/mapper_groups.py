"""`Groups`: the chains of each group of dimensions, and their factors of any count.

A count (elements moved, a tile's size, instances used) is a product over N, G, M, C, the window (P, R) and the
window (Q, S), and each factor depends on that group's chains alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.counting import SHARED, SPACE, STILL, TIME
from steelyard.hardware.device import DIMENSIONS, RELEVANT
from steelyard.hardware.mapper_system import Column, Floats
from steelyard.hardware.mapspace import STAYS, Mapspace, Order
from steelyard.hardware.transfers import extent

GROUPS: tuple[tuple[str, ...], ...] = (("N",), ("G",), ("M",), ("C",), ("P", "R"), ("Q", "S"))

_NOTHING = 1e-30


class Groups:
    """Chains of all groups of a mapspace, and the factors of any column for them."""

    def __init__(self, space: Mapspace) -> None:
        self.space = space
        self.slots = space.slots()
        self.units = len(space.device.levels)
        self.chains: dict[str, Any] = {
            dim: np.array(space.chains(dim), np.int64).reshape(-1, len(self.slots))
            for dim in DIMENSIONS
        }
        self.pairs = [self._pairs(group) for group in GROUPS]
        self._known: dict[Column, int] = {}
        self._tables: list[Floats] = [np.empty((len(pairs), 0)) for pairs in self.pairs]
        self._masks: dict[tuple[int, int, Order], Any] = {}
        self._stages = [
            next(k for k, slot in enumerate(self.slots) if slot.name == memory.name)
            for memory in space.stages()
        ]

    def _pairs(self, group: tuple[str, ...]) -> Any:
        sizes = [len(self.chains[dim]) for dim in group]
        grid = np.indices(sizes).reshape(len(sizes), -1).T
        return np.ascontiguousarray(grid)

    def restrict(self, keep: list[Any]) -> None:
        """Drops items of the groups for good."""
        self.pairs = [np.ascontiguousarray(p[k]) for p, k in zip(self.pairs, keep, strict=True)]
        self._known.clear()
        self._tables = [np.empty((len(pairs), 0)) for pairs in self.pairs]
        self._masks.clear()

    def bounds(self, group: int, item: int) -> dict[str, tuple[int, ...]]:
        """The chains of an item."""
        return {
            dim: tuple(int(b) for b in self.chains[dim][self.pairs[group][item, k]])
            for k, dim in enumerate(GROUPS[group])
        }

    def allowed(self, group: int, pattern: tuple[Order, ...]) -> Any:
        """Which items keep the claims of a pattern."""
        keep = np.ones(len(self.pairs[group]), bool)
        for slot, order in zip(self._stages, pattern, strict=False):
            if order.pure:
                keep &= self._mask(group, slot, order)
        return keep

    def _mask(self, group: int, slot: int, order: Order) -> Any:
        key = (group, slot, order)
        if key not in self._masks:
            keep = np.ones(len(self.pairs[group]), bool)
            for k, dim in enumerate(GROUPS[group]):
                if not order.allows(dim):
                    keep &= self.chains[dim][self.pairs[group][:, k], slot] == 1
            self._masks[key] = keep
        return self._masks[key]

    def places(self, columns: list[Column]) -> Any:
        """Where `table` has these columns."""
        if new := [column for column in columns if column not in self._known]:
            first, need = len(self._known), len(self._known) + len(new)
            for group, table in enumerate(self._tables):
                if need > table.shape[1]:
                    wider = np.empty((len(table), 2 * need))
                    wider[:, :first] = table[:, :first]
                    self._tables[group] = wider
                for k, column in enumerate(new, first):
                    self._tables[group][:, k] = self._factors(group, column)
            self._known.update((column, k) for k, column in enumerate(new, first))
        return np.array([self._known[column] for column in columns], np.int64)

    def table(self, group: int) -> Floats:
        """The factors (items, columns seen so far) of a group."""
        return self._tables[group]

    def _factors(self, group: int, column: Column) -> Floats:
        # a window wholly in the padding moves nothing; logarithms want a number above 0
        found = np.maximum(self._whole(group, column), _NOTHING)
        if column.each >= 0:
            found = found / self._instances(
                group, [k for k, s in enumerate(self.slots) if s.axis and s.level < column.each]
            )
        return found

    def _instances(self, group: int, slots: list[int]) -> Floats:
        used = np.ones(len(self.pairs[group]))
        for k, dim in enumerate(GROUPS[group]):
            used *= self.chains[dim][self.pairs[group][:, k]][:, slots].prod(axis=1)
        return used

    def _whole(self, group: int, column: Column) -> Floats:
        dims = GROUPS[group]
        index = self.pairs[group]
        if column.kind == "axis":
            return self._instances(
                group, [k for k, s in enumerate(self.slots) if s.name in column.shared]
            )
        if column.kind == "tile":
            return self._tiles(group, column)
        window = len(dims) == 2
        if column.kind == "moved" and window and column.operand == "I":
            return self._windows(group, column)
        found = np.ones(len(index))
        for k, dim in enumerate(dims):
            size = self.space.problem.size(dim)
            if column.kind == "moved" and dim in RELEVANT[column.operand]:
                found *= size
            else:
                own = kernels.tile_factors(size, self.chains[dim], self._roles(column, dim))
                found *= own[index[:, k]]
        return found

    def _roles(self, column: Column, dim: str) -> Any:
        roles = []
        for slot in self.slots:
            if column.kind == "steps":
                roles.append(STILL if slot.axis else TIME)
            elif slot.level >= column.child:
                roles.append(-1)
            elif slot.axis:
                roles.append(SHARED if slot.name in column.shared else SPACE)
            else:
                stays = slot.level in column.still and dim in STAYS[column.operand]
                roles.append(STILL if stays else TIME)
        return np.array(roles, np.int64)

    def _windows(self, group: int, column: Column) -> Floats:
        out, tap = GROUPS[group]
        problem = self.space.problem
        window = problem.rows if out == "P" else problem.columns
        place, dim = column.slider
        slot = next((k for k, s in enumerate(self.slots) if s.level == place), -1)
        return kernels.window_factors(
            np.array([problem.size(out), problem.size(tap)]),
            np.array([window.stride, window.dilation, window.before, window.size]),
            self.chains[out],
            self.chains[tap],
            self.pairs[group],
            self._roles(column, out),
            slot if dim == out else -1,
            slot if dim == tap else -1,
        )

    def _tiles(self, group: int, column: Column) -> Floats:
        dims, problem = GROUPS[group], self.space.problem
        inside = [k for k, s in enumerate(self.slots) if s.level >= column.child]
        tiles = [
            np.minimum(self.chains[dim][:, inside].prod(axis=1), problem.size(dim)) for dim in dims
        ]
        index = self.pairs[group]
        if len(dims) == 2 and column.operand == "I":
            window = problem.rows if dims[0] == "P" else problem.columns
            sizes = [problem.size(dim) for dim in dims]
            both = np.stack([tiles[0][index[:, 0]], tiles[1][index[:, 1]]], axis=1)
            kinds, where = np.unique(both, axis=0, return_inverse=True)
            found = np.array([extent(window, *sizes, int(a), int(b)) for a, b in kinds], float)
            return found[where.reshape(-1)]
        found = np.ones(len(index))
        for k, dim in enumerate(dims):
            if dim in RELEVANT[column.operand]:
                found *= tiles[k][index[:, k]]
        return found
