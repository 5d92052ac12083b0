"""How measurements are printed: a row each, with its interval, what ran, and what makes it doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from steelyard.measure.measurement import Failure, Measurement, Measurements
from steelyard.measure.store import History
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_COLUMNS = (
    Column("network", "network"),
    Column("setting", "backend"),
    Column("batch", "batch", "count"),
    Column("threads", "threads", "count", rank=4),
    Column("median_ms", "median", "ratio", unit="ms"),
    Column("interval_ms", "95 % interval", unit="ms"),
    Column("p90_ms", "p90", "ratio", unit="ms", rank=2),
    Column("p99_ms", "p99", "ratio", unit="ms", rank=3),
    Column("throughput", "samples/s", "ratio", rank=1),
    Column("gain", "gain", "ratio", unit="x"),
    Column("peak_memory_bytes", "memory", "bytes", rank=3),
    Column("energy_mj", "energy", "ratio", unit="mJ", rank=4),
    Column("deviation", "deviation", "ratio", rank=5),
    Column("samples", "samples", "count", rank=5),
)


@document.register
def measurements_document(result: Measurements) -> Document:
    """Rows of one network, batch and number of threads below each other; the first is what ``gain`` refers to."""
    ordered = sorted(result.rows, key=_group)
    rows = tuple(
        _row(row, group[0])
        for group in (list(rows) for _, rows in groupby(ordered, _group))
        for row in group
    )
    about = result.environment
    lead = [
        ", ".join(about[key] for key in ("processor", "flags") if key in about)
        + f"; {about.get('cores', '?')} cores; "
        + ", ".join(f"{name} {about[name]}" for name in ("torch", "onnxruntime", "openvino") if name in about)
    ] if about else []  # fmt: skip
    return Document(
        title=f"{len(rows)} measurement{'s' if len(rows) != 1 else ''}",
        lead=tuple(lead),
        tables=(Table("", _columns(result.rows), _shown(result.rows, rows)),) if rows else (),
        notes=(*_notes(result), *(said for one in result.against_macs for said in one.sentences())),
        warnings=(*result.warnings, *map(_failed, result.failures), *_doubts(result.rows)),
    )


@document.register
def measurement_document(result: Measurement) -> Document:
    """A table of one row."""
    return measurements_document(Measurements((result,)))


@document.register
def history_document(result: History) -> Document:
    """A row each, oldest first, with the change since the same was measured last on the same machine."""
    columns = (
        Column("taken_at", "taken (UTC)"),
        Column("machine", "machine", rank=2),
        Column("network", "network"),
        Column("setting", "backend"),
        Column("batch", "batch", "count"),
        Column("threads", "threads", "count", rank=1),
        Column("median_ms", "median", "ratio", unit="ms"),
        Column("interval_ms", "95 % interval", unit="ms", rank=3),
        Column("change", "change", "share", signed=True),
    )
    rows = tuple(
        (
            past.taken_at.replace("T", " ").removesuffix("+00:00"),
            past.machine,
            past.network,
            past.setting,
            past.batch,
            past.threads,
            past.median_s * 1e3,
            _interval(past.interval_s),
            past.change,
        )
        for past in result.rows
    )
    used = {past.machine for past in result.rows}
    notes = [
        f"{key}: {facts.get('processor', '?')}, {facts.get('cores', '?')} cores, torch {facts.get('torch', '?')}."
        for key, facts in result.machines.items()
        if key in used
    ]
    return Document(
        title=f"{len(rows)} measurement{'s' if len(rows) != 1 else ''} kept",
        tables=(Table("", columns, rows),) if rows else (),
        notes=(
            *notes,
            *([] if rows else ["Nothing was measured yet: steelyard measure resnet50."]),
        ),
        warnings=result.notes,
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0] * 1e3:.3g} .. {interval[1] * 1e3:.3g}"


def _group(row: Measurement) -> tuple[str, int, int]:
    return row.network, row.batch, row.threads


def _row(row: Measurement, first: Measurement) -> tuple[Cell, ...]:
    joules = row.energy.joules
    return (
        row.network,
        row.setting,
        row.batch,
        row.threads,
        row.median_s * 1e3,
        _interval(row.interval_s),
        row.timing.p90_s * 1e3,
        row.timing.p99_s * 1e3,
        row.throughput,
        first.median_s / row.median_s,
        row.peak_memory_bytes,
        None if joules is None else joules * 1e3,
        row.deviation,
        len(row.samples_s),
    )


def _hidden(rows: Sequence[Measurement]) -> set[str]:
    """Columns in which nothing is known, or nothing compared."""
    hidden = set()
    if all(row.energy.joules is None for row in rows):
        hidden.add("energy_mj")
    if len({_group(row) for row in rows}) == len(rows):
        hidden.add("gain")
    return hidden


def _columns(rows: Sequence[Measurement]) -> tuple[Column, ...]:
    hidden = _hidden(rows)
    return tuple(column for column in _COLUMNS if column.key not in hidden)


def _shown(
    rows: Sequence[Measurement], cells: tuple[tuple[Cell, ...], ...]
) -> tuple[tuple[Cell, ...], ...]:
    hidden = _hidden(rows)
    keep = [index for index, column in enumerate(_COLUMNS) if column.key not in hidden]
    return tuple(tuple(row[index] for index in keep) for row in cells)


def _notes(result: Measurements) -> tuple[str, ...]:
    notes = [
        f"{setting}: {ran}."
        for setting, ran in dict.fromkeys((row.setting, row.ran) for row in result.rows)
    ]
    if any(row.energy.joules is None for row in result.rows):
        reasons = dict.fromkeys(
            row.energy.unavailable for row in result.rows if row.energy.unavailable
        )
        notes += [f"Energy unavailable: {reason}." for reason in reasons]
    pinned = {row.pinned for row in result.rows}
    if any(pinned):
        notes.append("Threads were pinned to their cores; rows of a network took turns.")
    if any(row.keep_freed for row in result.rows):
        notes.append("The C library kept freed memory.")
    if "gain" not in _hidden(result.rows):
        notes.append("gain: times as fast as the first row of the same network, batch and threads.")
    return tuple(notes)


def _failed(row: Failure) -> str:
    reason = "; ".join(line.strip() for line in row.reason.splitlines() if line.strip())
    return f"{row.network}, {row.setting}, batch {row.batch}: {reason}"


def _doubts(rows: Sequence[Measurement]) -> tuple[str, ...]:
    return tuple(
        f"{row.network}, {row.setting}, batch {row.batch}: {doubt}"
        for row in rows
        for doubt in row.warnings
    )
