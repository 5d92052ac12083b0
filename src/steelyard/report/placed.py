"""`Placed`: a network on a device, with everything that the charts of the report show of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from steelyard.errors import UsageError
from steelyard.hardware.bounds import Bounds, LayerBounds, bounds
from steelyard.hardware.device import Accelerator, Array, Roofline
from steelyard.hardware.estimate import Estimate, LayerEstimate, estimate
from steelyard.hardware.estimate_layout import dram_bytes
from steelyard.hardware.evaluate import Evaluation
from steelyard.hardware.mapper_answer import Objective
from steelyard.hardware.registry import device as find_device
from steelyard.hardware.roofline import Point, RooflineReport, roofline
from steelyard.report.describe import family, operator
from steelyard.workload import Layer, Workload

BUSY, STALL, WAITS = "computing", "waiting for tiles that are not double buffered", "waiting for "


@dataclass(frozen=True, slots=True)
class Row:
    """One layer that costs something on the device.

    Attributes:
        index: position among all layers of the workload.
        layer, cost: itself, and its estimate.
        dram_bytes: moved to and from the outermost memory.
        split: cycles by what the units do or wait for; they add up to the layer's.
        spatial, temporal: utilisation; their product is the layer's. 0 without operations.
    """

    index: int
    layer: Layer
    cost: LayerEstimate
    dram_bytes: float
    split: Mapping[str, float]
    spatial: float
    temporal: float

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.layer.name

    @property
    def family(self) -> str:
        """A key of `steelyard.report.describe.FAMILIES`."""
        return family(self.layer)

    @property
    def operator(self) -> str:
        """What it does, e.g. ``conv 3×3 /2``."""
        return operator(self.layer)


@dataclass(frozen=True)
class Placed:
    """A network on a device.

    Attributes:
        workload, device: themselves.
        roof: the device's ceilings over every layer.
        estimate: each layer with its best mapping; None where only ceilings are known.
        bounds: the seven bounds; None as above.
    """

    workload: Workload
    device: Accelerator | Roofline
    roof: RooflineReport
    estimate: Estimate | None = None
    bounds: Bounds | None = None

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The layers that multiply and accumulate or take energy or time, in order; none for a roofline."""
        if self.estimate is None:
            return ()
        found = []
        pairs = zip(self.workload.layers, self.estimate.layers, strict=True)
        for index, (layer, cost) in enumerate(pairs):
            if cost.macs or cost.energy_pj or cost.cycles:
                found.append(_row(index, layer, cost, self.estimate))
        return tuple(found)

    @cached_property
    def limits(self) -> dict[str, LayerBounds]:
        """The seven bounds by layer."""
        return {} if self.bounds is None else {one.name: one for one in self.bounds.layers}

    @cached_property
    def points(self) -> dict[str, Point]:
        """The roofline's points by layer."""
        return {point.name: point for point in self.roof.layers}

    @property
    def result(self) -> Estimate | RooflineReport:
        """What is printed: the estimate, else the roofline."""
        return self.estimate if self.estimate is not None else self.roof

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``device``, ``estimate``, ``roofline`` and ``bounds``, None where there is none."""
        return {
            "device": self.device.name,
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "roofline": self.roof.to_dict(),
            "bounds": None if self.bounds is None else self.bounds.to_dict(),
        }

    @property
    def levels(self) -> dict[str, str]:
        """Colour of each level of the energy: memories from outside in, arrays, ``MAC``."""
        if not isinstance(self.device, Accelerator):
            return {}
        colours = {memory.name: f"lv{min(4, n)}" for n, memory in enumerate(self.device.memories)}
        arrays = [level for level in self.device.levels if isinstance(level, Array)]
        colours |= {array.name: f"links{min(1, n)}" for n, array in enumerate(arrays)}
        order = [level.name for level in self.device.levels]
        return {name: colours[name] for name in order} | {"MAC": "mac"}

    @property
    def waits(self) -> dict[str, str]:
        """Colour of each part of the cycles' `Row.split`."""
        memories = getattr(self.device, "memories", ())
        levels = self.levels
        waits = {WAITS + memory.name: levels[memory.name] for memory in memories}
        return {BUSY: "busy", STALL: "stall"} | waits


def row_heads(rows: Sequence[Row]) -> list[str]:
    """Name and operator of each layer, as they stand above what the pointer shows."""
    return [f"{row.name}\n{row.operator}" for row in rows]


def place(
    load: Workload,
    device: Accelerator | Roofline,
    estimate: Estimate | None = None,
    *,
    dataflow: str | None = None,
) -> Placed:
    """Adds the roofline and, on an accelerator, the seven bounds to an estimate.

    Args:
        load: the network, of the same batch as the estimate.
        device: where it runs.
        estimate: of ``load`` on ``device``, if there is one.
        dataflow: of the bounds; the estimate's, else the device's own if not given.

    Raises:
        UsageError: the device has no peak for the network's data type.
    """
    if dataflow is None and estimate is not None:
        dataflow = estimate.dataflow
    steps = bounds(load, device, dataflow=dataflow) if isinstance(device, Accelerator) else None
    return Placed(load, device, roofline(load, device), estimate, steps)


def place_on(
    load: Workload,
    devices: Sequence[object],
    objective: Objective = "energy",
    dataflow: str = "",
    progress: Callable[[str], None] | None = None,
) -> tuple[Placed, ...]:
    """A network on several devices, estimated where there is something to map to.

    Args:
        load: the network.
        devices: names, files, or devices.
        objective, dataflow: of the mappings, as in `steelyard.estimate`.
        progress: called with what is being done.

    Raises:
        SteelyardError: whatever `steelyard.device`, `steelyard.estimate` and `place` raise.
    """
    placed = []
    for given in devices:
        device = find_device(given) if isinstance(given, str | Path) else given
        if not isinstance(device, Accelerator | Roofline):
            raise UsageError(
                f"a {type(given).__name__} is no device", expected="a name, a file or a device"
            )
        found = None
        if isinstance(device, Accelerator):
            doing = f"mapping {load.name} to {device.name}"

            def step(done: int, every: int, layer: str, doing: str = doing) -> None:
                if progress is not None:
                    progress(f"{doing}: {done} of {every} different layers, {layer}")

            found = estimate(load, device, objective=objective, dataflow=dataflow, progress=step)
        placed.append(place(load, device, found))
    return tuple(placed)


def _row(index: int, layer: Layer, cost: LayerEstimate, whole: Estimate) -> Row:
    parts = [found.evaluation for _, found in cost.parts]
    outer = whole.device.memories[0].name
    split: dict[str, float] = {}
    for part in parts:
        for what, cycles in _split(part).items():
            split[what] = split.get(what, 0.0) + cycles
    if not parts and cost.cycles:
        split = {WAITS + outer: float(cost.cycles)}
    cycles = sum(part.cycles for part in parts)
    used = sum(part.units_used * part.cycles for part in parts)
    spatial = used / (cycles * whole.device.pes) if cycles else 0.0
    temporal = cost.utilization / spatial if spatial else 0.0
    return Row(index, layer, cost, dram_bytes(cost, whole), split, spatial, temporal)


def _split(part: Evaluation) -> dict[str, float]:
    """Cycles of a nest: units compute, then wait for tiles, then for the slowest memory's ports."""
    busy = min(part.compute_cycles, part.cycles)
    stall = min(part.stall_cycles, part.cycles - busy)
    rest = part.cycles - busy - stall
    slowest = max(part.level_cycles, key=lambda name: part.level_cycles[name])
    return {BUSY: float(busy), STALL: float(stall), WAITS + slowest: float(rest)}
