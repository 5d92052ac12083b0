"""The part of the page that shows a network on devices: words, charts over the layers, roofline, mappings, table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from steelyard.hardware.energy_units import comparable, format_energy, format_power
from steelyard.hardware.estimate import Estimate
from steelyard.hardware.estimate_layout import MICRO
from steelyard.report.devicetables import layer_tables
from steelyard.report.devicewords import device_sentences
from steelyard.report.escape import html_text
from steelyard.report.htmlcompare import comparison_html
from steelyard.report.htmlpage import frame
from steelyard.report.layerpanels import layer_panels
from steelyard.report.mappings import mappings_html
from steelyard.report.placed import Placed, row_heads
from steelyard.report.plots import panels_data, panels_html, scatter_data, scatter_html
from steelyard.report.roofplot import above_the_roof, roofline_chart, step_words
from steelyard.report.stages import stage_panels
from steelyard.report.table import Cell, Column, Table
from steelyard.units import format_bytes, format_si

MANY_LAYERS = 60
"""Above, charts by stage come first."""

MOST_TOLD = 1200
"""Bars on a page; above, their numbers are in the tables only, so that it stays below 5 MB."""

MOST_LISTED = 1600
"""Bars on a page; above, the tables of each device list its heaviest layers only, for the same reason."""

_HEAVIEST = 150


def device_html(
    placed: Placed,
    key: str,
    data: dict[str, Any],
    *,
    lean: bool = False,
    most: int | None = None,
) -> Iterator[str]:
    """One device's section.

    Args:
        placed: network and device.
        key: unique on the page, of letters, digits and hyphens.
        data: what the script needs is added here.
        lean: bars and points tell the layer's name only when they are pointed at.
        most: layers that each table lists; None: all.
    """
    device = placed.device
    yield f'<section class="device" id="device-{key}"><h3>On {html_text(device.name)}</h3>'
    for sentence in device_sentences(placed):
        yield f"<p>{html_text(sentence)}</p>"
    if placed.estimate is not None:
        yield _tiles(placed.estimate, placed)
        for note in placed.estimate.notes:
            yield f'<p class="note">{html_text(note)}</p>'
    if placed.rows:
        yield from _bars(placed, key, data, lean)
    if any(layer.macs for layer in placed.workload.layers):
        yield from _roofline(placed, key, data, lean)
    if placed.rows:
        yield "<h4>Mappings</h4>"
        yield mappings_html(placed, key)
        yield "<h4>Layers</h4>"
        yield layer_tables(placed, key, most)
    yield "</section>\n"


def _tiles(found: Estimate, placed: Placed) -> str:
    images = "an image" if found.batch == 1 else f"{found.batch} images"
    moved = sum(row.dram_bytes for row in placed.rows)
    per_mac = (
        f"{found.energy_pj / found.macs:.3g} {found.device.energy_unit} a MAC" if found.macs else ""
    )
    tiles = [
        ("energy", format_energy(found.energy_pj, found.device), f"{images}; {per_mac}"),
        ("latency", format_si(found.latency_s, "s"), f"{found.cycles:,} cycles"),
        ("throughput", f"{found.throughput_per_s:,.4g}", "images a second"),
        ("power", format_power(found.power_w), "energy over latency"),
        ("utilisation", f"{found.utilization:.1%}", f"of {found.device.pes:,} units"),
        ("outermost memory", format_bytes(moved), "read and written"),
    ]
    cells = "".join(
        f'<div><dt>{html_text(name)}</dt><dd>{html_text(value)}<span class="sub">'
        f"{html_text(sub)}</span></dd></div>"
        for name, value, sub in tiles
    )
    return f'<dl class="tiles six">{cells}</dl>'


def _bars(placed: Placed, key: str, data: dict[str, Any], lean: bool) -> Iterator[str]:
    rows = placed.rows
    if len(rows) > MANY_LAYERS:
        yield "<h4>Stage by stage</h4>"
        yield '<p class="note">A stage is the layers whose feature map has one size.</p>'
        panels, stages = stage_panels(placed)
        title = f"{placed.workload.name} on {placed.device.name}, stage by stage"
        heads = [f"stage {stage}, {number} layers" for stage, number in stages.items()]
        data[f"s-{key}"] = panels_data(panels, heads)
        yield panels_html(panels, list(stages), key=f"s-{key}", title=title)
    yield "<h4>Layer by layer</h4>"
    idle = len(placed.workload.layers) - len(rows)
    free = f" {idle} layers that cost nothing here have none." if idle else ""
    yield f'<p class="note">A bar for each of {len(rows)} layers, in order of execution.{free} '
    shown = "layers' names" if lean else "numbers"
    yield f"The pointer, or the arrow keys, show the {shown}; the table below has all numbers.</p>"
    panels = layer_panels(placed)
    told = [] if lean else panels
    data[f"b-{key}"] = panels_data(told, row_heads(rows), [row.index for row in rows])
    title = f"{placed.workload.name} on {placed.device.name}, layer by layer"
    yield panels_html(panels, [row.name for row in rows], key=f"b-{key}", title=title)


def _roofline(placed: Placed, key: str, data: dict[str, Any], lean: bool) -> Iterator[str]:
    chart = roofline_chart(placed)
    yield "<h4>Roofline</h4>"
    if placed.estimate is not None:
        yield '<p class="note">Each layer where its mapping puts it. Bytes are those of the outermost memory\'s '
        yield "busier port, so that no layer can be above the roof"
        if above := above_the_roof(placed):
            yield f", but for zeros: {above} layers skip operations, and all of a layer's operations count as done"
        yield ".</p>"
    if placed.bounds is not None:
        yield '<p class="note">Dashed: the seven bounds of the whole network, or of the layer that is pointed '
        yield f"at: {html_text(step_words())}.</p>"
    data[f"r-{key}"] = scatter_data(chart, lean=lean)
    yield scatter_html(chart, key=f"r-{key}")


# ---- all devices of a network --------------------------------------------------------------


def devices_html(
    several: Sequence[Placed], key: str, data: dict[str, Any], bars: int | None = None
) -> Iterator[str]:
    """A network on its devices: side by side, then one after the other.

    Args:
        several: the network on each device.
        key: of the network, unique on the page.
        data: what the script needs is added here.
        bars: on the whole page; None: those of this network.
    """
    bars = bars_of(several) if bars is None else bars
    lean, most = bars > MOST_TOLD, _HEAVIEST if bars > MOST_LISTED else None
    yield from comparison_html(several, key, data, lean=lean)
    for number, placed in enumerate(several):
        yield from device_html(placed, f"{key}-{number}", data, lean=lean, most=most)


def bars_of(several: Sequence[Placed]) -> int:
    """Layers that have bars, on all devices."""
    return sum(len(placed.rows) for placed in several)


def device_links(several: Sequence[Placed], key: str) -> list[tuple[str, str]]:
    """(id, text) of the sections of `devices_html`."""
    links = [(f"devices-{key}", "Devices side by side")] if len(several) > 1 else []
    links += [
        (f"device-{key}-{number}", f"on {placed.device.name}")
        for number, placed in enumerate(several)
    ]
    return links


def placed_table(found: Sequence[Placed]) -> Table:
    """A row for each network on each device."""
    columns = (
        Column("network", "network"),
        Column("device", "device"),
        Column("energy_uj", "energy", "ratio", unit="µJ"),
        Column("latency_ms", "latency", "ratio", unit="ms"),
        Column("per_s", "images/s", "ratio"),
        Column("utilization", "utilisation", "share"),
        Column("dram_bytes", "outer memory", "bytes"),
        Column("least_ms", "ceilings allow", "ratio", unit="ms"),
    )
    devices = [placed.device for placed in found]
    rows: list[tuple[Cell, ...]] = []
    for placed in found:
        names = (placed.workload.name, placed.device.name)
        least = placed.roof.time_s * 1e3
        result = placed.estimate
        if result is None:
            rows.append((*names, None, None, None, None, None, least))
            continue
        moved = sum(row.dram_bytes for row in placed.rows)
        energy = result.energy_pj * MICRO if comparable(result.device, devices) else None
        cost = (energy, result.latency_s * 1e3, result.throughput_per_s)
        rows.append((*names, *cost, result.utilization, moved, least))
    return Table("Each network on each device", columns, tuple(rows))


def devices_page(
    several: Sequence[Placed], *, title: str, created: str, provenance: Sequence[tuple[str, str]]
) -> str:
    """A page of one network on its devices, and of nothing else.

    Args:
        several: the network on each device.
        title: its heading.
        created: date and time, as it is printed.
        provenance: (what, value) pairs for the foot of the page.
    """
    plots: dict[str, Any] = {}

    def body() -> Iterator[str]:
        yield '<div class="network">'
        yield from devices_html(several, "0", plots)
        yield "</div>"

    return frame(
        body(),
        title=title,
        created=created,
        units="MACs are multiply-accumulates. 1 MB is 10<sup>6</sup> bytes.",
        links=device_links(several, "0") if len(several) > 1 else [],
        provenance=provenance,
        data={"networks": [], "plots": plots},
    )
