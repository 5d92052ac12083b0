"""What limits a layer on an accelerator: how dimensions fill the axes, what memories hold and pass on.

The parts from which `steelyard.hardware.bounds` makes its steps 2 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


def spreading_axes(device: Accelerator, flow: str) -> tuple[tuple[int, str], ...]:
    """Size of each axis and the dimensions that it may take: its own, else those that the dataflow spreads.

    Args:
        device: the accelerator.
        flow: name of the dataflow, "" for any.

    Raises:
        UnknownNameError: no such dataflow.
    """
    spatial = dataflow(flow).spatial if flow else DIMENSIONS
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


@lru_cache(maxsize=4096)
def _factors(left: int, size: int) -> tuple[int, ...]:
    """Factors worth trying: of those that leave equally much of the axis the largest."""
    largest = {left // factor: factor for factor in range(1, min(left, size) + 1)}
    return tuple(sorted(largest.values(), reverse=True))


# ---- steps 5 to 7: memories ------------------------------------------------------------------


def keeps(device: Accelerator, operand: Operand) -> list[tuple[Memory, ...]]:
    """Every choice of the memories that keep an operand, outermost first; the others it passes by."""
    outer, *inner = [memory for memory in device.memories if operand in memory.holds]
    chosen = product(*([(memory,), ()] for memory in inner))
    return [(outer, *(m for part in parts for m in part)) for parts in chosen]


def _bandwidths(device: Accelerator) -> list[PerOperand | None]:
    """Of the ports: of each memory the one to read and the one to write."""
    return [
        b for memory in device.memories for b in (memory.read_bandwidth, memory.write_bandwidth)
    ]


@dataclass(frozen=True, slots=True)
class _Share:
    """What one operand asks of the memories that keep it.

    Attributes:
        fed_units: units that find it at once.
        moved: elements through each port of one instance.
        busy_cycles: of the port that is busy longest with it alone.
        wait_cycles: until its tiles have come.
    """

    fed_units: float
    moved: list[float]
    busy_cycles: float
    wait_cycles: float


class Memories:
    """What the memories of a device allow a layer at best."""

    def __init__(self, problem: Problem, device: Accelerator) -> None:
        self.device = device
        self.whole = elements(problem)
        self.operations = {operand: _operations(problem, operand) for operand in OPERANDS}
        self.reuse: dict[Operand, int] = {}
        for operand in OPERANDS:
            still = [dim for dim in DIMENSIONS if dim not in RELEVANT[operand]]
            # an input meets several taps, too
            still += ["R", "S"] if operand == "I" else []
            self.reuse[operand] = prod(problem.size(dim) for dim in still)
        self.instances = {memory.name: device.instances(memory.name) for memory in device.memories}
        self.sharing = {
            (memory.name, operand): prod(
                axis.size
                for level in device.levels[device.levels.index(memory) :]
                if isinstance(level, Array)
                for axis in level.axes
                if axis.shares(operand)
            )
            for memory in device.memories
            for operand in OPERANDS
        }

    def limits(self) -> Iterator[tuple[float, float, float]]:
        """What each choice of the memories that keep each operand allows (the outermost always does).

        Yields:
            Units that find their operands (an element in a memory serves at most its reuses at once); cycles in
            which some memory is busy with what must pass it; cycles in which units wait for tiles that are not
            double buffered.
        """
        pes = float(self.device.pes)
        shared = [
            (place, bandwidth)
            for place, bandwidth in enumerate(_bandwidths(self.device))
            if bandwidth is not None and not isinstance(bandwidth, Mapping)
        ]
        options = [
            [self._share(operand, kept) for kept in keeps(self.device, operand)]
            for operand in OPERANDS
        ]
        for i, w, o in product(*options):
            busy = max(i.busy_cycles, w.busy_cycles, o.busy_cycles)
            for place, bandwidth in shared:
                busy = max(busy, (i.moved[place] + w.moved[place] + o.moved[place]) / bandwidth)
            fed = min(pes, i.fed_units, w.fed_units, o.fed_units)
            yield fed, busy, i.wait_cycles + w.wait_cycles + o.wait_cycles

    def _share(self, operand: Operand, kept: tuple[Memory, ...]) -> _Share:
        """One operand's part, which is the same whatever the others do."""
        moved: list[float] = []
        for memory in self.device.memories:
            read = write = 0.0
            if any(memory is one for one in kept):
                read, write = self._passing(memory, operand, kept)
            moved += [read / self.instances[memory.name], write / self.instances[memory.name]]
        own = [
            _port({operand: count}, bandwidth)
            for count, bandwidth in zip(moved, _bandwidths(self.device), strict=True)
            if count
        ]
        return _Share(
            min((self._fed(operand, memory) for memory in kept), default=inf),
            moved,
            max(own, default=0.0),
            sum(self._wait(operand, *pair) for pair in pairwise(kept)),
        )

    def _fed(self, operand: Operand, memory: Memory) -> float:
        if memory.capacity_bytes is None:
            return inf
        width = memory.width(operand, self.device.bits[operand])
        room = per_operand(memory.capacity_bytes, operand) * 8 / width
        room //= 2 if operand in memory.double_buffered else 1
        return room * self.reuse[operand] * self.instances[memory.name]

    def _wait(self, operand: Operand, parent: Memory, child: Memory) -> float:
        if operand in child.double_buffered:
            return 0.0
        up = operand == "O"
        outer = parent.write_bandwidth if up else parent.read_bandwidth
        inner = child.read_bandwidth if up else child.write_bandwidth
        above = self.whole[operand] / self.instances[parent.name]
        below = self.whole[operand] / self.instances[child.name]
        return max(_port({operand: above}, outer), _port({operand: below}, inner))

    def _passing(
        self, memory: Memory, operand: Operand, kept: tuple[Memory, ...]
    ) -> tuple[float, float]:
        """Elements that all instances together must at least read and write."""
        whole = self.whole[operand]
        passed = float(whole)
        if memory is kept[-1]:
            # units keep nothing: each operation comes here, but for those that share an access
            passed = max(passed, self.operations[operand] / self.sharing[memory.name, operand])
        outside = 0 if memory is kept[0] else whole
        if operand == "O":
            # sums come back to be added to; the last ones leave
            return passed - whole + outside, passed
        return passed, outside


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
