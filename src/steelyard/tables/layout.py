"""How `PopularNetworks` is printed: two networks side by side, published and ours, reasons below."""

from __future__ import annotations

from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
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
