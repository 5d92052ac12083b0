"""How the tables on accelerators are printed: `EyerissChip`, `RowStationary`, `Dataflows`, `NetworkStatements`."""

from __future__ import annotations

from itertools import groupby

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.tables.dataflows import PES, Dataflows, FlowLayer, FlowMean
from steelyard.tables.eyeriss_chip import ChipLayer, EyerissChip
from steelyard.tables.network_energy import NetworkStatements, Statement
from steelyard.tables.row_stationary import FlowEnergy, RowStationary

_CHIP = (
    Column("layer", "layer"),
    Column("published_active_pes", "PEs"),
    Column("active_pes", "ours"),
    Column("published_latency_ms", "latency (ms)"),
    Column("latency_ms", "ours"),
    Column("latency_difference", "(%)", rank=1),
    Column("published_buffer_MB", "buffer (MB)"),
    Column("buffer_MB", "ours"),
    Column("buffer_difference", "(%)", rank=1),
    Column("published_dram_MB", "DRAM (MB)"),
    Column("dram_MB", "ours"),
    Column("dram_difference", "(%)", rank=1),
    Column("mapping", "m n e p q r t", rank=2),
)


@document.register
def eyeriss_chip_document(result: EyerissChip) -> Document:
    """Measured and modelled side by side; the reasons below."""
    tables = tuple(
        Table(f"{network}, batch {batch}", _CHIP, tuple(map(_layer, layers)))
        for (network, batch), layers in groupby(result.layers, key=lambda e: (e.network, e.batch))
    )
    lead = (
        "Processing latency, accesses of the global buffer and of DRAM as measured on the chip (Chen et "
        "al., IEEE JSSC 2017, tables V and VI), beside the model's. MB are 10^6 bytes.",
    )
    return Document("Eyeriss chip", lead, tables, result.notes)


def _layer(e: ChipLayer) -> tuple[Cell, ...]:
    latency, buffer, dram = (f"{100 * difference:+.1f}" for difference in e.differences)
    k = e.mapping
    tile = "" if k.width is None else f", tiles of {k.width}"
    return (
        e.layer,
        str(e.published.active_pes), str(e.ours.active_pes),
        f"{e.published.latency_ms:,.1f}", f"{e.ours.latency_s * 1e3:,.1f}", latency,
        f"{e.published.buffer_mb:,.1f}", f"{e.ours.buffer_bytes / 1e6:,.1f}", buffer,
        f"{e.published.dram_mb:.1f}", f"{e.ours.dram_bytes / 1e6:.1f}", dram,
        f"{k.m} {k.n} {k.e} {k.p} {k.q} {k.r} {k.t}{tile}",
    )  # fmt: skip


_KINDS = {"CONV": "convolutions", "FC": "fully connected layers"}
_LEVELS = {"dram": "DRAM", "buffer": "buffer", "array": "array", "rf": "RF"}
_STUDY = (
    Column("batch", "batch"),
    Column("dataflow", "dataflow"),
    Column("published_total", "energy/op"),
    Column("total", "ours"),
    Column("factor", "over RS"),
    *(Column(key, title, rank=1) for key, title in _LEVELS.items()),
    Column("I", "inputs", rank=2),
    Column("W", "weights", rank=2),
    Column("O", "sums", rank=2),
)


@document.register
def row_stationary_document(result: RowStationary) -> Document:
    """The re-run's total beside ours, and ours by level and operand."""
    tables = tuple(
        Table(
            f"AlexNet's {_KINDS[kind]}, {pes} PEs",
            _STUDY,
            tuple(_flow(result, entry) for entry in entries),
        )
        for (kind, pes), entries in groupby(result.entries, key=lambda e: (e.kind, e.pes))
    )
    lead = (
        "Energy of an operation under six dataflows: the row-stationary study's simulator run again, "
        "beside ours with the best mapping of each layer; levels and operands are ours.",
    )
    return Document("row-stationary study", lead, tables, result.notes)


def _flow(result: RowStationary, e: FlowEnergy) -> tuple[Cell, ...]:
    factor = result.factor(e)
    figures = ("total", *_LEVELS, "I", "W", "O")
    total, *parts = (f"{e.ours[figure]:.3f}" if e.ours else "" for figure in figures)
    return (
        str(e.batch),
        e.dataflow,
        f"{e.published['total']:.3f}" if e.published else "cannot run",
        total or "cannot run",
        "" if factor is None else f"{factor:.2f}",
        *parts,
    )


_MEANS = (
    Column("batch", "batch"),
    Column("dataflow", "dataflow"),
    Column("published", "published"),
    Column("published_factor", "over RS"),
    Column("mapped", "mapped"),
    Column("factor", "over RS"),
    Column("free", "free saves (%)"),
    *(
        Column(f"{side}_{operand}", f"{title}, {said}", rank=rank)
        for operand, title, rank in (("I", "inputs", 1), ("W", "weights", 2), ("O", "sums", 2))
        for side, said in (("published", "published"), ("mapped", "mapped"))
    ),
)
_LAYERS = (
    Column("layer", "layer"),
    Column("dataflow", "dataflow"),
    Column("published", "published"),
    Column("mapped", "mapped"),
    Column("free", "free optimum"),
    Column("saved", "saved (%)"),
)


@document.register
def dataflows_document(result: Dataflows) -> Document:
    """Means over the layers, then each layer."""
    tables: list[Table] = []
    for kind, means in groupby(result.means, key=lambda mean: mean.kind):
        title = f"AlexNet's {_KINDS[kind]}, {PES[kind]} PEs, mean"
        tables.append(Table(title, _MEANS, tuple(map(_flow_mean, means))))
    for (kind, batch), layers in groupby(result.layers, key=lambda e: (e.kind, e.batch)):
        by_layer = sorted(layers, key=lambda e: e.layer)
        title = f"AlexNet's {_KINDS[kind]}, batch {batch}"
        tables.append(Table(title, _LAYERS, tuple(map(_flow_layer, by_layer))))
    lead = (
        "Energy of an operation under six dataflows of equal area: the row-stationary study's simulator run "
        "again, beside the mapper's optimum under each dataflow, and the optimum free of any.",
    )
    return Document("dataflows, mapped", lead, tuple(tables), result.notes)


def _flow_mean(mean: FlowMean) -> tuple[Cell, ...]:
    parts = (
        f"{side[operand]:.2f}" if side else ""
        for operand in ("I", "W", "O")
        for side in (mean.published, mean.mapped)
    )
    return (
        str(mean.batch),
        mean.dataflow,
        f"{mean.published['total']:.2f}" if mean.published else "cannot run",
        "" if mean.published_factor is None else f"{mean.published_factor:.2f}",
        f"{mean.mapped['total']:.2f}",
        f"{mean.factor:.2f}",
        f"{100 * (1 - mean.free / mean.mapped['total']):.1f}",
        *parts,
    )


def _flow_layer(e: FlowLayer) -> tuple[Cell, ...]:
    mapped = e.mapped["total"]
    return (
        e.layer,
        e.dataflow,
        f"{e.published['total']:.2f}" if e.published else "cannot run",
        f"{mapped:.2f}",
        f"{e.free:.2f}",
        f"{100 * (1 - e.free / mapped):.1f}",
    )


_STATEMENTS = (
    Column("figure", "figure", wrap=True),
    Column("published", "published"),
    Column("ours", "ours"),
)


@document.register
def network_energy_document(result: NetworkStatements) -> Document:
    """A table for each claim."""
    tables = tuple(
        Table(claim, _STATEMENTS, tuple(map(_statement, statements)))
        for claim, statements in groupby(result.statements, key=lambda s: s.claim)
    )
    lead = (
        "What the literature says of networks and energy, beside our figures: energy by the row-stationary "
        "study's model with 256 PEs and 48 images at once, everything dense.",
    )
    notes = tuple(
        "; ".join(dict.fromkeys(text for s in group for text in (s.source, s.reason) if text)) + "."
        for group in map(list, (g for _, g in groupby(result.statements, key=lambda s: s.claim)))
    )
    claims = dict.fromkeys(s.claim.rstrip(".") for s in result.statements)
    said = tuple(f"{claim}: {note}" for claim, note in zip(claims, notes, strict=True))
    return Document("network energy", lead, tables, said)


def _statement(s: Statement) -> tuple[Cell, ...]:
    unit = {"x": " x", "%": " %", "M": " M", "MAC/op": ""}[s.unit]
    shown = (
        "" if value is None else f"{value:.4f}{unit}" if value < 0.1 else f"{value:,.4g}{unit}"
        for value in (s.published, s.ours)
    )  # fmt: skip
    return (s.figure, *shown)
