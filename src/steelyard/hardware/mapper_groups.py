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
        self._cache: dict[tuple[int, Column], Floats] = {}

    def _pairs(self, group: tuple[str, ...]) -> Any:
        sizes = [len(self.chains[dim]) for dim in group]
        grid = np.indices(sizes).reshape(len(sizes), -1).T
        return np.ascontiguousarray(grid)

    def restrict(self, keep: list[Any]) -> None:
        """Drops items of the groups for good."""
        self.pairs = [np.ascontiguousarray(p[k]) for p, k in zip(self.pairs, keep, strict=True)]
        self._cache.clear()

    def bounds(self, group: int, item: int) -> dict[str, tuple[int, ...]]:
        """The chains of an item."""
        return {
            dim: tuple(int(b) for b in self.chains[dim][self.pairs[group][item, k]])
            for k, dim in enumerate(GROUPS[group])
        }

    def allowed(self, group: int, pattern: tuple[Order, ...]) -> Any:
        """Which items keep the claims of a pattern."""
        keep = np.ones(len(self.pairs[group]), bool)
        for order, memory in zip(pattern, self.space.stages(), strict=False):
            slot = next(k for k, s in enumerate(self.slots) if s.name == memory.name)
            for k, dim in enumerate(GROUPS[group]):
                if not order.allows(dim):
                    keep &= self.chains[dim][self.pairs[group][:, k], slot] == 1
        return keep

    def factors(self, group: int, column: Column) -> Floats:
        """The factor of every item."""
        key = (group, column)
        if key not in self._cache:
            self._cache[key] = self._factors(group, column)
        return self._cache[key]

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
