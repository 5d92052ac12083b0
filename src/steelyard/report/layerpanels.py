"""Bars over the layers of a network on an accelerator: energy, utilisation, cycles, the seven bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil, floor, log10

from steelyard.hardware.bounds import STEPS, LayerBounds
from steelyard.hardware.energy_units import energy_axis, format_energy
from steelyard.report.placed import Placed, Row
from steelyard.report.plotdata import Band, Panel, Span, Tick, linear_ticks, stack
from steelyard.report.words import percent
from steelyard.units import format_bytes, format_si

OPERAND_COLOURS = {"I": "op-i", "W": "op-w", "O": "op-o", "MAC": "mac"}
OPERAND_WORDS = {"I": "inputs", "W": "weights", "O": "outputs", "MAC": "operations"}

_NOTHING: Span = (0.0, 0.0)


def layer_panels(placed: Placed) -> tuple[Panel, ...]:
    """Every chart over the layers of `Placed.rows`; none for a roofline."""
    if not placed.rows:
        return ()
    found = (
        energy_by_level(placed),
        energy_by_operand(placed),
        utilisation(placed),
        cycles(placed),
        bounds_panel(placed),
    )
    return tuple(panel for panel in found if panel is not None)


def energy_by_level(placed: Placed, top: float | None = None) -> Panel:
    """Energy of each layer by memory, array and operation.

    Args:
        placed: network and device.
        top: pJ at the top of the axis, so that several can be compared.
    """
    series = [
        (name, colour, [row.cost.levels.get(name, 0.0) for row in placed.rows])
        for name, colour in placed.levels.items()
    ]
    return _energy(placed, "Energy by memory, links and operations", series, top)


def energy_by_operand(placed: Placed) -> Panel:
    """Energy of each layer by what is moved."""
    series = [
        (OPERAND_WORDS[name], colour, [row.cost.operands.get(name, 0.0) for row in placed.rows])
        for name, colour in OPERAND_COLOURS.items()
    ]
    return _energy(placed, "Energy by type of data", series, None)


def _energy(
    placed: Placed,
    title: str,
    series: Sequence[tuple[str, str, Sequence[float]]],
    top: float | None,
) -> Panel:
    bands, limit = stack([one for one in series if any(one[2])], top)
    total = sum(row.cost.energy_pj for row in placed.rows) or 1.0
    tips = []
    for number, row in enumerate(placed.rows):
        lines = [
            f"{band.title} {format_energy(band.values[number], placed.device)}, {percent(band.values[number] / row.cost.energy_pj)}"
            for band in bands
            if band.values[number]
        ]
        share = percent(row.cost.energy_pj / total)
        lines.insert(
            0, f"{format_energy(row.cost.energy_pj, placed.device)}, {share} of the network"
        )
        tips.append("\n".join(lines))
    largest = max(placed.rows, key=lambda row: row.cost.energy_pj)
    note = f"most: {largest.name}, {format_energy(largest.cost.energy_pj, placed.device)}"
    ticks = linear_ticks(limit, partial(format_energy, device=placed.device))
    return Panel(title, energy_axis(placed.device), note, ticks, bands, tuple(tips))


def utilisation(placed: Placed) -> Panel:
    """Units that have work (spatial), and what of all units' time is spent on operations."""
    tips, reached, idle = [], [], []
    for row in placed.rows:
        used = row.cost.utilization
        reached.append((0.0, min(1.0, used)))
        idle.append((min(1.0, used), max(row.spatial, min(1.0, used))))
        lines = [
            f"utilisation {percent(used)}",
            f"spatial {percent(row.spatial)}: units that have work",
            f"temporal {percent(row.temporal)}: of their cycles spent on operations",
        ]
        tips.append("\n".join(lines if row.cost.macs else ["no multiply-accumulates"]))
    used = placed.estimate.utilization if placed.estimate else 0.0
    values = [row.cost.utilization for row in placed.rows]
    rest = [max(0.0, row.spatial - row.cost.utilization) for row in placed.rows]
    bands = (
        Band("units computing: spatial × temporal", "busy", tuple(reached), tuple(values)),
        Band("units that have work but wait", "some", tuple(idle), tuple(rest)),
    )
    ticks = linear_ticks(1.0, percent)
    return Panel("Utilisation", "%", f"network: {percent(used)}", ticks, bands, tuple(tips))


def cycles(placed: Placed) -> Panel:
    """What the units do in each layer's time."""
    clock = getattr(placed.device, "clock_hz", 1.0)

    def seconds(number: float) -> str:
        return format_si(number / clock, "s")

    series = [
        (name, colour, [row.split.get(name, 0.0) for row in placed.rows])
        for name, colour in placed.waits.items()
    ]
    bands, limit = stack([one for one in series if any(one[2])])
    tips = []
    for number, row in enumerate(placed.rows):
        lines = [f"{seconds(row.cost.cycles)}, {row.cost.cycles:,} cycles"]
        lines += [
            f"{band.title} {percent(band.values[number] / row.cost.cycles)}"
            for band in bands
            if band.values[number]
        ]
        lines.append(f"{format_bytes(row.dram_bytes)} to and from the outermost memory")
        tips.append("\n".join(lines))
    longest = max(placed.rows, key=lambda row: row.cost.cycles)
    note = f"longest: {longest.name}, {seconds(longest.cost.cycles)}"
    return Panel("Latency", "s", note, linear_ticks(limit, seconds), bands, tuple(tips))


def bounds_panel(placed: Placed) -> Panel | None:
    """The seven bounds as steps down from the peak, on a logarithmic axis; None without any."""
    if placed.bounds is None or not placed.bounds.layers:
        return None
    pes = placed.bounds.pes
    known = [placed.limits.get(row.name) for row in placed.rows]
    least = min(one.attainable for one in placed.bounds.layers)
    low, high = floor(log10(min(1.0, least)) if least < 1 else log10(least)), log10(pes)
    span = max(1e-9, high - low)

    def at(rate: float) -> float:
        return min(1.0, max(0.0, (log10(rate) - low) / span))

    reached = [(0.0, at(one.attainable)) if one else _NOTHING for one in known]
    bands = [Band("what no mapping can beat", "busy", tuple(reached))]
    tips = []
    for number, step in enumerate(STEPS):
        spans = []
        for one in known:
            before = one.macs_per_cycle[number - 1] if one and number else pes
            after = one.macs_per_cycle[number] if one else pes
            spans.append((at(after), at(before)) if one else _NOTHING)
        if any(top > bottom for bottom, top in spans):
            title = f"lost to step {number + 1}, {step}"
            bands.append(Band(title, f"step{number + 1}", tuple(spans)))
    for row, one in zip(placed.rows, known, strict=True):
        tips.append("\n".join(_steps(row, one)) if one else "no multiply-accumulates")
    every = max(1, ceil((high - low) / 4))
    ticks = [Tick((p - low) / span, f"{10.0**p:,g}") for p in range(low, floor(high) + 1, every)]
    if 1 - ticks[-1].at > 0.12:
        ticks.append(Tick(1.0, f"{pes:,}"))
    title = "The seven bounds: MACs per cycle, logarithmic"
    note = f"all {pes:,} units at the top; network: {placed.bounds.network.limit} costs most"
    return Panel(title, "MACs per cycle", note, tuple(ticks), tuple(bands), tuple(tips))


def _steps(row: Row, one: LayerBounds) -> Iterator[str]:
    """The steps that take something away, and what the mapping reaches."""
    yield "at most MACs per cycle after step"
    before = float("inf")
    for number, (step, after) in enumerate(zip(STEPS, one.macs_per_cycle, strict=True)):
        if after < before:
            yield f"{number + 1} {step}: {after:,.4g}"
        before = after
    achieved = row.cost.macs / row.cost.cycles if row.cost.cycles else 0.0
    yield f"this mapping: {achieved:,.4g} of {one.pes:,}"
