"""How a split of run time is printed: kinds of operator first, then the layers that took longest."""

from __future__ import annotations

from steelyard.measure.breakdown import Breakdown, Part
from steelyard.measure.ceilings import Ceilings
from steelyard.measure.operator_kinds import KINDS
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_si

SLOWEST = 15
"""Layers that the table names; JSON and CSV have all."""

_RATES = (
    Column("milliseconds", "time", "ratio", unit="ms"),
    Column("share", "share", "share", bar=True),
    Column("macs_per_s", "MACs/s", "count", rank=1),
    Column("bytes_per_s", "bytes/s", "count", rank=2),
)
_KIND_COLUMNS = (
    Column("kind", "kind"),
    Column("parts", "operators", "count", rank=3),
    *_RATES,
    Column("attained", "of roofline", "share", rank=1),
)
_PART_COLUMNS = (
    Column("layer", "layer"),
    Column("op", "ran as", rank=3),
    Column("kind", "kind"),
    *_RATES,
    Column("attained", "of roofline", "share", rank=1),
)


@document.register
def breakdown_document(result: Breakdown) -> Document:
    """Kinds, in a fixed order; then the slowest layers."""
    kinds = Table("", _KIND_COLUMNS, _kind_rows(result), total=_total(result))
    slow = sorted(result.parts, key=lambda part: -part.seconds)[:SLOWEST]
    more = len(result.parts) - len(slow)
    layers = Table(
        "the operators that took longest",
        _PART_COLUMNS,
        tuple(_part_row(part, result.total_s) for part in slow),
        notes=(f"{more} more in --json and --format csv",) if more > 0 else (),
    )
    plural = "s" if result.threads != 1 else ""
    return Document(
        title=f"run time of {result.network}, {result.setting}, batch {result.batch}, "
        f"{result.threads} thread{plural}",
        lead=(
            f"{result.ran}; {result.statistic}s over {result.runs} inferences under its profiler",
        ),
        tables=(kinds, layers),
        notes=_notes(result),
        warnings=result.warnings,
    )


@document.register
def ceilings_document(result: Ceilings) -> Document:
    """A row for each number of threads."""
    columns = (
        Column("threads", "threads", "count"),
        Column("macs_per_s", "matrix product, MACs/s", "count"),
        Column("bytes_per_s", "copy, bytes/s", "count"),
    )
    rows = tuple((one.threads, one.macs_per_s, one.bytes_per_s) for one in result.rows)
    sources = dict.fromkeys(f"{one.threads}: {one.source}." for one in result.rows)
    return Document(
        "roofline of this machine by number of threads, float32",
        tables=(Table("", columns, rows),),
        notes=tuple(sources),
    )


def records(result: Breakdown) -> Table:
    """Every part with every figure, for CSV."""
    columns = (
        Column("layer", "layer"),
        Column("op", "op"),
        Column("kind", "kind"),
        Column("seconds", "seconds", "ratio"),
        Column("share", "share", "share"),
        Column("macs", "MACs", "count"),
        Column("access_bytes", "bytes", "bytes"),
        Column("macs_per_s", "MACs/s", "ratio"),
        Column("bytes_per_s", "bytes/s", "ratio"),
        Column("attained", "of roofline", "share"),
    )
    rows = tuple(
        (
            part.layer, part.op, part.kind, part.seconds, part.seconds / result.total_s, part.macs,
            part.access_bytes, part.macs_per_s, part.bytes_per_s, part.attained,
        )
        for part in result.parts
    )  # fmt: skip
    return Table("", columns, rows)


def _kind_rows(result: Breakdown) -> tuple[tuple[Cell, ...], ...]:
    bounds = {
        kind: sum(part.bound_s or 0.0 for part in result.parts if part.kind == kind)
        for kind in KINDS
    }
    return tuple(
        (
            KINDS[kind.kind],
            kind.parts,
            kind.seconds * 1e3,
            kind.share,
            _rate(kind.macs, kind.seconds),
            _rate(kind.access_bytes, kind.seconds),
            bounds[kind.kind] / kind.seconds if bounds[kind.kind] and kind.seconds else None,
        )
        for kind in result.by_kind()
    )


def _part_row(part: Part, total: float) -> tuple[Cell, ...]:
    return (
        part.layer or ("-" if part.kind == "between" else part.op),
        part.op,
        KINDS[part.kind],
        part.seconds * 1e3,
        part.seconds / total,
        _rate(part.macs, part.seconds),
        _rate(part.access_bytes, part.seconds),
        part.attained,
    )


def _total(result: Breakdown) -> tuple[Cell, ...]:
    bytes_ = sum(part.access_bytes for part in result.parts)
    bound = sum(part.bound_s or 0.0 for part in result.parts)
    total = result.total_s
    return (
        "sum", len(result.parts), total * 1e3, 1.0, _rate(result.macs, total), _rate(bytes_, total),
        bound / total if bound else None,
    )  # fmt: skip


def _rate(work: int, seconds: float) -> float | None:
    return work / seconds if work and seconds else None


def _notes(result: Breakdown) -> tuple[str, ...]:
    whole = sorted(result.profiled_s)[len(result.profiled_s) // 2]
    notes = [
        f"Without the profiler an inference takes {result.median_s * 1e3:.3g} ms (median); the parts, each a "
        f"{result.statistic}, sum to {result.total_s * 1e3:.3g} ms ({result.overhead:+.0%}), and a whole "
        f"inference under the profiler took {whole * 1e3:.3g} ms.",
    ]
    if result.ceiling is not None:
        limit = result.ceiling
        notes.append(
            f"Roofline with {limit.threads} thread{'s' if limit.threads != 1 else ''}: "
            f"{format_si(limit.macs_per_s, 'MACs/s')}, {format_si(limit.bytes_per_s, 'B/s')} from memory "
            f"({limit.source}). Above 100 %: operands came from caches, or the library's kernels beat that product."
        )
    if result.absent:
        shown = ", ".join(result.absent[:6])
        more = f" and {len(result.absent) - 6} more" if len(result.absent) > 6 else ""
        notes.append(f"No operator of their own (fused into another, or left out): {shown}{more}.")
    outside = [part for part in result.parts if part.kind == "outside"]
    if outside:
        names = ", ".join(dict.fromkeys(part.op for part in outside))
        notes.append(f"Not in the workload: {names}.")
    return tuple(notes)
