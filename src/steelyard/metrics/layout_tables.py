"""How flexibility, the scaling of PEs and published training costs are printed."""

from __future__ import annotations

from itertools import pairwise

from steelyard.metrics.fitting import Flexibility
from steelyard.metrics.layout import equation, shown
from steelyard.metrics.scalability import RULES, PeScaling
from steelyard.metrics.trainings import TrainingCosts
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table


@document.register
def flexibility_document(result: Flexibility) -> Document:
    """A row a network, the shares that map, how the utilisation is distributed, and why layers do not map."""
    columns = (
        Column("network", "network"),
        Column("maps", "maps"),
        Column("layers", "layers", "count"),
        Column("mapped_layers", "that map", "count"),
        Column("macs", "MACs", "count", rank=1),
        Column("utilization", "utilisation", "share", bar=True),
    )
    rows = tuple(
        (
            one.network, "yes" if one.maps else "no", one.layers, one.layers - len(one.misfits), one.macs,
            one.utilization(result.pes),
        )
        for one in result.tried
    )  # fmt: skip
    figures = tuple(
        (
            figure.name,
            shown(figure.value, figure.unit) or "-",
            equation(figure) or figure.unavailable,
        )
        for figure in result.figures()
    )
    summary = Table(
        "",
        (
            Column("figure", "figure"),
            Column("value", "value"),
            Column("how", "computed from", wrap=True),
        ),
        figures,
    )
    flow = f"dataflow {result.dataflow}" if result.dataflow else "any dataflow"
    return Document(
        title=f"flexibility of {result.device}: {len(result.tried)} networks",
        lead=(f"Each layer's mapping minimises {result.objective}; {flow}.",),
        tables=(Table("", columns, rows), summary, *_spread(result), *_misfits(result)),
        warnings=(
            *(f"{one.network}: {one.problem}" for one in result.networks if one.problem),
            *result.notes,
        ),
    )


def _spread(result: Flexibility) -> tuple[Table, ...]:
    """How many networks reach which utilisation."""
    found = result.utilizations
    if len(found) < 2:
        return ()
    edges = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    rows: list[tuple[Cell, ...]] = []
    for low, high in pairwise(edges):
        count = sum(low <= one < high or (high == 1.0 and one >= 1.0) for one in found)
        rows.append((f"{low:.0%} to {high:.0%}", count, count / len(found)))
    columns = (
        Column("utilization", "utilisation"),
        Column("count", "how many", "count"),
        Column("share", "share", "share", bar=True),
    )
    return (Table("utilisation", columns, tuple(rows)),)


def _misfits(result: Flexibility) -> tuple[Table, ...]:
    columns = (
        Column("network", "network"),
        Column("layer", "layer"),
        Column("why", "does not map because", wrap=True),
    )
    rows = tuple((one.network, layer, why) for one in result.tried for layer, why in one.misfits)
    return (Table("layers that do not map", columns, rows),) if rows else ()


@document.register
def scaling_document(result: PeScaling) -> Document:
    """A row a size."""
    columns = (
        Column("pes", "PEs"),
        Column("throughput_per_s", "throughput", "ratio", unit="1/s", fine=True),
        Column("speedup", "speed-up", "ratio", fine=True),
        Column("efficiency", "per PE", "share", bar=True),
        Column("utilization", "utilisation", "share"),
        Column(
            "energy",
            "energy",
            "ratio",
            unit="mJ" if result.energy_unit == "J" else "M MAC",
            fine=True,
        ),
    )
    scale = 1e3 if result.energy_unit == "J" else 1e-6
    first = result.sizes[0]
    rows: list[tuple[Cell, ...]] = []
    for size in result.sizes:
        speedup = result.speedup(size)
        each = None if speedup is None else speedup * first.pes / size.pes
        energy = None if size.energy is None else size.energy * scale
        rows.append((f"{size.pes:,}", size.per_s, speedup, each, size.utilization, energy))
    return Document(
        title=f"{result.network} on {result.device} of {len(result.sizes)} sizes",
        lead=(
            f"What grows: {RULES[result.rule]}. Each layer's mapping minimises {result.objective}.",
        ),
        tables=(Table("", columns, tuple(rows)),),
        notes=tuple(f"{size.pes:,} PEs: {size.problem}" for size in result.sizes if size.problem),
    )


@document.register
def costs_document(result: TrainingCosts) -> Document:
    """A row a training: devices x hours x price beside the published sum."""
    columns = (
        Column("name", "what"),
        Column("devices", "devices", "count"),
        Column("device", "of", rank=3),
        Column("hours", "hours", "ratio", rank=1, fine=True),
        Column("device_days", "device-days", "ratio", rank=1),
        Column("usd_per_hour", "USD/h", "ratio"),
        Column("usd", "USD", "ratio", fine=True),
        Column("published_usd", "published", "ratio", fine=True),
        Column("difference", "difference", "share", signed=True, rank=4),
    )
    rows = tuple(
        (
            one.name, one.devices, one.device, one.hours, one.device_days,
            None if one.price is None else one.price.usd_per_hour, one.usd, one.published_usd,
            one.usd / one.published_usd - 1 if one.usd is not None and one.published_usd else None,
        )
        for one in result.rows
    )  # fmt: skip
    priced = Table(
        "prices",
        (
            Column("item", "item"),
            Column("usd_per_hour", "USD/h", "ratio", fine=True),
            Column("kind", "kind"),
            Column("date", "date"),
            Column("source", "source", wrap=True),
        ),
        tuple(
            (one.item, one.usd_per_hour, one.kind, one.date, f"{one.source} ({one.evidence})")
            for one in result.prices
        ),
    )
    sources = tuple(
        f"{one.name}: {one.source} ({one.evidence}){'; ' + one.note if one.note else ''}."
        for one in result.rows
    )
    return Document(
        title="training cost = devices x hours x price",
        lead=("Published sums beside ours, at the dated prices below; none is a price of today.",),
        tables=(Table("", columns, rows), priced),
        notes=sources,
    )
