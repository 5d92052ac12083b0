"""Tables for the terminal: aligned to the width at hand, coloured on a terminal only, through rich."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table as RichGrid
from rich.text import Text

from steelyard.report.escape import printable
from steelyard.report.table import Column, Document, Table, headers, scales

_NARROWEST, _WIDEST = 40, 200
_BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME_MIN, _NAME_COMFORT = 12, 24
_PLAIN = str.maketrans(
    {
        "…": "~",
        "×": "x",
        "−": "-",
        "≥": ">=",
        "≤": "<=",
        "→": "->",
        "²": "2",
        "µ": "u",
        "\ufffd": "?",
    }
)


class TerminalDocument:
    """A rich renderable of a `Document`; it fits itself to the console's width."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _parts(self._document, options.max_width, ascii_only=options.ascii_only)


def to_text(document: Document, *, width: int | None = None, ascii_only: bool = False) -> str:
    """``document`` as plain text without colour codes.

    Args:
        width: characters per line; the terminal's own width (40 to 200) if not given.
        ascii_only: no box drawing or other characters beyond ASCII.
    """
    if width is None:
        width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((100, 24)).columns))
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(Group(*_parts(document, width, ascii_only=ascii_only)), highlight=False)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


def _parts(document: Document, width: int, *, ascii_only: bool) -> Iterator[Text | RichGrid]:
    def text(content: str, style: str = "") -> Text:
        clean = printable(content)
        return Text(_ascii(clean) if ascii_only else clean, style=style)

    if document.title:
        yield text(document.title, "bold")
    for line in document.lead:
        yield text(line)
    for table in document.tables:
        if table.title:
            yield text(
                f"\n{table.title}".lstrip("\n") if not document.title else table.title, "bold"
            )
        grid, dropped = _grid(table, width, ascii_only=ascii_only)
        yield grid
        if dropped:
            yield text(
                f"columns that do not fit in {width} characters: {', '.join(dropped)}", "dim"
            )
        for note in table.notes:
            yield text(note, "dim")
        yield Text("")
    for note in document.notes:
        yield text(note)
    for warning in document.warnings:
        yield text(f"warning: {warning}", "yellow")


def _ascii(text: str) -> str:
    return text.translate(_PLAIN).encode("ascii", "replace").decode()


# ---- one table ---------------------------------------------------------------------------


def _grid(table: Table, width: int, *, ascii_only: bool) -> tuple[RichGrid, list[str]]:
    """The table as rich draws it, and the titles of columns that had to go."""
    heads, body = _texts(table, ascii_only=ascii_only)
    natural = [
        max((cell_len(line) for text in (head, *cells) for line in text.split("\n")), default=0)
        for head, *cells in zip(heads, *body, strict=True)
    ]
    kept, widths = _fit(table.columns, natural, width)
    grid = RichGrid(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    for i in kept:
        column = table.columns[i]
        # a bar is padded to its full length, so that bars start at the same place
        side = "right" if column.numeric and not column.bar else "left"
        grid.add_column(
            Text(heads[i]),
            justify="right" if side == "right" else "left",
            no_wrap=not column.wrap,
            overflow="fold",
            width=widths[i],
        )
    rule = [Text(("-" if ascii_only else "─") * widths[i], style="dim") for i in kept]
    rows, rest = len(table.rows), len(table.rest)
    grid.add_row(*rule)
    for number, cells in enumerate(body):
        is_total = number == rows + rest
        if number and (number == rows or is_total):
            grid.add_row(*rule)
        style = "bold" if is_total else "dim" if number >= rows else ""
        shown = [
            Text(
                cells[i]
                if table.columns[i].wrap
                else middle_ellipsis(cells[i], widths[i], ascii_only)
            )
            for i in kept
        ]
        grid.add_row(*shown, style=style)
    gone = [table.columns[i].title for i in range(len(table.columns)) if i not in kept]
    return grid, [printable(title) for title in gone]


def _texts(table: Table, *, ascii_only: bool) -> tuple[list[str], list[list[str]]]:
    """Headings (the unit on a line of its own) and cells as they are printed."""
    scale = scales(table)
    heads = [printable(h).replace(" (", "\n(") for h in headers(table, scale)]
    body = [
        [
            _cell(cell, s.format(cell), column, ascii_only)
            for cell, s, column in zip(row, scale, table.columns, strict=True)
        ]
        for row in table.all_rows
    ]
    if ascii_only:
        heads = ["\n".join(map(_ascii, h.split("\n"))) for h in heads]
        body = [[_ascii(cell) for cell in row] for row in body]
    return heads, body


def _cell(value: object, text: str, column: Column, ascii_only: bool) -> str:
    text = printable(text)
    if column.bar and isinstance(value, (int, float)):
        return f"{text:>5} {_bar(float(value), ascii_only)}"
    return text


def _bar(share: float, ascii_only: bool) -> str:
    eighths = round(min(1.0, max(0.0, share)) * _BAR_CELLS * 8)
    if ascii_only:
        return ("#" * round(eighths / 8)).ljust(_BAR_CELLS)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR_CELLS)


def _fit(
    columns: Sequence[Column], natural: Sequence[int], width: int
) -> tuple[list[int], list[int]]:
    """Indices of the columns that fit in ``width``, and the width of every column.

    One column gives way: the one that wraps, else the first (the row's name).
    """
    kept = list(range(len(columns)))
    flexible = next((i for i, column in enumerate(columns) if column.wrap), 0)
    comfort = 2 * _NAME_COMFORT if columns[flexible].wrap else _NAME_COMFORT
    while True:
        others = sum(natural[i] for i in kept if i != flexible) + 2 * (len(kept) - 1)
        room = width - others
        droppable = [i for i in kept if columns[i].rank > 0 and i != flexible]
        if room >= min(natural[flexible], comfort) or not droppable:
            widths = list(natural)
            widths[flexible] = min(natural[flexible], max(room, _NAME_MIN))
            return kept, widths
        # the rightmost column of the highest rank goes
        kept.remove(max(droppable, key=lambda i: (columns[i].rank, i)))


def middle_ellipsis(text: str, width: int, ascii_only: bool = False) -> str:
    """``text`` cut in its middle to ``width`` cells: both ends of a module path say something.

    >>> middle_ellipsis("backbone.layer1.0.conv1", 15)
    'backbon…0.conv1'
    """
    if cell_len(text) <= width:
        return text
    mark = "~" if ascii_only else "…"
    head, tail = text, text
    keep = width - 1
    while cell_len(head) > (keep + 1) // 2:
        head = head[:-1]
    while cell_len(tail) > keep - cell_len(head):
        tail = tail[1:]
    return head + mark + tail
