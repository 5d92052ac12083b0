"""`Assembly`: the cost of a mapping as a sum of products, for each choice of bypasses.

Every count is a product of one factor for each group of dimensions (`steelyard.hardware.mapper_groups`). So the
cost is a row of weights over *columns*, each column the product of one number from each group. A pattern of
orders changes the factors, not the weights.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from functools import cached_property
from itertools import pairwise
from math import prod

from steelyard.hardware.device import OPERANDS, RELEVANT, Axis, Memory, Operand, PerOperand
from steelyard.hardware.mapper_system import Builder, Column, System
from steelyard.hardware.mapspace import Keeps, Mapspace


class Assembly:
    """Writes the rows of one choice of bypasses.

    Args:
        space: of the mappings.
        keeps: the choice of bypasses.
        objective: what the first row counts: ``dram`` accesses, else energy; whether others count time.
        traffic: the most accesses of the outermost memory, if they are limited.
    """

    def __init__(
        self, space: Mapspace, keeps: Keeps, objective: str, traffic: float | None = None
    ) -> None:
        self.space, self.keeps, self.objective = space, dict(keeps), objective
        self.choice = keeps
        self.traffic = traffic
        self.device = space.device
        self.places = {level.name: k for k, level in enumerate(self.device.levels)}
        self.units = len(self.device.levels)
        self.slots = space.slots()
        self.outputs = prod(space.problem.size(dim) for dim in RELEVANT["O"])
        self.resident = dict(space.constraints.resident)
        self.home = self.places[self.keeps["O"][0]]

    @cached_property
    def system(self) -> System:
        """The cost, but for what stays still and what slides in columns of kind ``moved``."""
        build = Builder()
        timed = self.objective in ("latency", "edp")
        # (parent, child, operand) -> columns from the parent's side to the child's
        moved: dict[tuple[int, int, Operand], list[Column]] = {}
        for operand in OPERANDS:
            chain = [*(self.places[name] for name in self.keeps[operand]), self.units]
            for parent, child in pairwise(chain):
                stages = self._stages(operand, parent, child)
                moved[parent, child, operand] = [
                    Column("moved", operand, child, shared) for shared in stages
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
        if self.traffic is not None:
            self._traffic_limit(build, moved, self.traffic)
        self._limits(build)
        return build.system()

    @cached_property
    def static(self) -> System:
        """The limits alone."""
        build = Builder()
        build.row()
        build.row()
        self._limits(build)
        return build.system()

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
            if parent == self.home:
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

    def _traffic_limit(
        self,
        build: Builder,
        moved: dict[tuple[int, int, Operand], list[Column]],
        most: float,
    ) -> None:
        weights = {
            columns[0]: 2.0 if operand == "O" else 1.0
            for (parent, _, operand), columns in moved.items()
            if parent == 0
        }
        if weights:
            build.limit(weights, most + (self.outputs if self.home == 0 else 0))

    def _memory(self, place: int) -> Memory:
        level = self.device.levels[place]
        if not isinstance(level, Memory):
            raise TypeError(level)
        return level

    def _ports(self, build: Builder, moved: dict[tuple[int, int, Operand], list[Column]]) -> None:
        for memory, places in self.space.parts:
            reads: dict[Operand, Column] = {}
            writes: dict[Operand, Column] = {}
            for (parent, child, operand), columns in moved.items():
                place = places.get(operand, -1)
                if parent == place:
                    reads[operand] = _each(columns[0], place)
                    if operand == "O":
                        writes[operand] = _each(columns[0], place)
                elif child == place and operand != "O":
                    writes[operand] = _each(columns[-1], place)
            first = {"O": -float(self.outputs)} if places.get("O", -1) == self.home else {}
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
        for memory, places in self.space.parts:
            if memory.capacity_bytes is None:
                continue
            needs: dict[Operand, float] = {
                o: (2 if o in memory.double_buffered else 1)
                * memory.width(o, self.device.bits[o])
                / 8
                for o, place in places.items()
                if self.device.levels[place].name in self.keeps[o][o in self.resident :]
            }
            columns = {o: Column("tile", o, places[o]) for o in needs}
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
