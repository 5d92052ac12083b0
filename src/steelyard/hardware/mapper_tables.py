"""The mapper's tables: every count of a mapping as a product of one factor for each group of dimensions.

A count (elements moved, a tile's size, instances used) is a product over N, G, M, C, the window (P, R) and the
window (Q, S), and each factor depends on that group's chains alone. So the cost of a pattern of orders is a sum
of products: a row of weights over *columns*, each column the product of one number from each group.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.counting import SHARED, SPACE, STILL, TIME
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    RELEVANT,
    Axis,
    Memory,
    Operand,
    PerOperand,
)
from steelyard.hardware.mapper_system import Builder, Column, Floats, System
from steelyard.hardware.mapspace import STAYS, Mapspace, Order
from steelyard.hardware.transfers import extent

GROUPS: tuple[tuple[str, ...], ...] = (("N",), ("G",), ("M",), ("C",), ("P", "R"), ("Q", "S"))

_NOTHING = 1e-30

Keeps = tuple[tuple[Operand, tuple[str, ...]], ...]


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


class Assembly:
    """Writes the rows of one choice of bypasses for any pattern of orders."""

    def __init__(self, space: Mapspace, keeps: Keeps, objective: str) -> None:
        self.space, self.keeps, self.objective = space, dict(keeps), objective
        self.device = space.device
        self.places = {level.name: k for k, level in enumerate(self.device.levels)}
        self.units = len(self.device.levels)
        self.slots = space.slots()
        self.outputs = prod(space.problem.size(dim) for dim in RELEVANT["O"])

    def system(self, pattern: tuple[Order, ...]) -> System:
        """The cost under a pattern."""
        build = Builder()
        timed = self.objective in ("latency", "edp")
        # (parent, child, operand) -> columns from the parent's side to the child's
        moved: dict[tuple[int, int, Operand], list[Column]] = {}
        for operand in OPERANDS:
            chain = [*(self.places[name] for name in self.keeps[operand]), self.units]
            for parent, child in pairwise(chain):
                still, slider = self._schedule(operand, child, pattern)
                stages = self._stages(operand, parent, child)
                moved[parent, child, operand] = [
                    Column("moved", operand, child, shared, -1, still, slider) for shared in stages
                ]
        energy = build.row()
        for (parent, child, operand), columns in moved.items():
            if self.objective == "dram":
                self._traffic(build, energy, parent, operand, columns)
            else:
                self._energy(build, energy, parent, child, operand, columns)
        if self.objective != "dram":
            build.fixed[energy] += self.space.problem.macs * self.device.mac_pj
        build.add(build.row(), Column("steps"), 1.0)
        if timed:
            self._ports(build, moved)
            self._stalls(build, moved)
        self._limits(build)
        return build.system()

    @cached_property
    def static(self) -> System:
        """The limits alone, which no pattern changes."""
        build = Builder()
        build.row()
        build.row()
        self._limits(build)
        return build.system()

    def _schedule(
        self, operand: Operand, child: int, pattern: tuple[Order, ...]
    ) -> tuple[frozenset[int], tuple[int, str]]:
        still: set[int] = set()
        if child == self.units:
            return frozenset(), (-1, "")
        above = [
            (self.places[memory.name], order)
            for memory, order in zip(self.space.stages(), pattern, strict=False)
            if self.places[memory.name] < child
        ]
        for place, order in reversed(above):
            if order.still == operand:
                still.add(place)
            if order.pure and order.still in (None, operand):
                continue
            slides = operand == "I" and order.slider
            return frozenset(still), (place, order.slider) if slides else (-1, "")
        return frozenset(still), (-1, "")

    def _stages(self, operand: Operand, parent: int, child: int) -> list[frozenset[str]]:
        axes = self._between(parent, child)
        return [
            frozenset(a.name for a in axes[crossed:] if a.shares(operand))
            for crossed in range(len(axes) + 1)
        ]

    def _between(self, parent: int, child: int) -> list[Axis]:
        """Axes between two places, outermost first."""
        return [s.axis for s in reversed(self.slots) if s.axis and parent < s.level < child]

    def _energy(
        self,
        build: Builder,
        row: int,
        parent: int,
        child: int,
        operand: Operand,
        columns: list[Column],
    ) -> None:
        bits = self.device.bits[operand]
        above = self._memory(parent)
        if operand == "O":
            both = above.read_energy("O", bits) + above.write_energy("O", bits)
            build.add(row, columns[0], both)
            if parent == 0:
                build.fixed[row] -= self.outputs * above.read_energy("O", bits)
        else:
            build.add(row, columns[0], above.read_energy(operand, bits))
            if child < self.units:
                build.add(row, columns[-1], self._memory(child).write_energy(operand, bits))
        for k, axis in enumerate(self._between(parent, child)):
            link = axis.link(operand)
            build.add(row, columns[k + 1], link.pj)
            if link.kind in ("neighbour", "reduce"):
                build.add(row, columns[k], -link.pj)

    def _traffic(
        self, build: Builder, row: int, parent: int, operand: Operand, columns: list[Column]
    ) -> None:
        if parent == 0:
            build.add(row, columns[0], 2.0 if operand == "O" else 1.0)
            build.fixed[row] -= self.outputs if operand == "O" else 0

    def _memory(self, place: int) -> Memory:
        level = self.device.levels[place]
        if not isinstance(level, Memory):
            raise TypeError(level)
        return level

    def _ports(self, build: Builder, moved: dict[tuple[int, int, Operand], list[Column]]) -> None:
        for memory in self.device.memories:
            place = self.places[memory.name]
            reads: dict[Operand, Column] = {}
            writes: dict[Operand, Column] = {}
            for (parent, child, operand), columns in moved.items():
                if parent == place:
                    reads[operand] = _each(columns[0], place)
                    if operand == "O":
                        writes[operand] = _each(columns[0], place)
                elif child == place and operand != "O":
                    writes[operand] = _each(columns[-1], place)
            first = {"O": -float(self.outputs)} if place == 0 else {}
            self._port(build, reads, memory.read_bandwidth, first)
            self._port(build, writes, memory.write_bandwidth, {})

    @staticmethod
    def _port(
        build: Builder,
        columns: dict[Operand, Column],
        bandwidth: PerOperand | None,
        extra: Map[str, float],
    ) -> None:
        if bandwidth is None or not columns:
            return
        shared = None if isinstance(bandwidth, Map) else build.row()
        for operand, column in columns.items():
            row = build.row() if shared is None else shared
            speed = bandwidth[operand] if isinstance(bandwidth, Map) else bandwidth
            build.add(row, column, 1 / speed)
            build.fixed[row] += extra.get(operand, 0.0) / speed

    def _stalls(self, build: Builder, moved: dict[tuple[int, int, Operand], list[Column]]) -> None:
        for (parent, child, operand), columns in moved.items():
            if child == self.units or operand in self._memory(child).double_buffered:
                continue
            above, below = self._memory(parent), self._memory(child)
            up = operand == "O"
            speeds = (
                above.write_bandwidth if up else above.read_bandwidth,
                below.read_bandwidth if up else below.write_bandwidth,
            )
            sides = [(_each(columns[0], parent), speeds[0]), (_each(columns[-1], child), speeds[1])]
            build.stall(
                [
                    (column, 1 / (speed[operand] if isinstance(speed, Map) else speed))
                    for column, speed in sides
                    if speed is not None
                ]
            )

    def _limits(self, build: Builder) -> None:
        for memory in self.device.memories:
            if memory.capacity_bytes is None:
                continue
            needs: dict[Operand, float] = {
                o: (2 if o in memory.double_buffered else 1) * self.device.bits[o] / 8
                for o in OPERANDS
                if memory.name in self.keeps[o]
            }
            columns = {o: Column("tile", o, self.places[memory.name]) for o in needs}
            if isinstance(memory.capacity_bytes, Map):
                for o in needs:
                    build.limit({columns[o]: needs[o]}, memory.capacity_bytes[o])
            elif needs:
                build.limit({columns[o]: needs[o] for o in needs}, memory.capacity_bytes)
        for array in self.device.arrays:
            for axis in array.axes:
                build.limit({Column("axis", shared=frozenset([axis.name])): 1.0}, axis.size)


def _each(column: Column, place: int) -> Column:
    return Column(
        column.kind,
        column.operand,
        column.child,
        column.shared,
        place,
        column.still,
        column.slider,
    )
