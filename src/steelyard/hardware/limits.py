"""What limits a layer on an accelerator: how dimensions fill the axes, what memories hold and pass on.

The parts from which `steelyard.hardware.bounds` makes its steps 2 to 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import pairwise, product
from math import ceil, inf, prod

from steelyard.hardware.dataflows import dataflow
from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    RELEVANT,
    Accelerator,
    Array,
    Memory,
    Operand,
    PerOperand,
    per_operand,
)
from steelyard.hardware.problem import Problem, Window

# ---- steps 2 to 4: laying dimensions over axes -----------------------------------------------


def spreading_axes(device: Accelerator) -> tuple[tuple[int, str], ...]:
    """Size of each axis and the dimensions that it may take: its own, else those that the dataflow spreads.

    Raises:
        UnknownNameError: no such dataflow.
    """
    spatial = dataflow(device.dataflow).spatial if device.dataflow else DIMENSIONS
    own = "".join(spatial)
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


def fed_units(problem: Problem, device: Accelerator) -> float:
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


def memory_cycles(problem: Problem, device: Accelerator) -> float:
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
            passed = max(passed, _operations(problem, operand) / prod(shared))
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


def stall_cycles(problem: Problem, device: Accelerator) -> float:
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


def _operations(problem: Problem, operand: Operand) -> int:
    """Operations that need an element of the operand: padding is no input."""
    if operand != "I":
        return problem.macs
    sizes = dict(zip(DIMENSIONS, problem.sizes, strict=True))
    real = _pairs(problem.rows, sizes["P"], sizes["R"]) * _pairs(
        problem.columns, sizes["Q"], sizes["S"]
    )
    return prod(sizes[dim] for dim in "NGMC") * real


@lru_cache(maxsize=4096)
def _pairs(window: Window, outputs: int, taps: int) -> int:
    """Pairs of output and tap that meet an input, not padding."""
    count = 0
    for tap in range(taps):
        offset = tap * window.dilation - window.before
        first = max(0, ceil(-offset / window.stride))
        last = min(outputs - 1, (window.size - 1 - offset) // window.stride)
        count += max(0, last - first + 1)
    return count


@lru_cache(maxsize=4096)
def _rows(window: Window, outputs: int, taps: int) -> int:
    """Input rows that some output needs."""
    offsets = {tap * window.dilation - window.before for tap in range(taps)}
    starts = range(0, outputs * window.stride, window.stride)
    if window.stride == 1 and len(offsets) > 1 and window.dilation == 1:
        first, last = min(offsets), max(offsets) + outputs - 1
        return max(0, min(last, window.size - 1) - max(first, 0) + 1)
    return len({s + o for s in starts for o in offsets if 0 <= s + o < window.size})
