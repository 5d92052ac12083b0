"""The part of the page that shows a network on devices: words, charts over the layers, roofline, mappings, table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from steelyard.hardware.estimate import Estimate
from steelyard.hardware.estimate_layout import MICRO
from steelyard.report.devicewords import device_sentences
from steelyard.report.escape import html_text
from steelyard.report.htmlcompare import comparison_html
from steelyard.report.htmlpage import frame
from steelyard.report.htmltables import table_html
from steelyard.report.layerpanels import OPERAND_WORDS, joules, layer_panels
from steelyard.report.mappings import mapping_anchors, mappings_html
from steelyard.report.placed import Placed
from steelyard.report.plots import panels_data, panels_html, scatter_data, scatter_html
from steelyard.report.roofplot import roofline_chart, step_words
from steelyard.report.stages import stage_panels
from steelyard.report.table import Cell, Column, Table
from steelyard.units import format_bytes, format_si

MANY_LAYERS = 60
"""Above, charts by stage come first."""


def device_html(placed: Placed, key: str, data: dict[str, Any]) -> Iterator[str]:
    """One device's section.

    Args:
        placed: network and device.
        key: unique on the page, of letters, digits and hyphens.
        data: what the script needs is added here.
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
        yield from _bars(placed, key, data)
    if any(layer.macs for layer in placed.workload.layers):
        yield from _roofline(placed, key, data)
    if placed.rows:
        yield "<h4>Mappings</h4>"
        yield mappings_html(placed, key)
        yield "<h4>Layers</h4>"
        yield _table(placed, key)
    yield "</section>\n"


def _tiles(found: Estimate, placed: Placed) -> str:
    images = "an image" if found.batch == 1 else f"{found.batch} images"
    moved = sum(row.dram_bytes for row in placed.rows)
    per_mac = f"{found.energy_pj / found.macs:.3g} pJ a MAC" if found.macs else ""
    tiles = [
        ("energy", joules(found.energy_pj), f"{images}; {per_mac}"),
        ("latency", format_si(found.latency_s, "s"), f"{found.cycles:,} cycles"),
        ("throughput", f"{found.throughput_per_s:,.4g}", "images a second"),
        ("power", format_si(found.power_w, "W"), "energy over latency"),
        ("utilisation", f"{found.utilization:.1%}", f"of {found.device.pes:,} units"),
        ("outermost memory", format_bytes(moved), "read and written"),
    ]
    cells = "".join(
        f'<div><dt>{html_text(name)}</dt><dd>{html_text(value)}<span class="sub">'
        f"{html_text(sub)}</span></dd></div>"
        for name, value, sub in tiles
    )
    return f'<dl class="tiles six">{cells}</dl>'


def _bars(placed: Placed, key: str, data: dict[str, Any]) -> Iterator[str]:
    rows = placed.rows
    if len(rows) > MANY_LAYERS:
        yield "<h4>Stage by stage</h4>"
        yield '<p class="note">A stage is the layers whose feature map has one size.</p>'
        panels, names = stage_panels(placed)
        title = f"{placed.workload.name} on {placed.device.name}, stage by stage"
        data[f"s-{key}"] = panels_data(panels, [-1] * len(names))
        yield panels_html(panels, names, key=f"s-{key}", title=title)
    yield "<h4>Layer by layer</h4>"
    idle = len(placed.workload.layers) - len(rows)
    free = f" {idle} layers that cost nothing here have none." if idle else ""
    yield f'<p class="note">A bar for each of {len(rows)} layers, in order of execution.{free} '
    yield "The pointer, or the arrow keys, show the numbers; the table below has them all.</p>"
    panels = layer_panels(placed)
    data[f"b-{key}"] = panels_data(panels, [row.index for row in rows])
    title = f"{placed.workload.name} on {placed.device.name}, layer by layer"
    yield panels_html(panels, [row.name for row in rows], key=f"b-{key}", title=title)


def _roofline(placed: Placed, key: str, data: dict[str, Any]) -> Iterator[str]:
    chart = roofline_chart(placed)
    yield "<h4>Roofline</h4>"
    if placed.estimate is not None:
        yield '<p class="note">Each layer where its mapping puts it. Bytes are those of the outermost memory\'s '
        yield "busier port, so that no layer can be above the roof.</p>"
    if placed.bounds is not None:
        yield '<p class="note">Dashed: the seven bounds of the whole network, or of the layer that is pointed '
        yield f"at: {html_text(step_words())}.</p>"
    data[f"r-{key}"] = scatter_data(chart)
    yield scatter_html(chart, key=f"r-{key}")


def _table(placed: Placed, key: str) -> str:
    found = placed.estimate
    if found is None:
        return ""
    levels = [name for name in placed.levels if found.energy_by_level().get(name)]
    operands = ("I", "W", "O")
    whole = found.energy_pj or 1.0
    columns = (
        Column("layer", "layer"),
        Column("operator", "operator"),
        Column("macs", "MACs", "count"),
        Column("energy_uj", "energy", "ratio", unit="µJ"),
        Column("energy_share", "of energy", "share", bar=True),
        *(Column(f"{level}_uj", level, "ratio", unit="µJ") for level in levels),
        *(Column(f"{one}_uj", OPERAND_WORDS[one], "ratio", unit="µJ") for one in operands),
        Column("cycles", "cycles", "count"),
        Column("spatial", "spatial", "share"),
        Column("temporal", "temporal", "share"),
        Column("utilization", "utilisation", "share"),
        Column("dram_bytes", "outer memory", "bytes"),
        Column("limit", "step that costs most"),
    )
    rows: list[tuple[Cell, ...]] = []
    for row in placed.rows:
        cost, macs = row.cost, row.cost.macs
        rows.append(
            (
                *(row.name, row.operator, macs or None),
                *(cost.energy_pj * MICRO, cost.energy_pj / whole),
                *(cost.levels.get(level, 0.0) * MICRO for level in levels),
                *(cost.operands.get(one, 0.0) * MICRO for one in operands),
                *(cost.cycles, row.spatial if macs else None, row.temporal if macs else None),
                *(cost.utilization if macs else None, row.dram_bytes),
                placed.limits[row.name].limit if row.name in placed.limits else "",
            )
        )
    by_level, by_operand = found.energy_by_level(), found.energy_by_operand()
    total: tuple[Cell, ...] = (
        *("total", None, found.macs, found.energy_pj * MICRO, 1.0),
        *(by_level[level] * MICRO for level in levels),
        *(by_operand[one] * MICRO for one in operands),
        *(found.cycles, None, None, found.utilization),
        *(sum(row.dram_bytes for row in placed.rows), None),
    )
    anchors = mapping_anchors(placed, key)
    name = f"Layers of {found.workload} on {found.device.name}; a name leads to its mapping"
    table = table_html(
        Table(name, columns, tuple(rows), total=total),
        sortable=True,
        attributes=lambda n: (
            f'data-layer="{placed.rows[n].index}" style="--f:var(--{placed.rows[n].family})"'
        ),
        link=lambda n: anchors.get(placed.rows[n].name, ""),
    )
    return (
        '<div class="layers"><div class="controls"><label>Filter <input type="search" '
        'placeholder="words, e.g. 3×3"></label><span role="status" class="soft"></span></div>'
        f"{table}</div>"
    )


# ---- all devices of a network --------------------------------------------------------------


def devices_html(several: Sequence[Placed], key: str, data: dict[str, Any]) -> Iterator[str]:
    """A network on its devices: side by side, then one after the other.

    Args:
        several: the network on each device.
        key: of the network, unique on the page.
        data: what the script needs is added here.
    """
    yield from comparison_html(several, key, data)
    for number, placed in enumerate(several):
        yield from device_html(placed, f"{key}-{number}", data)


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
    rows: list[tuple[Cell, ...]] = []
    for placed in found:
        names = (placed.workload.name, placed.device.name)
        least = placed.roof.time_s * 1e3
        result = placed.estimate
        if result is None:
            rows.append((*names, None, None, None, None, None, least))
            continue
        moved = sum(row.dram_bytes for row in placed.rows)
        cost = (result.energy_pj * MICRO, result.latency_s * 1e3, result.throughput_per_s)
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
