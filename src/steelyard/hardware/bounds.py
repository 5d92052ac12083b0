"""`bounds`: the speed that a layer can reach on an accelerator, after each of seven steps that make it real.

Each step adds a limit, so the attainable multiply-accumulates per cycle never rise; the step that costs most is
what to change. After Chen et al., Eyeriss v2, 2019, sec. II and appendix A ("Eyexam"; steps 1 to 4 as printed in
IEEE Solid-State Circuits Magazine, summer 2020, p. 33; the others from memory). Here each is an upper bound for
every mapping, under one rule: a memory keeps the operands that it holds (nothing passes it by).

1. *layer shape and size*: every operation at once.
2. *dataflow*: only over the dimensions that may be spread over units: an axis's own, else the dataflow's.
3. *number of PEs*: as many units as there are; what is spread takes whole rounds.
4. *physical dimensions of the array*: the dimensions are laid over the axes; each takes whole rounds.
5. *storage capacity*: a unit needs its operands in the memories above it; what they hold feeds so many units.
6. *average bandwidth*: each memory passes on what must pass it, at a steady rate.
7. *access pattern*: units wait for tiles whose place in a memory is not double buffered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise, product
from math import ceil, inf, prod
from typing import Any

from steelyard._display import Printable
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    RELEVANT,
    Accelerator,
    Array,
    Memory,
    Operand,
    PerOperand,
    Roofline,
    per_operand,
)
from steelyard.hardware.problem import Problem, Window
from steelyard.hardware.registry import device as find_device
from steelyard.workload import LoopNest, Workload

STEPS = (
    "layer shape and size",
    "dataflow",
    "number of PEs",
    "physical dimensions of the array",
    "storage capacity",
    "average bandwidth",
    "access pattern",
)
"""The seven steps, in order."""

SPREAD: Mapping[str, str] = {
    "": "NGMCPQRS",
    "RS": "NGMCPR",
    "WS": "GMCRS",
    "OS": "NGMPQ",
    "OSA": "PQ",
    "OSB": "MPQ",
    "OSC": "M",
    "IS": "NGCPQ",
    "NLR": "GMC",
}
"""Dimensions that each dataflow spreads over units, where an axis does not say: those of what stays still, and
for row stationary all but the row that one unit works on (Chen et al., ISCA 2016, sec. III and V)."""


@dataclass(frozen=True, slots=True)
class LayerBounds:
    """One layer.

    Attributes:
        name: of the layer.
        macs: multiply-accumulates.
        pes: units of the device.
        macs_per_cycle: the bound after each of `STEPS`; never rises.
    """

    name: str
    macs: int
    pes: int
    macs_per_cycle: tuple[float, ...]

    @property
    def attainable(self) -> float:
        """Multiply-accumulates per cycle after the last step."""
        return self.macs_per_cycle[-1]

    @property
    def utilization(self) -> float:
        """`attainable` of all units."""
        return self.attainable / self.pes

    @property
    def limit(self) -> str:
        """The step that costs most of what the units could do; the number of PEs if nothing is lost."""
        reached = [float(self.pes), *(min(bound, self.pes) for bound in self.macs_per_cycle)]
        losses = [before / after for before, after in pairwise(reached)]
        worst = max(range(len(STEPS)), key=lambda step: losses[step])
        return STEPS[worst] if losses[worst] > 1 + 1e-9 else STEPS[2]


@dataclass(frozen=True, slots=True)
class Bounds(Printable):
    """All layers of a workload that multiply and accumulate.

    Attributes:
        workload, device: names.
        pes: units of the device.
        clock_hz: cycles per second.
        layers: in order of execution.
    """

    workload: str
    device: str
    pes: int
    clock_hz: float
    layers: tuple[LayerBounds, ...]

    @property
    def network(self) -> LayerBounds:
        """The layers one after the other."""
        macs = sum(layer.macs for layer in self.layers)
        cycles = [
            sum(layer.macs / layer.macs_per_cycle[step] for layer in self.layers)
            for step in range(len(STEPS))
        ]
        rates = tuple(macs / each if each else 0.0 for each in cycles)
        return LayerBounds(self.workload, macs, self.pes, rates)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a versioned schema."""
        return {
            "schema": "steelyard.bounds/1",
            "workload": self.workload,
            "device": self.device,
            "pes": self.pes,
            "clock_hz": self.clock_hz,
            "steps": list(STEPS),
            "layers": [
                {
                    "name": layer.name,
                    "macs": layer.macs,
                    "macs_per_cycle": list(layer.macs_per_cycle),
                    "utilization": layer.utilization,
                    "limit": layer.limit,
                }
                for layer in self.layers
            ],
        }


def bounds(load: Workload, device: str | Accelerator) -> Bounds:
    """The seven bounds of every layer that multiplies and accumulates.

    Args:
        load: the captured network.
        device: an accelerator or its name.

    Raises:
        UsageError: the device is a CPU or GPU of which only the ceilings are known.
        UnknownNameError: no such device or dataflow.
        FileFormatError: see `steelyard.hardware.registry.device`.
    """
    found = find_device(device) if isinstance(device, str) else device
    if isinstance(found, Roofline):
        raise UsageError(
            f"{found.name} is a roofline: its inside is not known",
            expected="an accelerator",
            hint="sy.roofline(load, device)",
        )
    layers = []
    for layer in load.layers:
        nests = [nest for nest in layer.nests if nest.macs]
        if nests:
            parts = [layer_bounds(nest, found, layer.name) for nest in nests]
            layers.append(parts[0] if len(parts) == 1 else _in_turn(parts))
    return Bounds(load.name, found.name, found.pes, found.clock_hz, tuple(layers))


def layer_bounds(nest: LoopNest, device: Accelerator, name: str = "") -> LayerBounds:
    """The seven bounds of one loop nest.

    Raises:
        InputError: an empty nest, or one too large to count.
        UnknownNameError: the device's dataflow is not one of `SPREAD`.
    """
    problem = Problem.of(nest)
    axes = _axes(device)
    free = frozenset("".join(dims for _, dims in axes))
    spread = prod(problem.size(dim) for dim in free)
    steps = problem.macs // spread
    rounds = ceil(spread / device.pes)
    laid = least_rounds(tuple((dim, problem.size(dim)) for dim in sorted(free)), axes)
    compute = float(steps * laid)
    fed = _fed(problem, device)
    compute = max(compute, problem.macs / fed)
    steady = max(compute, _memory_cycles(problem, device))
    real = max(steady, compute + _stalls(problem, device))
    cycles = (1.0, steps, steps * rounds, steps * laid, compute, steady, real)
    return LayerBounds(name, problem.macs, device.pes, tuple(problem.macs / c for c in cycles))


def _in_turn(parts: list[LayerBounds]) -> LayerBounds:
    macs = sum(part.macs for part in parts)
    rates = tuple(
        macs / sum(part.macs / part.macs_per_cycle[step] for part in parts)
        for step in range(len(STEPS))
    )
    return LayerBounds(parts[0].name, macs, parts[0].pes, rates)


# ---- steps 2 to 4: laying dimensions over axes -----------------------------------------------


def _axes(device: Accelerator) -> tuple[tuple[int, str], ...]:
    """Size of each axis and the dimensions that it may take."""
    if device.dataflow not in SPREAD:
        raise UnknownNameError("dataflow", device.dataflow, [name for name in SPREAD if name])
    own = SPREAD[device.dataflow]
    return tuple(
        (axis.size, own if axis.dims is None else "".join(axis.dims))
        for array in device.arrays
        for axis in array.axes
    )


@lru_cache(maxsize=4096)
def least_rounds(sizes: tuple[tuple[str, int], ...], axes: tuple[tuple[int, str], ...]) -> int:
    """The fewest rounds in which an array can go through all values of some dimensions.

    Each axis is shared out among dimensions by whole factors whose product fits it; a dimension of size B with
    factors f on its axes takes ceil(B / product of f) rounds; the rounds multiply. Exact, by dynamic
    programming over what is left of each axis.

    Args:
        sizes: (dimension, size).
        axes: (size, dimensions that it takes).
    """

    @cache
    def best(index: int, left: tuple[int, ...]) -> int:
        if index == len(sizes):
            return 1
        dim, size = sizes[index]
        choices = [
            _factors(rest, size) if dim in dims else (1,)
            for rest, (_, dims) in zip(left, axes, strict=True)
        ]
        least = 0
        for factors in product(*choices):
            own = ceil(size / prod(factors))
            if least and own >= least:
                continue
            rest = tuple(have // used for have, used in zip(left, factors, strict=True))
            found = own * best(index + 1, rest)
            least = min(least or found, found)
        return least

    return best(0, tuple(size for size, _ in axes))


def _factors(left: int, size: int) -> tuple[int, ...]:
    """Factors worth trying: of those that leave equally much of the axis the largest."""
    largest = {left // factor: factor for factor in range(1, min(left, size) + 1)}
    return tuple(sorted(largest.values(), reverse=True))


# ---- steps 5 to 7: memories ------------------------------------------------------------------


def _inside(device: Accelerator, memory: Memory) -> tuple[Array, ...]:
    place = device.levels.index(memory)
    return tuple(level for level in device.levels[place:] if isinstance(level, Array))


def _fed(problem: Problem, device: Accelerator) -> float:
    """Units that the memories can hold operands for: an element serves at most its reuses at once."""
    most = float(device.pes)
    for memory in device.memories:
        if memory.capacity_bytes is None:
            continue
        instances = device.instances(memory.name)
        for operand in memory.holds:
            room = per_operand(memory.capacity_bytes, operand) * 8 / device.bits[operand]
            room //= 2 if operand in memory.double_buffered else 1
            still = [dim for dim in DIMENSIONS if dim not in RELEVANT[operand]]
            reuse = prod(problem.size(dim) for dim in still)
            if operand == "I":
                reuse *= problem.size("R") * problem.size("S")
            most = min(most, max(1.0, room * reuse) * instances)
    return most


def _memory_cycles(problem: Problem, device: Accelerator) -> float:
    """Cycles in which some memory is busy with what must pass it."""
    return max(
        max(_port(reads, memory.read_bandwidth), _port(writes, memory.write_bandwidth))
        for memory in device.memories
        for reads, writes in (_traffic(problem, device, memory),)
    )


def _traffic(
    problem: Problem, device: Accelerator, memory: Memory
) -> tuple[dict[Operand, float], dict[Operand, float]]:
    """Elements that each instance of a memory must at least read and write."""
    whole = elements(problem)
    instances = device.instances(memory.name)
    place = device.levels.index(memory)
    reads: dict[Operand, float] = {}
    writes: dict[Operand, float] = {}
    for operand in memory.holds:
        inner = [m for m in device.levels[place + 1 :] if isinstance(m, Memory)]
        passed = float(whole[operand])
        if not any(operand in m.holds for m in inner):
            # the units keep nothing: each operation comes here, but for those that share an access
            shared = [
                axis.size
                for array in _inside(device, memory)
                for axis in array.axes
                if axis.shares(operand)
            ]
            passed = max(passed, problem.macs / prod(shared))
        outermost = place == 0
        if operand == "O":
            writes[operand] = passed / instances
            # sums come back to be added to; the last ones leave
            again = passed - whole["O"] + (0 if outermost else whole["O"])
            reads[operand] = again / instances
        else:
            reads[operand] = passed / instances
            writes[operand] = 0.0 if outermost else whole[operand] / instances
    return reads, writes


def _stalls(problem: Problem, device: Accelerator) -> float:
    """Cycles in which the units wait for tiles that are not double buffered."""
    whole = elements(problem)
    waits = 0.0
    for operand in OPERANDS:
        chain = [memory for memory in device.memories if operand in memory.holds]
        for parent, child in pairwise(chain):
            if operand in child.double_buffered:
                continue
            up = operand == "O"
            outer = parent.write_bandwidth if up else parent.read_bandwidth
            inner = child.read_bandwidth if up else child.write_bandwidth
            above = whole[operand] / device.instances(parent.name)
            below = whole[operand] / device.instances(child.name)
            waits += max(_port({operand: above}, outer), _port({operand: below}, inner))
    return waits


def _port(moved: Mapping[Operand, float], bandwidth: PerOperand | None) -> float:
    if bandwidth is None or not moved:
        return 0.0
    if isinstance(bandwidth, Mapping):
        return max(count / bandwidth.get(operand, inf) for operand, count in moved.items())
    return sum(moved.values()) / bandwidth


def elements(problem: Problem) -> dict[Operand, int]:
    """Elements of each operand that the layer needs: inputs without padding and without those it skips."""
    sizes = dict(zip(DIMENSIONS, problem.sizes, strict=True))
    rows = _rows(problem.rows, sizes["P"], sizes["R"])
    columns = _rows(problem.columns, sizes["Q"], sizes["S"])
    return {
        "I": sizes["N"] * sizes["G"] * sizes["C"] * rows * columns,
        "W": prod(sizes[dim] for dim in RELEVANT["W"]),
        "O": prod(sizes[dim] for dim in RELEVANT["O"]),
    }


@lru_cache(maxsize=4096)
def _rows(window: Window, outputs: int, taps: int) -> int:
    """Input rows that some output needs."""
    offsets = {tap * window.dilation - window.before for tap in range(taps)}
    starts = range(0, outputs * window.stride, window.stride)
    if window.stride == 1 and len(offsets) > 1 and window.dilation == 1:
        first, last = min(offsets), max(offsets) + outputs - 1
        return max(0, min(last, window.size - 1) - max(first, 0) + 1)
    return len({s + o for s in starts for o in offsets if 0 <= s + o < window.size})
