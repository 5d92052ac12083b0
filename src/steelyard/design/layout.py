"""How `Rewrite` is printed: what was exchanged, what could not be, and the totals before and after."""

from __future__ import annotations

from steelyard.design.rewrite import Change, Rewrite
from steelyard.report.differences import totals_table
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_FEW = 5
_COLUMNS = (
    Column("module", "layer"),
    Column("macs_before", "MACs before", "count", rank=2),
    Column("macs_after", "after", "count", rank=2),
    Column("macs_ratio", "ratio", "ratio"),
    Column("params_before", "params before", "count", rank=3),
    Column("params_after", "after", "count", rank=3),
    Column("params_ratio", "ratio", "ratio"),
    Column("weights", "weights", rank=1),
    Column("error", "error of filter", "ratio", rank=1),
)


@document.register
def rewrite_document(result: Rewrite) -> Document:
    """The exchanged layers, then the network's totals."""
    rows = tuple(_row(change) for change in result.changes)
    changed = Table("", _COLUMNS, rows)
    if all(change.weights == "new" for change in result.changes):
        changed = Table("", _COLUMNS[:-2], tuple(row[:-2] for row in rows))
    skipped = [f"not changed: {path}: {reason}" for path, reason in result.skipped.items()]
    fitted = any(change.weights == "fitted" for change in result.changes)
    notes = skipped[:_FEW] + [f"... and {len(skipped) - _FEW} more"] * (len(skipped) > _FEW)
    if fitted:
        notes.append(
            "error of filter: Frobenius norm of the difference to the old filter, relative to the old "
            "one; 0 is exact."
        )
    return Document(
        title=f"rewritten by {result.rule}",
        tables=(changed, totals_table(result.comparison)),
        notes=tuple(notes),
    )


def _row(change: Change) -> tuple[Cell, ...]:
    return (
        change.module, *change.macs, _ratio(change.macs), *change.params, _ratio(change.params),
        change.weights, change.error,
    )  # fmt: skip


def _ratio(pair: tuple[int, int]) -> float | None:
    before, after = pair
    return after / before if before else None
