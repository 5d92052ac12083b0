"""`evaluate`: what one layer costs on one accelerator with one mapping, counted exactly.

The rules of the counts stand in `steelyard.hardware.transfers`; `steelyard.hardware.simulator` executes the
same rules loop by loop and agrees exactly. Energy is counts times the device's energies. Cycles: one
operation a unit and cycle; each memory must pass its accesses through its ports, spread evenly over its used
instances; what is not double buffered is not hidden: the units wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from math import ceil, prod

from steelyard.hardware.counting import STILL, TIME
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    RELEVANT,
    Accelerator,
    Memory,
    Operand,
    PerOperand,
)
from steelyard.hardware.mapping import Mapping, capacity_error
from steelyard.hardware.problem import Problem
from steelyard.hardware.transfers import (
    FlatLoop,
    Transfer,
    flatten,
    footprint,
    tiles,
    transfers,
)
from steelyard.workload.loopnest import LoopNest


@dataclass(frozen=True, slots=True)
class Access:
    """Accesses of one operand at one memory, all instances together, in elements.

    Attributes:
        level: name of the memory.
        operand: I, W or O.
        reads: handed to the inside (I, W).
        fills: written when they come from the outside (I, W).
        updates: partial sums that arrive from the inside, each a write (O).
        psum_reads: old partial sums read to be added to (O).
        drains: read to be sent outside (O).
        pj: energy of them all.
    """

    level: str
    operand: Operand
    reads: int = 0
    fills: int = 0
    updates: int = 0
    psum_reads: int = 0
    drains: int = 0
    pj: float = 0.0

    @property
    def total_reads(self) -> int:
        """All reads."""
        return self.reads + self.psum_reads + self.drains

    @property
    def total_writes(self) -> int:
        """All writes."""
        return self.fills + self.updates

    @property
    def total(self) -> int:
        """Reads and writes."""
        return self.total_reads + self.total_writes


@dataclass(frozen=True, slots=True)
class Crossing:
    """Elements of one operand that crossed one axis of an array, and the energy of that."""

    array: str
    axis: str
    operand: Operand
    elements: int
    pj: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The cost of one layer.

    Attributes:
        macs: operations, padding counted.
        accesses: by memory (outermost first) and operand.
        crossings: by axis and operand.
        mac_pj: energy of the operations.
        compute_cycles: cycles in which some unit works.
        stall_cycles: cycles in which units wait for tiles that are not double buffered.
        level_cycles: for each memory the cycles its ports need.
        exact_cycles: the whole layer: the most of (compute + stall) and of each memory.
        units_used: units that have work in the fullest cycle, and of how many.
        units: multiply-accumulate units of the device.
        footprint_bytes: for each memory the largest tiles of one instance, without what is resident.
    """

    macs: int
    accesses: tuple[Access, ...]
    crossings: tuple[Crossing, ...]
    mac_pj: float
    compute_cycles: int
    stall_cycles: int
    level_cycles: Map[str, int] = field(hash=False)
    exact_cycles: float
    units_used: int
    units: int
    footprint_bytes: Map[str, float] = field(hash=False)

    @property
    def cycles(self) -> int:
        """Cycles of the whole layer."""
        return ceil(self.exact_cycles)

    @property
    def energy_pj(self) -> float:
        """All energy."""
        moved = sum(a.pj for a in self.accesses) + sum(c.pj for c in self.crossings)
        return moved + self.mac_pj

    @property
    def utilization(self) -> float:
        """Operations done of those that all units could have done in the layer's cycles."""
        return self.macs / (self.cycles * self.units)

    @property
    def spatial_utilization(self) -> float:
        """Share of the units that have work in the fullest cycle."""
        return self.units_used / self.units

    @property
    def temporal_utilization(self) -> float:
        """Operations done of those that the used units could have done in the layer's cycles."""
        return self.macs / (self.cycles * self.units_used)

    @property
    def dram_accesses(self) -> int:
        """Reads and writes of the outermost memory, in elements."""
        outer = self.accesses[0].level
        return sum(a.total for a in self.accesses if a.level == outer)

    def access(self, level: str, operand: Operand) -> Access:
        """The accesses of an operand at a memory; all zero where it is bypassed."""
        for found in self.accesses:
            if found.level == level and found.operand == operand:
                return found
        return Access(level, operand)

    def energy_by_level(self) -> dict[str, float]:
        """pJ by memory, array and ``MAC``."""
        parts: dict[str, float] = {}
        for access in self.accesses:
            parts[access.level] = parts.get(access.level, 0.0) + access.pj
        for crossing in self.crossings:
            parts[crossing.array] = parts.get(crossing.array, 0.0) + crossing.pj
        return {**parts, "MAC": self.mac_pj}

    def energy_by_operand(self) -> dict[str, float]:
        """pJ by operand, and ``MAC``."""
        parts: dict[str, float] = dict.fromkeys(OPERANDS, 0.0)
        for access in self.accesses:
            parts[access.operand] += access.pj
        for crossing in self.crossings:
            parts[crossing.operand] += crossing.pj
        return {**parts, "MAC": self.mac_pj}

    def intensity(self, level: str) -> float:
        """Operations for each element that the memory reads or writes."""
        moved = sum(a.total for a in self.accesses if a.level == level)
        return self.macs / moved if moved else float("inf")


def evaluate(layer: LoopNest | Problem, mapping: Mapping, device: Accelerator) -> Evaluation:
    """Counts accesses, energy and cycles of a layer.

    Args:
        layer: its loops.
        mapping: how they are laid over the device.
        device: the accelerator.

    Raises:
        UsageError: the mapping does not belong to the layer and the device.
        InputError: a tile does not fit its memory, or the layer is empty.
    """
    problem = layer if isinstance(layer, Problem) else Problem.of(layer)
    mapping.check(problem, device)
    flat = flatten(mapping)
    room = _fit(problem, flat, mapping, device)
    moves = transfers(problem, mapping, device)
    accesses = _accesses(problem, moves, device)
    cycles = _Cycles(problem, flat, moves, accesses, device)
    return Evaluation(
        macs=problem.macs,
        accesses=accesses,
        crossings=_crossings(moves, device),
        mac_pj=problem.macs * device.mac_pj,
        compute_cycles=cycles.compute,
        stall_cycles=ceil(cycles.stall),
        level_cycles={name: ceil(number) for name, number in cycles.levels.items()},
        exact_cycles=max(cycles.compute + cycles.stall, *cycles.levels.values()),
        units_used=prod(loop.bound for loop in flat if loop.axis),
        units=device.pes,
        footprint_bytes=room,
    )


def _fit(
    problem: Problem, flat: tuple[FlatLoop, ...], mapping: Mapping, device: Accelerator
) -> dict[str, float]:
    """Bytes of the tiles in each memory; refuses those that do not fit."""
    room: dict[str, float] = {}
    for place, level in enumerate(device.levels):
        if not isinstance(level, Memory):
            continue
        need = {
            operand: footprint(problem, flat, operand, mapping.start(device, operand, place))
            * (2 if operand in level.double_buffered else 1)
            * level.width(operand, device.bits[operand])
            / 8
            for operand in OPERANDS
            if level.name in mapping.keeps(operand)[operand in mapping.resident :]
        }
        room[level.name] = sum(need.values())
        capacity = level.capacity_bytes
        if isinstance(capacity, Map):
            for operand, size in need.items():
                if size > capacity[operand]:
                    raise capacity_error(
                        level, {operand: size}, capacity[operand], f"for {operand}"
                    )
        elif capacity is not None and room[level.name] > capacity:
            raise capacity_error(level, need, capacity, "together")
    return room


def _accesses(
    problem: Problem, moves: tuple[Transfer, ...], device: Accelerator
) -> tuple[Access, ...]:
    counts: dict[tuple[int, Operand], dict[str, int]] = {}
    for move in moves:
        above = counts.setdefault((move.parent, move.operand), {})
        below = counts.setdefault((move.child, move.operand), {})
        if move.operand == "O":
            above["updates"] = move.outer
            below["drains"] = move.inner
        else:
            above["reads"] = move.outer
            below["fills"] = move.inner
    outputs = prod(problem.size(dim) for dim in RELEVANT["O"])
    found: list[Access] = []
    for place, level in enumerate(device.levels):
        for operand in OPERANDS:
            if not isinstance(level, Memory) or (place and (place, operand) not in counts):
                continue
            count = counts.get((place, operand), {})
            if operand == "O" and count:
                # an element's first arrival in a tile finds nothing to add to
                count["psum_reads"] = count["updates"] - count.get("drains", outputs)
            found.append(_priced(level, operand, count, device.bits[operand]))
    return tuple(found)


def _priced(level: Memory, operand: Operand, count: dict[str, int], bits: int) -> Access:
    access = Access(level.name, operand, **count)
    pj = access.total_reads * level.read_energy(operand, bits)
    return replace(access, pj=pj + access.total_writes * level.write_energy(operand, bits))


def _crossings(moves: tuple[Transfer, ...], device: Accelerator) -> tuple[Crossing, ...]:
    found: list[Crossing] = []
    for move in moves:
        before = move.outer
        for axis, after in move.stages:
            link = axis.link(move.operand)
            hops = after - before if link.kind in ("neighbour", "reduce") else after
            array = next(a.name for a in device.arrays if axis in a.axes)
            found.append(Crossing(array, axis.name, move.operand, hops, hops * link.pj))
            before = after
    return tuple(found)


class _Cycles:
    """Cycles of the units and of each memory, as fractions."""

    def __init__(
        self,
        problem: Problem,
        flat: tuple[FlatLoop, ...],
        moves: tuple[Transfer, ...],
        accesses: tuple[Access, ...],
        device: Accelerator,
    ) -> None:
        self.compute = prod(
            tiles(
                problem.size(dim),
                tuple(
                    (loop.bound, loop.stride, STILL if loop.axis else TIME)
                    for loop in flat
                    if loop.dim == dim
                ),
            )
            for dim in DIMENSIONS
        )
        used = [
            prod(loop.bound for loop in flat if loop.axis and loop.level < place)
            for place in range(len(device.levels))
        ]
        self.levels: dict[str, float] = {}
        for place, level in enumerate(device.levels):
            if isinstance(level, Memory):
                own = [a for a in accesses if a.level == level.name]
                reads = {a.operand: a.total_reads / used[place] for a in own}
                writes = {a.operand: a.total_writes / used[place] for a in own}
                self.levels[level.name] = max(
                    _port(reads, level.read_bandwidth), _port(writes, level.write_bandwidth)
                )
        self.stall = 0.0
        for move in moves:
            if move.child == len(device.levels):
                continue
            parent, child = device.levels[move.parent], device.levels[move.child]
            if isinstance(parent, Memory) and isinstance(child, Memory):
                up = move.operand == "O"
                outer = parent.write_bandwidth if up else parent.read_bandwidth
                inner = child.read_bandwidth if up else child.write_bandwidth
                waits = max(
                    _port({move.operand: move.outer / used[move.parent]}, outer),
                    _port({move.operand: move.inner / used[move.child]}, inner),
                )
                self.stall += 0.0 if move.operand in child.double_buffered else waits


def _port(elements: dict[Operand, float], bandwidth: PerOperand | None) -> float:
    """Cycles to pass the elements: together through one port, or each through its own."""
    if bandwidth is None or not elements:
        return 0.0
    if isinstance(bandwidth, Map):
        return max(number / bandwidth[operand] for operand, number in elements.items())
    return sum(elements.values()) / bandwidth
