"""The roofline of a network on a device as a chart: layers as points, ceilings of the seven bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.hardware.bounds import STEPS
from steelyard.hardware.device import Accelerator
from steelyard.hardware.roofline import Point
from steelyard.report.describe import FAMILIES, family, operator
from steelyard.report.placed import Placed, Row
from steelyard.report.plotdata import Dot, LogAxis, Scatter, Tick
from steelyard.units import format_si
from steelyard.workload import Layer

_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class _At:
    """A layer before it has a place: MACs per byte and per second, seconds, what to say of it."""

    index: int
    layer: Layer
    intensity: float
    rate: float
    time_s: float
    said: tuple[str, ...]
    ceilings: tuple[float, ...]


def roofline_chart(placed: Placed, axes: tuple[LogAxis, LogAxis] | None = None) -> Scatter:
    """Layers under the roof: where their mappings put them, else where the ceilings allow them.

    Reads and writes of an accelerator's outermost memory may go through ports of their own. A byte is one of
    the busier port there, so that no point can lie above the roof.

    Args:
        placed: network and device.
        axes: horizontal and vertical, for several devices on the same ones.
    """
    points = _points(placed)
    horizontal, vertical = axes if axes is not None else roof_axes([placed])
    roof = placed.roof
    corners: list[tuple[float, float]] = []
    mark = None
    if roof.bounded:
        low = max(10**horizontal.low, 10**vertical.low / roof.bandwidth_bytes_per_s)
        corners.append((horizontal.at(low), vertical.at(low * roof.bandwidth_bytes_per_s)))
        corner = (horizontal.at(roof.ridge), vertical.at(roof.peak_macs_per_s))
        corners.append(corner)
        mark = (*corner, f"ridge at {roof.ridge:.3g} MAC/B")
    else:
        corners.append((0.0, vertical.at(roof.peak_macs_per_s)))
    corners.append((1.0, vertical.at(roof.peak_macs_per_s)))
    dots = tuple(
        Dot(
            horizontal.at(point.intensity),
            vertical.at(point.rate),
            point.layer.name,
            family(point.layer),
            "\n".join((point.layer.name, operator(point.layer), *point.said)),
            point.index,
            point.time_s,
            tuple(vertical.at(rate) for rate in point.ceilings),
        )
        for point in points
    )
    network = _network_ceilings(placed)
    return Scatter(
        title=f"Roofline of {placed.device.name}",
        note=_note(placed),
        x_title="MACs per byte of the outermost memory (MAC/B), logarithmic",
        y_title="speed (MAC/s), logarithmic",
        x_ticks=_plain(horizontal),
        y_ticks=vertical.ticks(),
        dots=dots,
        line=tuple(corners),
        mark=mark,
        ceilings=tuple(Tick(vertical.at(rate), str(n + 1)) for n, rate in enumerate(network)),
        legend=tuple((key, text) for key, text in FAMILIES.items() if key in _families(points)),
        whose="the whole network" if network else "",
    )


def above_the_roof(placed: Placed) -> int:
    """Layers that do more than the roof allows, which is only possible where zeros are skipped."""
    roof = placed.roof
    return sum(
        point.rate
        > min(roof.peak_macs_per_s, point.intensity * roof.bandwidth_bytes_per_s) * (1 + 1e-9)
        for point in _points(placed)
    )


def roof_axes(several: Sequence[Placed]) -> tuple[LogAxis, LogAxis]:
    """Axes that hold all points, ridges and peaks."""
    found = [point for placed in several for point in _points(placed)]
    ridges = [placed.roof.ridge for placed in several if placed.roof.bounded]
    peaks = [placed.roof.peak_macs_per_s for placed in several]
    return (
        LogAxis.over([*ridges, *(point.intensity for point in found)]),
        LogAxis.over([*peaks, *(point.rate for point in found)]),
    )


def step_words() -> str:
    """The seven steps in one sentence."""
    return ", ".join(f"{n + 1} {step}" for n, step in enumerate(STEPS))


def _families(points: Sequence[_At]) -> set[str]:
    return {family(point.layer) for point in points}


def _plain(axis: LogAxis) -> tuple[Tick, ...]:
    """Ticks without prefixes: 0.01, 1, 100."""
    span = axis.high - axis.low
    return tuple(Tick(t.at, f"{10 ** (axis.low + t.at * span):.4g}") for t in axis.ticks())


def _note(placed: Placed) -> str:
    roof = placed.roof
    peak = f"peak {format_si(roof.peak_macs_per_s, 'MAC/s')}"
    if not roof.bounded:
        return f"{peak} ({roof.dtype}); this device's outermost memory is never waited for"
    return f"{peak} ({roof.dtype}), memory {format_si(roof.bandwidth_bytes_per_s, 'B/s')}"


def _network_ceilings(placed: Placed) -> tuple[float, ...]:
    if placed.bounds is None or not placed.bounds.layers:
        return ()
    return tuple(rate * placed.bounds.clock_hz for rate in placed.bounds.network.macs_per_cycle)


def _points(placed: Placed) -> tuple[_At, ...]:
    if placed.estimate is not None:
        device = placed.estimate.device
        return tuple(_mapped(placed, device, row) for row in placed.rows if row.cost.macs)
    return tuple(
        _allowed(placed, index, layer)
        for index, layer in enumerate(placed.workload.layers)
        if layer.macs
    )


def _mapped(placed: Placed, device: Accelerator, row: Row) -> _At:
    """A layer where its mapping puts it."""
    roof = placed.roof
    outer = device.memories[0].name
    port_cycles = sum(found.evaluation.level_cycles[outer] for _, found in row.cost.parts)
    moved = row.dram_bytes
    if roof.bounded and port_cycles:
        moved = port_cycles / device.clock_hz * roof.bandwidth_bytes_per_s
    seconds = row.cost.cycles / device.clock_hz
    rate = row.cost.macs / seconds
    bound = placed.limits[row.name]
    ceilings = tuple(each * device.clock_hz for each in bound.macs_per_cycle)
    said = (
        f"{format_si(rate, 'MAC/s')} at {row.cost.macs / moved:.3g} MAC/B",
        f"{rate / roof.peak_macs_per_s:.1%} of the peak, {format_si(seconds, 's')}",
        f"limited most by: {bound.limit}",
    )
    return _At(
        row.index, row.layer, row.cost.macs / moved, rate, seconds, said, ceilings
    )  # fmt: skip


def _allowed(placed: Placed, index: int, layer: Layer) -> _At:
    """A layer where ceilings and bounds allow it to be."""
    point, roof = placed.points[layer.name], placed.roof
    rate = point.attainable_macs_per_s
    ceilings: tuple[float, ...] = ()
    bound = placed.limits.get(layer.name)
    limit = f"limited by {point.limit}"
    if bound is not None and placed.bounds is not None:
        clock = placed.bounds.clock_hz
        ceilings = tuple(each * clock for each in bound.macs_per_cycle)
        rate, limit = bound.attainable * clock, f"limited most by: {bound.limit}"
    intensity = _intensity(point, roof.bandwidth_bytes_per_s, roof.ridge)
    said = (
        f"at most {format_si(rate, 'MAC/s')} at {intensity:.3g} MAC/B",
        f"at least {format_si(layer.macs / rate, 's')}",
        limit,
    )
    return _At(index, layer, intensity, rate, layer.macs / rate, said, ceilings)


def _intensity(point: Point, bandwidth: float, ridge: float) -> float:
    """MACs per byte of the busier port: where the layer meets the roof."""
    if point.limit == "memory":
        return point.attainable_macs_per_s / bandwidth
    return max(point.intensity, ridge) if bandwidth != _INFINITE else point.intensity
