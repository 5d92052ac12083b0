"""Energy and latency of a network on an accelerator by stage: few bars for networks of many layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from steelyard.hardware.energy_units import energy_axis, format_energy
from steelyard.report.layerpanels import OPERAND_COLOURS, OPERAND_WORDS
from steelyard.report.placed import Placed, Row
from steelyard.report.plotdata import Panel, linear_ticks, stack
from steelyard.report.words import percent
from steelyard.units import format_si

_Series = list[tuple[str, str, list[float]]]


def stage_panels(placed: Placed) -> tuple[tuple[Panel, ...], dict[str, int]]:
    """Energy by level and by operand and cycles of each stage, and the stages with their numbers of layers."""
    groups = _stages(placed)
    clock = getattr(placed.device, "clock_hz", 1.0)

    def seconds(cycles: float) -> str:
        return format_si(cycles / clock, "s")

    def series(colours: dict[str, str], value: Callable[[Row, str], float]) -> _Series:
        return [
            (name, colour, [sum(value(row, name) for row in rows) for rows in groups.values()])
            for name, colour in colours.items()
        ]

    operands = series(OPERAND_COLOURS, lambda row, name: row.cost.operands.get(name, 0.0))
    words = [(OPERAND_WORDS[name], colour, values) for name, colour, values in operands]
    axis, energy = energy_axis(placed.device), partial(format_energy, device=placed.device)
    parts = (
        (
            "Energy by memory, links and operations",
            axis,
            series(placed.levels, lambda row, name: row.cost.levels.get(name, 0.0)),
            energy,
        ),
        ("Energy by type of data", axis, words, energy),
        ("Latency", "s", series(placed.waits, lambda row, name: row.split.get(name, 0.0)), seconds),
    )
    panels = tuple(_panel(groups, *part) for part in parts)
    return panels, {stage: len(rows) for stage, rows in groups.items()}


def _stages(placed: Placed) -> dict[str, list[Row]]:
    rows = {row.name: row for row in placed.rows}
    groups: dict[str, list[Row]] = {}
    for stage, layers in placed.workload.groupby("stage").items():
        found = [rows[layer.name] for layer in layers if layer.name in rows]
        if found:
            groups[stage] = found
    return groups


def _panel(
    groups: dict[str, list[Row]],
    title: str,
    unit: str,
    series: _Series,
    show: Callable[[float], str],
) -> Panel:
    bands, limit = stack([one for one in series if any(one[2])])
    tips = []
    for number in range(len(groups)):
        whole = sum(band.values[number] for band in bands)
        lines = [show(whole)]
        lines += [
            f"{band.title} {show(band.values[number])}, {percent(band.values[number] / whole)}"
            for band in bands
            if band.values[number]
        ]
        tips.append("\n".join(lines))
    return Panel(title, unit, "", linear_ticks(limit, show), bands, tuple(tips))
