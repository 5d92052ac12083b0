"""`line`: a workload as a row of layers that can be fused: what each reads and writes, row by row.

A unit is a convolution, a matrix product with weights or a pooling layer together with the layers behind it that
are applied while its data pass (activations, normalisation; a sum of two maps reads the other one from its
`side`). Everything else is a unit of its own kind, ``other``, which is never fused. A row is a row of the feature
map; of a matrix product a sample (or token). Kernel and stride of a pooling layer are read off its sizes and its
count of operations, its padding is taken as equal on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import Literal

from steelyard.errors import UsageError
from steelyard.hardware.device import RELEVANT
from steelyard.hardware.problem import Problem, Window
from steelyard.workload import Layer, Workload

Kind = Literal["nest", "pool", "other"]

POINTWISE = frozenset({"activation", "norm", "quantize", "elementwise"})
"""Kinds that are applied while data pass if they keep the shape of one map."""


@dataclass(frozen=True, slots=True)
class Source:
    """A map that a unit reads.

    Attributes:
        tensor: its name.
        window, taps: output row o needs the rows ``o * stride + k * dilation - before``, k below ``taps``.
        row: elements of one row of one image.
        needed: those of them that some output needs.
    """

    tensor: str
    window: Window
    taps: int
    row: int
    needed: int

    def rows(self, first: int, end: int) -> range:
        """From the first to the last row that the output rows first .. end - 1 need, without padding."""
        w = self.window
        if w.dilation > 1 or w.stride > self.taps:  # windows with gaps
            rows = self.exact(first, end)
            return range(min(rows, default=0), max(rows, default=-1) + 1)
        low = max(0, first * w.stride - w.before)
        high = (end - 1) * w.stride + self.taps - w.before
        return range(low, max(low, min(w.size, high)))

    def exact(self, first: int, end: int) -> frozenset[int]:
        """The rows that the output rows first .. end - 1 need, without padding and without gaps."""
        w = self.window
        rows = (
            o * w.stride + k * w.dilation - w.before
            for o in range(first, end)
            for k in range(self.taps)
        )
        return frozenset(row for row in rows if 0 <= row < w.size)


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer, with the layers that are applied to its output on the way.

    Attributes:
        kind: ``nest`` (multiplies), ``pool`` or ``other`` (cannot be fused).
        layers: names, the unit's own layer first.
        tensor: name of the map that it writes.
        rows: of the output, one image.
        row: elements of an output row.
        images: of one pass.
        sources: what its own layer reads.
        sides: what sums behind it read: the layer's name and the map.
        problem: of a nest.
        dim: the dimension of the problem that counts the rows.
    """

    kind: Kind
    layers: tuple[str, ...]
    tensor: str
    rows: int = 0
    row: int = 0
    images: int = 0
    sources: tuple[Source, ...] = ()
    sides: tuple[tuple[str, Source], ...] = ()
    problem: Problem | None = None
    dim: str = "P"

    @property
    def weights(self) -> int:
        """Elements of its weights."""
        if self.problem is None:
            return 0
        return prod(self.problem.size(dim) for dim in RELEVANT["W"])

    def part(self, first: int, end: int, images: int) -> Problem:
        """The problem of the output rows first .. end - 1 of so many images.

        Raises:
            UsageError: the unit is no nest of loops.
        """
        if self.problem is None:
            raise UsageError(f"a {self.kind} layer is no nest of loops", expected="a convolution")
        sizes = list(self.problem.sizes)
        if self.dim == "N":
            sizes[0] = end - first
            return replace(self.problem, sizes=tuple(sizes))
        sizes[0], sizes[4] = images, end - first
        (source,) = self.sources
        rows, window = source.rows(first, end), source.window
        before = rows.start - (first * window.stride - window.before)
        return replace(
            self.problem,
            sizes=tuple(sizes),
            rows=replace(window, before=before, size=len(rows)),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A workload's units in order of execution.

    Attributes:
        units: the units; layers that are free wherever they stand are left out.
        readers: by map the numbers of the units that read it; one beyond the last where it is a result.
    """

    units: tuple[Unit, ...]
    readers: Mapping[str, tuple[int, ...]]


def line(workload: Workload) -> Line:
    """The units of a workload and who reads their maps."""
    reader = _Reader(workload)
    units = tuple(reader.read())
    where: dict[str, tuple[int, ...]] = {}
    for number, unit in enumerate(units):
        for source in (*unit.sources, *(side for _, side in unit.sides)):
            where[source.tensor] = (*where.get(source.tensor, ()), number)
    for output in workload.outputs:
        where[reader.of(output)] = (*where.get(reader.of(output), ()), len(units))
    return Line(units, where)


class _Reader:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.same: dict[str, str] = {}
        self.uses: dict[str, int] = {}
        for layer in workload.layers:
            for name in layer.inputs:
                self.uses[name] = self.uses.get(name, 0) + 1

    def of(self, tensor: str) -> str:
        """The map that a tensor is once the layers on the way are left out."""
        return self.same.get(tensor, tensor)

    def read(self) -> list[Unit]:
        found: list[Unit] = []
        for layer in self.workload.layers:
            last = found[-1] if found else None
            if layer.kind in POINTWISE and self._on_the_way(layer):
                if len(layer.inputs) == 1:
                    self.same[layer.outputs[0]] = self.of(layer.inputs[0])
                    if last and last.tensor == self.of(layer.inputs[0]):
                        found[-1] = replace(last, layers=(*last.layers, layer.name))
                    continue
                if last and (joined := self._join(last, layer)):
                    found[-1] = joined
                    continue
            found.append(self._nest(layer) or self._pool(layer) or self._other(layer))
        return found

    def _numel(self, tensor: str) -> int:
        return self.workload.tensor(tensor).numel

    def _on_the_way(self, layer: Layer) -> bool:
        sizes = {self._numel(name) for name in (*layer.inputs, *layer.outputs)}
        return len(layer.outputs) == 1 and len(layer.inputs) > 0 and len(sizes) == 1

    def _join(self, last: Unit, layer: Layer) -> Unit | None:
        """A sum of the last unit's map with others."""
        own = [name for name in layer.inputs if self.of(name) == last.tensor]
        if last.kind == "other" or len(own) != 1 or self.uses[own[0]] != 1:
            return None
        self.same[layer.outputs[0]] = last.tensor
        window = Window(size=last.rows)
        sides = tuple(
            (layer.name, Source(self.of(name), window, 1, last.row, last.row))
            for name in layer.inputs
            if name not in own
        )
        return replace(last, layers=(*last.layers, layer.name), sides=(*last.sides, *sides))

    def _nest(self, layer: Layer) -> Unit | None:
        nest = layer.nest
        if nest is None or not nest.macs or nest.transposed or len(layer.outputs) != 1:
            return None
        if len(layer.inputs) != 1 or layer.kind not in ("conv", "linear"):
            return None
        problem = Problem.of(nest)
        tensor, source = layer.outputs[0], self.of(layer.inputs[0])
        if layer.kind == "linear":
            if self._numel(layer.inputs[0]) != nest.N * nest.C or nest.G != 1:
                return None
            reads = Source(source, Window(size=nest.N), 1, nest.C, nest.C)
            return Unit(
                "nest", (layer.name,), tensor, nest.N, nest.M, 1, (reads,), (), problem, "N"
            )
        if len(nest.out) != 2:
            return None
        row = nest.C * nest.input[1]
        if self._numel(layer.inputs[0]) != nest.N * nest.input[0] * row:
            return None
        g, _, c = problem.sizes[1:4]
        columns = Source("", problem.columns, nest.S, 1, 1).exact(0, nest.Q)
        reads = Source(source, problem.rows, nest.R, row, g * c * len(columns))
        return Unit(
            "nest", (layer.name,), tensor, nest.P, nest.M * nest.Q, nest.N, (reads,), (), problem
        )

    def _pool(self, layer: Layer) -> Unit | None:
        if layer.kind != "pool" or len(layer.inputs) != 1 or len(layer.outputs) != 1:
            return None
        shape = self.workload.tensor(layer.inputs[0]).shape
        out = self.workload.tensor(layer.outputs[0]).shape
        if len(shape) != 4 or len(out) != 4 or shape[:2] != out[:2]:
            return None
        kernel = isqrt(layer.ops // prod(out))
        if kernel < 1 or kernel**2 * prod(out) != layer.ops:
            return None
        rows, columns = (_pooled(shape[k], out[k], kernel) for k in (2, 3))
        if rows is None or columns is None:
            return None
        width = len(Source("", columns, kernel, 1, 1).exact(0, out[3]))
        reads = Source(
            self.of(layer.inputs[0]), rows, kernel, shape[1] * shape[3], shape[1] * width
        )
        return Unit(
            "pool", (layer.name,), layer.outputs[0], out[2], out[1] * out[3], out[0], (reads,)
        )

    def _other(self, layer: Layer) -> Unit:
        reads = tuple(Source(self.of(name), Window(), 1, 0, 0) for name in layer.inputs)
        return Unit(
            "other", (layer.name,), layer.outputs[0] if layer.outputs else "", sources=reads
        )


def _pooled(size: int, out: int, kernel: int) -> Window | None:
    """The window of a pooling layer along one axis, None if its sizes are of no such layer."""
    if kernel > size:
        return None
    for stride in range(1, size + 1):
        missing = (out - 1) * stride + kernel - size
        if -stride < missing <= 2 * (kernel // 2) and missing < stride + kernel:
            return Window(stride, 1, max(0, -(-missing // 2)), size)
    return None
