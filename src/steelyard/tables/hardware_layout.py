"""How the tables on accelerators are printed: `EyerissChip` a network a table, `RowStationary` a PE count."""

from __future__ import annotations

from itertools import groupby

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.tables.eyeriss_chip import ChipLayer, EyerissChip
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
    titles = {"CONV": "convolutions", "FC": "fully connected layers"}
    tables = tuple(
        Table(
            f"AlexNet's {titles[kind]}, {pes} PEs",
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
