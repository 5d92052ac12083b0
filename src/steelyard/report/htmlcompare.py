"""Several devices side by side: their totals, what their energy and time consist of, rooflines on the same axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from steelyard.hardware.device import Accelerator, Array
from steelyard.hardware.energy_units import comparable, format_energy
from steelyard.hardware.estimate_layout import estimates_document
from steelyard.report.escape import html_text
from steelyard.report.htmltables import table_html
from steelyard.report.layerpanels import (
    OPERAND_COLOURS,
    OPERAND_WORDS,
    energy_by_level,
)
from steelyard.report.placed import BUSY, STALL, WAITS, Placed, row_heads
from steelyard.report.plots import (
    lying_bars,
    panels_data,
    panels_html,
    scatter_data,
    scatter_html,
)
from steelyard.report.roofplot import roof_axes, roofline_chart
from steelyard.report.svg import nice_ceiling
from steelyard.units import format_si

_ROLES = {
    "lv0": "outermost memory",
    "lv1": "memories between",
    "lv3": "memory at the units",
    "links0": "links",
    "mac": "operations",
}
_TIME = {
    "busy": "computing",
    "stall": "waiting for tiles that are not double buffered",
    "lv0": "waiting for the outermost memory",
    "lv1": "waiting for memories on the chip",
}


def comparison_html(
    several: Sequence[Placed], key: str, data: dict[str, Any], *, lean: bool = False
) -> Iterator[str]:
    """The same network on several devices; nothing for one.

    Args:
        several: the network on each device.
        key: of the network, unique on the page.
        data: what the script needs is added here.
        lean: no bars over the layers, and points tell the layer's name only when they are pointed at.
    """
    if len(several) < 2:
        return
    estimated = [placed for placed in several if placed.estimate is not None]
    yield f'<section class="side" id="devices-{key}"><h3>Devices side by side</h3>'
    if len(estimated) > 1:
        yield from _totals(estimated)
        if not lean:
            yield from _energies(estimated, key, data)
    yield "<h4>Rooflines on the same axes</h4>"
    yield '<div class="columns">'
    axes = roof_axes(several)
    for number, placed in enumerate(several):
        chart = roofline_chart(placed, axes)
        data[f"c-{key}-{number}"] = scatter_data(chart, lean=lean)
        yield scatter_html(chart, key=f"c-{key}-{number}")
    yield "</div></section>\n"


def _totals(estimated: Sequence[Placed]) -> Iterator[str]:
    found = estimates_document([p.estimate for p in estimated if p.estimate is not None])
    name = f"{estimated[0].workload.name}: totals of each device"
    yield table_html(replace(found.tables[0], title=name), sortable=True)
    for note in found.notes:
        yield f'<p class="note">{html_text(note)}</p>'
    operands, levels, times = [], [], []
    devices = [placed.device for placed in estimated]
    for placed in estimated:
        if placed.estimate is None:
            continue
        name, energy = placed.device.name, format_energy(placed.estimate.energy_pj, placed.device)
        by_operand = placed.estimate.energy_by_operand()
        words = [(OPERAND_COLOURS[key], pj) for key, pj in by_operand.items()]
        if comparable(placed.device, devices):
            operands.append((name, words, energy))
            levels.append((name, _levels(placed), energy))
        times.append((name, _seconds(placed), format_si(placed.estimate.latency_s, "s")))
    yield lying_bars("Energy by memory, links and operations", levels, _ROLES)
    colours = {OPERAND_COLOURS[key]: word for key, word in OPERAND_WORDS.items()}
    yield lying_bars("Energy by type of data", operands, colours)
    yield lying_bars("Latency", times, _TIME)


def _levels(placed: Placed) -> list[tuple[str, float]]:
    """pJ by what a level is, so that devices of different make can be compared."""
    device, found = placed.device, placed.estimate
    if not isinstance(device, Accelerator) or found is None:
        return []
    roles = {memory.name: "lv1" for memory in device.memories}
    roles[device.memories[-1].name] = "lv3"
    roles[device.memories[0].name] = "lv0"
    roles |= {level.name: "links0" for level in device.levels if isinstance(level, Array)}
    parts = dict.fromkeys(_ROLES, 0.0)
    for name, pj in found.energy_by_level().items():
        parts[roles.get(name, "mac")] += pj
    return list(parts.items())


def _seconds(placed: Placed) -> list[tuple[str, float]]:
    device = placed.device
    if not isinstance(device, Accelerator):
        return []
    outer = WAITS + device.memories[0].name
    parts = dict.fromkeys(_TIME, 0.0)
    for row in placed.rows:
        for what, cycles in row.split.items():
            key = {BUSY: "busy", STALL: "stall", outer: "lv0"}.get(what, "lv1")
            parts[key] += cycles / device.clock_hz
    return list(parts.items())


def _energies(estimated: Sequence[Placed], key: str, data: dict[str, Any]) -> Iterator[str]:
    """Energy of each layer on each device, in one scale; only where the layers are the same."""
    rows = [[row.index for row in placed.rows] for placed in estimated]
    if not rows[0] or any(other != rows[0] for other in rows):
        return
    top = nice_ceiling(max(row.cost.energy_pj for placed in estimated for row in placed.rows))
    panels = []
    for placed in estimated:
        panel = energy_by_level(placed, top)
        panels.append(replace(panel, title=f"Energy on {placed.device.name}"))
    name = f"{estimated[0].workload.name}: energy of each layer, in one scale"
    data[f"d-{key}"] = panels_data(panels, row_heads(estimated[0].rows), rows[0])
    yield "<h4>Energy layer by layer, in one scale</h4>"
    names = [row.name for row in estimated[0].rows]
    yield panels_html(panels, names, key=f"d-{key}", title=name)
