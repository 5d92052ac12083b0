"""How the costs of exits are printed: a row an exit, what its stage adds and what leaving there takes."""

from __future__ import annotations

from steelyard.dynamic.exit_costs import ExitCosts
from steelyard.report.document import document
from steelyard.report.table import Column, Document, Table

_COLUMNS = (
    Column("exit", "exit"),
    Column("added_macs", "MACs added", "count"),
    Column("macs", "MACs", "count"),
    Column("share", "of all", "share", bar=True),
    Column("params", "params", "count"),
    Column("added_params", "params added", "count", rank=2),
    Column("peak_bytes", "peak memory", "bytes", rank=1),
    Column("state_bytes", "kept for later", "bytes", rank=1),
)


@document.register
def exit_costs_document(result: ExitCosts) -> Document:
    """A row an exit."""
    every = max(1, result.macs[-1])
    rows = tuple(
        (
            str(number),
            row.added.macs,
            row.total.macs,
            row.total.macs / every,
            row.total.params,
            row.added.params,
            row.peak_bytes,
            row.state_bytes,
        )
        for number, row in enumerate(result.rows, 1)
    )
    shape = "×".join(map(str, result.input_shape))
    return Document(
        f"{result.name}: what leaving at each exit costs",
        tables=(Table("", _COLUMNS, rows),),
        notes=(f"input {shape}; peak memory and what is kept are of activations", *result.warnings),
    )
