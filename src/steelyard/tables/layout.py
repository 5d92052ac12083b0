"""How the tables are printed: `PopularNetworks` two networks side by side, `Networks` a family a table."""

from __future__ import annotations

from itertools import groupby

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.tables.networks import Entry, Networks
from steelyard.tables.popular_networks import MODELS, PopularNetworks

NETWORKS_PER_TABLE = 2
"""So many fit a terminal of 80 columns with all their digits."""


@document.register
def popular_networks_document(result: PopularNetworks) -> Document:
    """The table in parts; figures of ours that differ carry the number of their reason."""
    notes = (cell.note for row in result.rows for cell in row.cells if cell.note)
    marks = {reason: f"[{i}]" for i, reason in enumerate(dict.fromkeys(notes), 1)}
    models = result.models
    parts = [
        _part(result, models[start : start + NETWORKS_PER_TABLE], marks)
        for start in range(0, len(models), NETWORKS_PER_TABLE)
    ]
    return Document(
        title="popular networks",
        lead=(
            "Under each network's name the published figure, beside it ours, from a captured workload.",
        ),
        tables=tuple(parts),
        notes=(
            *(f"{mark} {reason}" for reason, mark in marks.items()),
            f"Published: {result.source}.",
        ),
    )


def _part(result: PopularNetworks, models: tuple[str, ...], marks: dict[str, str]) -> Table:
    columns = [Column("metric", "metric")]
    for model in models:
        columns += [Column(f"{model}_published", MODELS[model][0]), Column(model, "ours")]
    rows: list[tuple[Cell, ...]] = []
    for row in result.rows:
        line: list[Cell] = [row.metric]
        for cell in row.cells:
            if cell.model in models:
                line += [cell.published, f"{cell.ours} {marks.get(cell.note, '')}".strip()]
        rows.append(tuple(line))
    return Table("", tuple(columns), tuple(rows))


_NETWORKS = (
    Column("network", "network"),
    Column("settings", "settings"),
    Column("published_params", "params (M)"),
    Column("params", "ours"),
    Column("params_difference", "(%)", rank=1),
    Column("published_macs", "MACs (M)"),
    Column("macs", "ours"),
    Column("macs_difference", "(%)", rank=1),
    Column("errors", "top-1, top-5 error (%)", rank=4),
    Column("published_in", "source", rank=3),
    Column("reason", "reason", rank=2),
)


@document.register
def networks_document(result: Networks) -> Document:
    """A table a family; the reasons stand below, numbered."""
    reasons = [e.published.reason for e in result.entries if e.published.reason]
    marks = {reason: f"[{i}]" for i, reason in enumerate(dict.fromkeys(reasons), 1)}
    tables = [
        Table(family, _NETWORKS, tuple(_network(entry, marks) for entry in entries))
        for family, entries in groupby(result.entries, key=lambda entry: entry.family)
    ]
    return Document(
        title=f"{len(result.entries)} published rows",
        lead=(
            "Beside each published figure ours, from a captured workload: parameters, and plain MACs of "
            "convolutions and linear layers.",
        ),
        tables=tuple(tables),
        notes=tuple(f"{mark} {reason}" for reason, mark in marks.items()),
    )


def _network(entry: Entry, marks: dict[str, str]) -> tuple[Cell, ...]:
    row = entry.published
    return (
        row.model,
        row.settings.replace(",", " "),
        _stated(row.params_m),
        _millions(entry.params),
        _percent(entry.params_difference),
        _stated(row.macs_m),
        _millions(entry.macs),
        _percent(entry.macs_difference),
        ", ".join("-" if e is None else f"{e:g}" for e in (row.top1_error, row.top5_error)),
        row.source,
        marks.get(row.reason, ""),
    )


def _stated(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,g}"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.4g}" if count < 1e9 else f"{count / 1e6:,.0f}"


def _percent(difference: float | None) -> str:
    return "" if difference is None else f"{100 * difference:+.1f}"
