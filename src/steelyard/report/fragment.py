"""Documents as an HTML fragment with inline style only, for notebooks."""

from __future__ import annotations

from collections.abc import Iterator

from steelyard.report.escape import html_text
from steelyard.report.table import Document, Table, headers, scales

_TABLE = "border-collapse:collapse;font-size:90%;font-variant-numeric:tabular-nums"
_CELL = "padding:1px 8px;white-space:nowrap"
_MANY_ROWS = 2000


def to_html_fragment(document: Document) -> str:
    """``document`` as one ``div``: no script, no style sheet, nothing loaded."""
    return "".join(_parts(document))


def _parts(document: Document) -> Iterator[str]:
    yield '<div class="steelyard">'
    if document.title:
        yield f'<p style="margin:4px 0"><strong>{html_text(document.title)}</strong></p>'
    for line in document.lead:
        yield f'<p style="margin:4px 0">{html_text(line)}</p>'
    for table in document.tables:
        yield from _table(table)
        for note in table.notes:
            yield f'<p style="margin:4px 0;opacity:.75">{html_text(note)}</p>'
    for note in document.notes:
        yield f'<p style="margin:4px 0">{html_text(note)}</p>'
    for warning in document.warnings:
        yield f'<p style="margin:4px 0"><strong>warning:</strong> {html_text(warning)}</p>'
    yield "</div>"


def _table(table: Table) -> Iterator[str]:
    scale = scales(table)
    align = ["right" if column.numeric else "left" for column in table.columns]
    yield f'<table style="{_TABLE}">'
    if table.title:
        yield f'<caption style="text-align:left">{html_text(table.title)}</caption>'
    yield '<thead><tr style="border-bottom:1px solid currentColor">'
    for text, side in zip(headers(table, scale), align, strict=True):
        yield f'<th scope="col" style="{_CELL};text-align:{side}">{html_text(text)}</th>'
    yield "</tr></thead><tbody>"
    last = len(table.rows) + len(table.rest)
    for number, row in enumerate(table.all_rows):
        if _MANY_ROWS <= number < len(table.rows):
            continue
        style = "border-top:1px solid currentColor;font-weight:bold" if number == last else ""
        style = style or ("opacity:.75" if number >= len(table.rows) else "")
        yield f'<tr style="{style}">' if style else "<tr>"
        for cell, s, side in zip(row, scale, align, strict=True):
            yield f'<td style="{_CELL};text-align:{side}">{html_text(s.format(cell))}</td>'
        yield "</tr>"
    yield "</tbody></table>"
    if len(table.rows) > _MANY_ROWS:
        yield f"<p>{len(table.rows) - _MANY_ROWS} more rows are not shown here</p>"
