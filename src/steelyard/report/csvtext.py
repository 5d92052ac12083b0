"""Tables as CSV (RFC 4180): machine-readable headings, full precision, formulas made inert."""

from __future__ import annotations

import csv
import io

from steelyard.report.escape import csv_text
from steelyard.report.table import Cell, Table


def to_csv(*tables: Table) -> str:
    """The bodies of ``tables`` (same columns) under one heading; no totals, units as in the keys.

    Text that a spreadsheet would take for a formula starts with an apostrophe. Lines end in CR LF.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if tables:
        writer.writerow([csv_text(column.key) for column in tables[0].columns])
    for table in tables:
        for row in table.rows:
            writer.writerow([_cell(cell) for cell in row])
    return out.getvalue()


def _cell(value: Cell) -> str | int:
    if value is None:
        return ""
    if isinstance(value, str):
        return csv_text(value)
    # repr of a float is the shortest text that reads back as the same number
    return repr(value) if isinstance(value, float) else value
