"""Tables as Markdown (GitHub's pipe tables), with the unit in the heading."""

from __future__ import annotations

from collections.abc import Iterator

from steelyard.report.escape import markdown_text
from steelyard.report.table import Document, Table, headers, scales


def to_markdown(document: Document, *, level: int = 2) -> str:
    """``document`` as Markdown.

    Args:
        level: level of its heading (1 to 5); tables get the next one.
    """
    return "\n".join(_lines(document, level)).strip("\n") + "\n"


def _lines(document: Document, level: int) -> Iterator[str]:
    if document.title:
        yield from (f"{'#' * level} {markdown_text(document.title)}", "")
    for line in document.lead:
        yield from (markdown_text(line), "")
    for table in document.tables:
        if table.title and table.title != document.title:
            yield from (f"{'#' * (level + 1)} {markdown_text(table.title)}", "")
        yield from _table(table)
        yield ""
        for note in table.notes:
            yield from (markdown_text(note), "")
    for note in document.notes:
        yield f"- {markdown_text(note)}"
    if document.warnings:
        yield ""
        for warning in document.warnings:
            yield f"- **warning:** {markdown_text(warning)}"


def _table(table: Table) -> Iterator[str]:
    scale = scales(table)
    yield _row([markdown_text(head) for head in headers(table, scale)])
    yield _row(["---:" if column.numeric else ":---" for column in table.columns])
    total = len(table.rows) + len(table.rest)
    for number, row in enumerate(table.all_rows):
        cells = [
            s.format(cell).replace("<", "&lt;") if column.numeric else markdown_text(s.format(cell))
            for cell, s, column in zip(row, scale, table.columns, strict=True)
        ]
        if number == total:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        elif number >= len(table.rows):
            cells[0] = f"*{cells[0]}*"
        yield _row(cells)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
