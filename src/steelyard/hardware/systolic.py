"""`systolic`: the cycles of a systolic array that is filled, used and emptied, under three dataflows.

A layer is a product of matrices: T steps pass over what is spread over S_R rows and S_C columns.

=====  ============  ========  ============
flow   S_R           S_C       T
=====  ============  ========  ============
WS     C R S         M         N P Q
IS     C R S         N P Q     M
OS     N P Q         M         C R S
=====  ============  ========  ============

An array of R rows and C columns takes it in ceil(S_R / R) ceil(S_C / C) *folds* (Samajdar et al., "A systematic
methodology for characterizing scalability of DNN accelerators using SCALE-Sim", ISPASS 2020, sec. III). What
stays is shifted in from the top, one row a cycle (WS, IS). Operands enter at the left edge, row r delayed by r
cycles, and move right one column a cycle; sums (WS, IS) or the other operand (OS) move down. So the last of T
steps passes the far corner T + R + C - 2 cycles after the first has entered, however many rows and columns of
a fold are in use. Under OS a column's sums are finished one a cycle and leave over a wire of their own; an
array that shifts them down through its PEs needs R cycles more a fold (the paper's equation).

*Apart*: a fold begins when the one before has left the array, as SCALE-Sim counts:

    WS, IS: folds (2 R + C + T - 2);  OS: folds (R + C + T - 2)

*Pipelined*: the next fold follows on the heels of the one before, its weights having been shifted into a second
register meanwhile, as in TPU v1 (Jouppi et al., ISCA 2017, sec. 2: a second tile of weights hides the 256 cycles
that shifting takes). A fold then takes max(T, R) cycles, for the shift and a column's wire pass R elements:

    WS, IS: R + (folds - 1) max(T, R) + T + R + C - 2;  OS: the same without the first R

Memories are taken to keep up: this is the array alone. `steelyard.hardware.estimate` looks at the memories as
well, and takes folds as pipelined without a beginning and an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any

from steelyard._display import Printable
from steelyard.errors import UnknownNameError, UsageError
from steelyard.hardware.device import Accelerator, Roofline
from steelyard.hardware.problem import Problem
from steelyard.hardware.registry import device as named_device
from steelyard.workload import Workload

SCHEMA = "steelyard.systolic/1"

SPREAD: dict[str, tuple[str, str, str]] = {
    "WS": ("CRS", "M", "NPQ"),
    "IS": ("CRS", "NPQ", "M"),
    "OS": ("NPQ", "M", "CRS"),
}
"""By dataflow: the loops over rows, over columns, and in time; groups follow one another."""


@dataclass(frozen=True, slots=True)
class SystolicArray:
    """A grid of multiply-accumulate units that hand operands on to their neighbours."""

    rows: int
    columns: int

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise UsageError(
                f"a systolic array of {self.rows} x {self.columns}",
                expected="at least one row and one column",
            )

    @classmethod
    def of(cls, device: Accelerator) -> SystolicArray:
        """The systolic array of a device: along one axis inputs are handed on, along the other sums or weights.

        Raises:
            UsageError: it has none.
        """
        for array in device.arrays:
            if len(array.axes) != 2:
                continue
            for across, down in (array.axes, array.axes[::-1]):
                kinds = (down.link("O").kind, down.link("W").kind)
                if across.link("I").kind == "neighbour" and "neighbour" in kinds:
                    return cls(down.size, across.size)
        raise UsageError(
            f"{device.name!r} has no systolic array",
            expected="an array that hands inputs on along one axis, sums or weights along the other",
            hint="tpu_v1, or the array's (rows, columns)",
        )

    @property
    def units(self) -> int:
        """Multiply-accumulate units."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Folding:
    """One product of matrices on an array.

    Attributes:
        array: the array.
        dataflow: WS, IS or OS.
        rows, columns, steps: S_R, S_C and T of the module.
        groups: so many such products, one after another.
    """

    array: SystolicArray
    dataflow: str
    rows: int
    columns: int
    steps: int
    groups: int = 1

    @property
    def folds(self) -> int:
        """How often the array is filled anew."""
        down, across = self._across()
        return self.groups * down * across

    @property
    def wave(self) -> int:
        """Cycles from the first operand's entry to the last result's exit: T + R + C - 2."""
        return self.steps + self.array.rows + self.array.columns - 2

    @property
    def preload(self) -> int:
        """Cycles that shift in what stays: R, or none under OS."""
        return 0 if self.dataflow == "OS" else self.array.rows

    @property
    def apart(self) -> int:
        """Cycles when a fold waits until the one before has left the array."""
        return self.folds * (self.preload + self.wave)

    @property
    def pipelined(self) -> int:
        """Cycles when a fold follows on the heels of the one before."""
        return self.preload + (self.folds - 1) * max(self.steps, self.array.rows) + self.wave

    @property
    def macs(self) -> int:
        """Operations."""
        return self.groups * self.rows * self.columns * self.steps

    @property
    def moved(self) -> dict[str, int]:
        """Elements of I, W and O that cross the array's edges, partial sums of each fold counted."""
        down, across = self._across()
        once = self.rows * self.columns
        right = self.rows * self.steps * across
        below = self.columns * self.steps * down
        parts = {
            "WS": {"I": right, "W": once, "O": below},
            "IS": {"I": once, "W": right, "O": below},
            "OS": {"I": right, "W": below, "O": once},
        }[self.dataflow]
        return {operand: self.groups * number for operand, number in parts.items()}

    def _across(self) -> tuple[int, int]:
        return ceil(self.rows / self.array.rows), ceil(self.columns / self.array.columns)


def folding(problem: Problem, array: SystolicArray, dataflow: str) -> Folding:
    """How a layer is folded onto an array.

    Raises:
        UnknownNameError: no such dataflow.
    """
    if dataflow not in SPREAD:
        raise UnknownNameError("systolic dataflow", dataflow, SPREAD, hint="WS, IS or OS")
    rows, columns, steps = (prod(map(problem.size, dims)) for dims in SPREAD[dataflow])
    return Folding(array, dataflow, rows, columns, steps, problem.size("G"))


@dataclass(frozen=True, slots=True)
class SystolicLayer:
    """One layer: its products of matrices, one after another.

    Attributes:
        name: of the layer.
        parts: how each of its loop nests is folded.
    """

    name: str
    parts: tuple[Folding, ...]

    @property
    def macs(self) -> int:
        """Operations."""
        return sum(part.macs for part in self.parts)

    @property
    def folds(self) -> int:
        """How often the array is filled anew."""
        return sum(part.folds for part in self.parts)

    @property
    def apart(self) -> int:
        """Cycles when a fold waits until the one before has left the array."""
        return sum(part.apart for part in self.parts)

    @property
    def pipelined(self) -> int:
        """Cycles when a fold follows on the heels of the one before."""
        return sum(part.pipelined for part in self.parts)

    @property
    def filled(self) -> float:
        """Share of the units that have work, mean over the folds."""
        places = sum(part.groups * part.rows * part.columns for part in self.parts)
        return places / sum(part.folds * part.array.units for part in self.parts)

    @property
    def moved(self) -> dict[str, int]:
        """Elements of I, W and O that cross the array's edges."""
        return {o: sum(part.moved[o] for part in self.parts) for o in "IWO"}


@dataclass(frozen=True, slots=True)
class Systolic(Printable):
    """A network on a systolic array.

    Attributes:
        workload: its name.
        device: name of the device, "" for an array given by its size.
        array: the array.
        dataflow: WS, IS or OS.
        layers: those that multiply and accumulate, in order of execution.
    """

    workload: str
    device: str
    array: SystolicArray
    dataflow: str
    layers: tuple[SystolicLayer, ...]

    @property
    def macs(self) -> int:
        """Operations."""
        return sum(layer.macs for layer in self.layers)

    @property
    def apart(self) -> int:
        """Cycles when every fold waits until the one before has left the array."""
        return sum(layer.apart for layer in self.layers)

    @property
    def pipelined(self) -> int:
        """Cycles when the folds of a layer follow on each other's heels."""
        return sum(layer.pipelined for layer in self.layers)

    def utilization(self, cycles: int) -> float:
        """Operations done of those that all units could have done in so many cycles."""
        return self.macs / (cycles * self.array.units) if cycles else 0.0

    def layer(self, name: str) -> SystolicLayer:
        """The layer of that name.

        Raises:
            UnknownNameError: there is none that multiplies.
        """
        for found in self.layers:
            if found.name == name:
                return found
        raise UnknownNameError("layer", name, [layer.name for layer in self.layers])

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a versioned schema."""
        return {
            "schema": SCHEMA,
            "workload": self.workload,
            "device": self.device,
            "rows": self.array.rows,
            "columns": self.array.columns,
            "dataflow": self.dataflow,
            "macs": self.macs,
            "cycles_apart": self.apart,
            "cycles_pipelined": self.pipelined,
            "layers": [
                {
                    "name": layer.name,
                    "macs": layer.macs,
                    "products": [
                        [part.rows, part.columns, part.steps, part.groups] for part in layer.parts
                    ],
                    "folds": layer.folds,
                    "cycles_apart": layer.apart,
                    "cycles_pipelined": layer.pipelined,
                    "filled": layer.filled,
                    "moved": layer.moved,
                }
                for layer in self.layers
            ],
        }


def systolic(
    load: Workload,
    array: str | Path | Accelerator | SystolicArray | tuple[int, int],
    dataflow: str = "",
) -> Systolic:
    """Cycles, folds and operands of every layer that multiplies, on a systolic array.

    Args:
        load: the captured network.
        array: a device's name or file, a device, or an array's (rows, columns).
        dataflow: WS, IS or OS; "": the device's own if it is one of these, else WS.

    Raises:
        UsageError: a device without a systolic array, or a size below 1.
        UnknownNameError: no such device or dataflow.
        FileFormatError: see `steelyard.hardware.registry.device`.
    """
    device = named_device(array) if isinstance(array, str | Path) else array
    name, own = "", "WS"
    if isinstance(device, Roofline):
        raise UsageError(
            f"{device.name!r} is a roofline: its inside is not known", expected="an accelerator"
        )
    if isinstance(device, Accelerator):
        name = device.name
        own = device.dataflow if device.dataflow in SPREAD else own
        grid = SystolicArray.of(device)
    else:
        grid = device if isinstance(device, SystolicArray) else SystolicArray(*device)
    flow = dataflow.upper() or own
    layers = []
    for layer in load.layers:
        problems = [Problem.of(nest) for nest in layer.nests if nest.macs]
        if problems:
            layers.append(SystolicLayer(layer.name, _fold(problems, grid, flow)))
    return Systolic(load.name, name, grid, flow, tuple(layers))


def cycles_apart(
    layers: Mapping[str, Iterable[Problem]], device: Accelerator, dataflow: str
) -> dict[str, int]:
    """Cycles by layer with folds apart; empty if the device or the dataflow is not systolic."""
    if dataflow not in SPREAD:
        return {}
    try:
        array = SystolicArray.of(device)
    except UsageError:
        return {}
    return {
        name: sum(part.apart for part in _fold(problems, array, dataflow))
        for name, problems in layers.items()
    }


def _fold(problems: Iterable[Problem], array: SystolicArray, flow: str) -> tuple[Folding, ...]:
    return tuple(folding(problem, array, flow) for problem in problems)


# below the classes that it prints, so that whoever has a result can print it
from steelyard.hardware import systolic_layout as _layout  # noqa: E402, F401
