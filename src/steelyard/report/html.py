"""The HTML report: one file that needs nothing from elsewhere, for any number of networks."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from steelyard.cost import Comparison, CostReport, compare
from steelyard.report.cardwords import cards_table
from steelyard.report.chartdata import layer_bars, module_tree
from steelyard.report.describe import FAMILIES, family
from steelyard.report.differences import changes_table, groups_table, totals_table
from steelyard.report.escape import html_text
from steelyard.report.htmladvice import advice_html, neighbours_html, split_html
from steelyard.report.htmlpage import frame
from steelyard.report.htmlshort import against_html, card_html, short_html
from steelyard.report.htmltables import layer_table, table_html
from steelyard.report.inshort import extremes
from steelyard.report.parts import Parts
from steelyard.report.plots import scatter_data, scatter_html
from steelyard.report.svg import bar_charts, legend, timeline
from steelyard.report.table import Cell, Column, Table
from steelyard.report.words import (
    coverage_sentence,
    peak_sentence,
    unused_sentence,
)
from steelyard.units import format_bytes, format_si

if TYPE_CHECKING:
    from steelyard.report.plotdata import Scatter

_MOST_LAYERS = 1600
_SCRIPT_TITLES = {"macs": "MACs", "params": "parameters", "memory": "memory of the outputs"}


def page(
    several: Sequence[Parts],
    *,
    title: str,
    created: str,
    provenance: Sequence[tuple[str, str]],
    measured: Sequence[tuple[Sequence[str], Sequence[Scatter]]] = (),
) -> str:
    """The whole page.

    Args:
        several: one network or more.
        title: its heading.
        created: date and time, as it is printed.
        provenance: (what, value) pairs for the foot of the page.
        measured: sentences and charts of what was measured, for each setting.
    """
    plots: dict[str, Any] = {}
    return frame(
        _body(several, measured, plots),
        title=title,
        created=created,
        units="MACs are multiply-accumulates; FLOPs are 2 × MACs. 1 MB is 10<sup>6</sup> bytes.",
        links=_links(several) + ([("measured", "Measured here")] if measured else []),
        provenance=provenance,
        # the body is drawn before this is read
        data={
            "titles": _SCRIPT_TITLES,
            "networks": [{"modules": module_tree(parts.cost).to_dict()} for parts in several],
            "plots": plots,
        },
    )


def _body(
    several: Sequence[Parts],
    measured: Sequence[tuple[Sequence[str], Sequence[Scatter]]],
    plots: dict[str, Any],
) -> Iterator[str]:
    if len(several) > 1:
        yield from _side_by_side(several)
    bars = sum(_devices().bars_of(parts.placed) for parts in several if parts.placed)
    # of so many layers the tables alone have the numbers, or the page is too large to be sent
    lean = sum(len(parts.cost.rows) for parts in several) > _MOST_LAYERS or bars > _MOST_LAYERS
    for number, parts in enumerate(several):
        yield from _network(parts, number, plots, bars, lean=lean)
    if found := [parts.neighbours for parts in several if parts.neighbours is not None]:
        yield from neighbours_html(found, plots)
    if measured:
        yield '<section class="network" id="measured"><h2>Measured on this machine</h2>\n'
        for number, (sentences, charts) in enumerate(measured):
            yield from (f"<p>{html_text(sentence)}</p>" for sentence in sentences)
            for place, chart in enumerate(charts):
                key = f"measured{number}-{place}"
                plots[key] = scatter_data(chart)
                yield scatter_html(chart, key=key)
        yield "</section>\n"


def _devices() -> Any:
    # looked up when there are any: the hardware room loads numpy
    return importlib.import_module("steelyard.report.htmldevices")


def _links(several: Sequence[Parts]) -> list[tuple[str, str]]:
    links = [("comparison", "Comparison")] if len(several) > 1 else []
    for number, parts in enumerate(several):
        if len(several) > 1:
            links.append((f"network-{number}", parts.name))
        if parts.placed:
            links += _devices().device_links(parts.placed, str(number))
        if len(several) == 1:
            if parts.advice is not None and (parts.advice.findings or parts.advice.tried):
                links.append((f"help-{number}", "What would help"))
            links.append((f"layers-{number}", "Layers"))
    if any(parts.neighbours is not None for parts in several):
        links.append(("neighbours", "Among the zoo"))
    return [*links, ("provenance", "Where this comes from")]


# ---- one network ---------------------------------------------------------------------------


def _network(
    parts: Parts, number: int, plots: dict[str, Any], bars: int, *, lean: bool
) -> Iterator[str]:
    cost = parts.cost
    load = cost.workload
    yield f'<section class="network" id="network-{number}"><h2>{html_text(load.name)}</h2>\n'
    yield from short_html(parts)
    for warning in cost.warnings:
        yield f'<p class="warning"><strong>Warning:</strong> {html_text(warning)}</p>'
    if parts.against is not None:
        yield from against_html(parts.against)
    for card in parts.cards:
        yield from card_html(card)
    yield from _charts(cost, number, lean=lean)
    if parts.split is not None:
        yield from split_html(parts.split)
    if parts.placed:
        yield from _devices().devices_html(parts.placed, str(number), plots, bars)
    if parts.advice is not None:
        yield f'<div class="help" id="help-{number}">'
        yield from advice_html(parts.advice, load.name)
        yield "</div>"
    yield f'<h3 id="layers-{number}">Layers</h3>'
    yield (
        '<p class="note">MACs are multiply-accumulates, other ops element operations that are none; '
        "memory is the bytes of the outputs, access the bytes moved when each tensor moves once. A "
        "click on a heading sorts.</p>"
    )
    yield layer_table(cost)
    yield "</section>\n"


def _charts(cost: CostReport, number: int, *, lean: bool) -> Iterator[str]:
    """Totals, bars over the layers, the map of modules, memory over time."""
    yield "<h3>Cost</h3>"
    yield _tiles(cost)
    for sentence in (coverage_sentence(cost.coverage), unused_sentence(cost.workload)):
        if sentence:
            yield f'<p class="note">{html_text(sentence[0].upper() + sentence[1:])}.</p>'
    bars = layer_bars(cost)
    if bars:
        yield "<h3>Where memory, parameters and MACs are</h3>"
        yield f'<p class="note">{html_text(_bars_note(cost, len(bars)))}</p>'
        yield bar_charts(cost, bars, lean=lean)
        yield "<h3>Modules</h3>"
        yield _module_map(cost, number)
    if cost.memory.timeline:
        yield "<h3>Activation memory over time</h3>"
        yield f'<p class="note">{html_text(_capital(peak_sentence(cost.memory)))}.</p>'
        yield timeline(cost, cost.memory, lean=lean)


def _bars_note(cost: CostReport, shown: int) -> str:
    others = len(cost.rows) - shown
    if not others:
        return "One bar a layer, in order of execution."
    return (
        f"One bar for each of the {shown} layers that multiply and accumulate, in order of "
        f"execution; {others} others (normalisation, activations, pooling, element-wise, views ...) "
        "are in the table of layers."
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _tiles(cost: CostReport) -> str:
    total, memory, training = cost.total, cost.memory, cost.training_memory()
    tiles = [
        ("MACs", format_si(total.macs), f"{format_si(total.flops, 'FLOPs')} at 2 per MAC"),
        ("parameters", format_si(total.params), format_bytes(total.param_bytes)),
        ("peak activation memory", format_bytes(memory.peak_bytes), f"at {memory.at_layer or '-'}"),
        ("memory of all outputs", format_bytes(total.activation_bytes), "written in one pass"),
        (
            "memory access",
            format_bytes(total.access_bytes),
            f"{total.intensity:.3g} MACs per byte",
        ),
        ("other operations", format_si(total.ops), "that are no MACs"),
        (
            "training memory",
            format_bytes(training.total_bytes),
            f"{training.optimizer}, batch {cost.workload.batch}",
        ),
        ("operators", f"{total.layers:,}", f"{cost.coverage.fraction:.0%} counted"),
    ]
    cells = "".join(
        f'<div><dt>{html_text(name)}</dt><dd>{html_text(value)}<span class="sub">'
        f"{html_text(sub)}</span></dd></div>"
        for name, value, sub in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _module_map(cost: CostReport, number: int) -> str:
    metric = next((m for m in ("macs", "params") if getattr(cost.total, m)), "memory")
    choices = "".join(
        f'<label><input type="radio" name="metric-{number}" value="{key}"'
        f'{" checked" if key == metric else ""} autocomplete="off"> {html_text(title)}</label>'
        for key, title in _SCRIPT_TITLES.items()
    )
    families = {family(row.layer) for row in cost.rows if row.kind not in ("view", "create")}
    return (
        f'<div class="modules" data-network="{number}"><div class="controls"><fieldset>'
        f"<legend>Area shows</legend>{choices}</fieldset></div>"
        f'{legend({f for f in families if f in FAMILIES})}<div class="crumbs"></div>'
        '<div class="treemap" role="group" aria-label="module map"></div>'
        '<p class="note">A module\'s box holds what it calls; within a box areas are in proportion. '
        "Click a module to open it, its name above the map to go back.</p></div>"
    )


# ---- several networks ----------------------------------------------------------------------


def _side_by_side(several: Sequence[Parts]) -> Iterator[str]:
    costs = [parts.cost for parts in several]
    yield '<section id="comparison"><h2>Comparison</h2>'
    yield f"<p>{html_text(extremes(several))}</p>"
    yield table_html(networks_table(costs), sortable=True)
    found = [placed for parts in several for placed in parts.placed]
    if found:
        yield table_html(_devices().placed_table(found), sortable=True)
    cards = [card for parts in several for card in parts.cards]
    if cards:
        yield table_html(cards_table(cards))
    if len(costs) == 2:
        yield from _difference(compare(costs[0], costs[1]))
    yield "</section>\n"


def networks_table(costs: Sequence[CostReport]) -> Table:
    """One row a network: its totals."""
    columns = (
        Column("network", "network"),
        Column("layers", "operators", "count"),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("ops", "other ops", "count"),
        Column("peak_activation_bytes", "peak activations", "bytes"),
        Column("activation_bytes", "outputs", "bytes"),
        Column("access_bytes", "access", "bytes"),
        Column("macs_per_byte", "intensity", "ratio", "MAC/B"),
        Column("coverage", "counted", "share"),
    )
    rows: list[tuple[Cell, ...]] = []
    for cost in costs:
        t = cost.total
        counts = (t.layers, t.params, t.macs, t.ops, cost.memory.peak_bytes)
        sizes = (t.activation_bytes, t.access_bytes, t.intensity, cost.coverage.fraction)
        rows.append((cost.workload.name, *counts, *sizes))
    return Table("Totals of each network", columns, tuple(rows))


def _difference(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a.workload.name, comparison.b.workload.name
    yield f"<h3>{html_text(b)} (b) against {html_text(a)} (a)</h3>"
    for table in (
        totals_table(comparison),
        groups_table(comparison, "kind"),
        changes_table(comparison, limit=30),
    ):
        yield table_html(table)
