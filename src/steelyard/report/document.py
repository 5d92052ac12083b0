"""`document`: any result as a `Document` (lead, tables, notes), which every renderer can draw."""

from __future__ import annotations

import dataclasses
from functools import singledispatch
from typing import Any

from steelyard.cost import (
    Comparison,
    Cost,
    CostReport,
    Finding,
    LayerChange,
    LayerCost,
    PeakMemory,
    TrainingMemory,
)
from steelyard.errors import UsageError
from steelyard.report.costs import By, SortKey, cost_table
from steelyard.report.describe import times
from steelyard.report.differences import comparison_document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.report.words import (
    coverage_sentence,
    inputs_sentence,
    peak_sentence,
    total_sentence,
    training_sentence,
    unused_sentence,
)
from steelyard.units import format_bytes, format_si
from steelyard.workload import Workload


def cost_document(
    report: CostReport,
    *,
    by: By = "layer",
    sort: SortKey | None = None,
    depth: int | None = None,
    show_all: bool = False,
    limit: int | None = None,
) -> Document:
    """`cost_table` with the totals, memory, coverage and warnings below it; arguments as there."""
    table = cost_table(report, by=by, sort=sort, depth=depth, show_all=show_all, limit=limit)
    load = report.workload
    notes = [
        total_sentence(report.total),
        peak_sentence(report.memory),
        training_sentence(report.training_memory()),
        coverage_sentence(report.coverage),
        unused_sentence(load),
    ]
    return Document(
        title=table.title,
        lead=(inputs_sentence(load),),
        tables=(dataclasses.replace(table, title=""),),
        notes=tuple(note for note in notes if note),
        warnings=report.warnings,
    )


@singledispatch
def document(result: object) -> Document:
    """``result`` as a document: a result of steelyard, a table, or several findings.

    Raises:
        UsageError: nothing that has a report.
    """
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return _fields(result)
    if isinstance(result, (tuple, list)) and all(isinstance(item, Finding) for item in result):
        return Document("guidelines", tables=(findings_table(tuple(result)),))
    raise UsageError(
        f"there is no report of a {type(result).__name__}",
        expected="a CostReport, Comparison, Workload or another result of steelyard",
    )


@document.register
def _(result: Document) -> Document:
    return result


@document.register
def _(result: Table) -> Document:
    return Document(result.title, tables=(dataclasses.replace(result, title=""),))


@document.register
def _(result: CostReport) -> Document:
    return cost_document(result)


@document.register
def _(result: Workload) -> Document:
    return cost_document(CostReport(result))


@document.register
def _(result: Comparison) -> Document:
    return comparison_document(result)


@document.register
def _(result: Cost) -> Document:
    rows: list[tuple[Cell, ...]] = [
        ("layers", f"{result.layers:,}"),
        ("parameters", f"{result.params:,}  ({format_bytes(result.param_bytes)})"),
        ("MACs", f"{result.macs:,}  (FLOPs = 2 x MACs = {format_si(result.flops)})"),
        ("other operations", f"{result.ops:,}"),
        ("memory of the outputs", format_bytes(result.activation_bytes)),
        ("memory access, each tensor once", format_bytes(result.access_bytes)),
        ("intensity", f"{result.intensity:.3g} MAC/B"),
    ]
    return Document("cost", tables=(_pairs(rows),))


@document.register
def _(result: LayerCost) -> Document:
    inner = document(result.cost).tables[0]
    head: tuple[tuple[Cell, ...], ...] = (
        ("kind", result.kind),
        ("operator", result.op),
        ("output", times(result.shape)),
    )
    return Document(result.name, tables=(dataclasses.replace(inner, rows=head + inner.rows),))


@document.register
def _(result: LayerChange) -> Document:
    inner = document(result.delta)
    return dataclasses.replace(inner, title=f"{result.name}: {result.change} (b less a)")


@document.register
def _(result: PeakMemory) -> Document:
    columns = (
        Column("tensor", "live at the peak"),
        Column("shape", "shape", rank=1),
        Column("made_by", "made by", rank=2),
        Column("bytes", "memory", "bytes"),
    )
    rows = tuple((t.name, times(t.shape), t.made_by or "(input)", t.nbytes) for t in result.live)
    table = Table("", columns, rows, total=("total", None, None, result.peak_bytes))
    return Document("peak activation memory", lead=(peak_sentence(result),), tables=(table,))


@document.register
def _(result: TrainingMemory) -> Document:
    parts = (
        ("parameters", result.parameter_bytes),
        ("buffers", result.buffer_bytes),
        ("gradients", result.gradient_bytes),
        ("optimiser state", result.optimizer_bytes),
        *((f"saved: {kind}", size) for kind, size in result.saved_by_kind().items()),
    )
    table = Table(
        "",
        (Column("part", "part"), Column("bytes", "memory", "bytes")),
        parts,
        total=("total", result.total_bytes),
    )
    return Document(f"memory of one training step ({result.optimizer})", tables=(table,))


@document.register
def _(result: Finding) -> Document:
    return Document("guideline", tables=(findings_table((result,)),))


def findings_table(findings: tuple[Finding, ...], *, limit: int | None = None) -> Table:
    """Guideline findings, the greatest gain first."""
    shown = findings if limit is None else findings[:limit]
    columns = (
        Column("guideline", "guideline"),
        Column("layer", "where"),
        Column("gain_bytes", "access saved", "bytes"),
        Column("text", "finding", wrap=True),
    )
    hidden = len(findings) - len(shown)
    return Table(
        title="",
        columns=columns,
        rows=tuple((f.guideline, f.layer, f.gain, f.text) for f in shown),
        notes=(f"{hidden} more findings with smaller gains are not listed",) if hidden else (),
    )


def _pairs(rows: list[tuple[Cell, ...]]) -> Table:
    return Table(
        "", (Column("quantity", "quantity"), Column("value", "value", wrap=True)), tuple(rows)
    )


def _fields(result: Any) -> Document:
    """Any other dataclass: one row a field."""
    rows: list[tuple[Cell, ...]] = []
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        name = field.name.replace("_", " ")
        if field.name.endswith("bytes") and isinstance(value, int):
            rows.append((name.removesuffix(" bytes"), format_bytes(value)))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows.append((name, f"{value:,}"))
        else:
            rows.append((name, "" if value is None else str(value)))
    return Document(type(result).__name__, tables=(_pairs(rows),))
