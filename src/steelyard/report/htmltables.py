"""Tables of the HTML report: captions, scopes, raw values for sorting, totals in the foot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from steelyard.cost import CostReport
from steelyard.report.costs import FEW_LAYERS, layer_records
from steelyard.report.describe import family
from steelyard.report.escape import html_text
from steelyard.report.table import Cell, Column, Scale, Table, headers, scales

_LAYER_COLUMNS = (
    "layer",
    "operator",
    "kind",
    "output_shape",
    "params",
    "macs",
    "macs_share",
    "ops",
    "activation_bytes",
    "access_bytes",
    "macs_per_byte",
)
_TITLES = {"layer": "layer", "operator": "operator", "kind": "kind", "output_shape": "output"}

Attributes = Callable[[int], str]


def table_html(
    table: Table,
    *,
    sortable: bool = False,
    attributes: Attributes | None = None,
    link: Attributes | None = None,
) -> str:
    """``table`` as an HTML table in a box that scrolls sideways.

    Args:
        sortable: headings are buttons that the script sorts by.
        attributes: more attributes for the n-th row of the body, already escaped.
        link: id of the element that the n-th row's name leads to, "" for none.
    """
    return "".join(_table(table, sortable, attributes, link))


def _table(
    table: Table, sortable: bool, attributes: Attributes | None, link: Attributes | None
) -> Iterator[str]:
    scale = scales(table)
    prose = any(column.wrap for column in table.columns)
    css = ' class="sortable"' if sortable else ' class="prose"' if prose else ""
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{html_text(table.title)}">'
    yield f"<table{css}><caption>{html_text(table.title)}</caption><thead><tr>"
    for column, text in zip(table.columns, headers(table, scale), strict=True):
        side = ' class="n"' if column.numeric else ""
        # the unit goes to a second line, so that columns of numbers stay narrow
        head = html_text(text).replace(" (", '<br><span class="unit">(', 1)
        head += "</span>" if "<br>" in head else ""
        if sortable:
            yield f'<th scope="col" aria-sort="none"{side}>'
            yield f'<button type="button">{head}</button></th>'
        else:
            yield f'<th scope="col"{side}>{head}</th>'
    yield "</tr></thead><tbody>"
    for number, row in enumerate(table.rows):
        more = f" {attributes(number)}" if attributes is not None else ""
        target = link(number) if link is not None else ""
        cells = _row(row, scale, table.columns, raw=sortable, target=target)
        yield f"<tr{more}>{cells}</tr>"
    yield "</tbody>"
    if table.rest or table.total:
        yield "<tfoot>"
        for row in table.rest:
            yield '<tr class="rest">' + _row(row, scale, table.columns) + "</tr>"
        if table.total:
            yield "<tr>" + _row(table.total, scale, table.columns) + "</tr>"
        yield "</tfoot>"
    yield "</table></div>"
    for note in table.notes:
        yield f'<p class="note">{html_text(note)}</p>'


def _row(
    row: Sequence[Cell],
    scale: Sequence[Scale],
    columns: Sequence[Column],
    *,
    raw: bool = False,
    target: str = "",
) -> str:
    parts = []
    for number, (cell, s, column) in enumerate(zip(row, scale, columns, strict=True)):
        text = html_text(s.format(cell))
        if column.bar and isinstance(cell, (int, float)):
            text += f'<span class="share" style="--s:{max(0.0, min(1.0, cell)):.4f}"></span>'
        exact = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
        value = f' data-v="{exact}"' if raw and isinstance(cell, (int, float)) else ""
        if number == 0:
            text = f'<a href="#{target}">{text}</a>' if target else text
            side = ' class="n"' if column.numeric else ""
            parts.append(f'<th scope="row"{side}{value}>{text}</th>')
        else:
            css = ' class="n"' if column.numeric else ' class="wrap"' if column.wrap else ""
            parts.append(f"<td{css}{value}>{text}</td>")
    return "".join(parts)


def layer_table(report: CostReport) -> str:
    """Every layer of ``report``, with controls to filter them by text and kind."""
    records = layer_records(report)
    order = [[c.key for c in records.columns].index(key) for key in _LAYER_COLUMNS]
    columns = tuple(
        Column(c.key, _TITLES.get(c.key, c.title), c.quantity, c.unit, bar=c.bar)
        for c in (records.columns[i] for i in order)
    )
    total = report.total
    table = Table(
        title=f"Layers of {report.workload.name} in order of execution",
        columns=columns,
        rows=tuple(tuple(row[i] for i in order) for row in records.rows),
        total=(
            *("total", None, None, None, total.params, total.macs, 1.0 if total.macs else None),
            *(total.ops, total.activation_bytes, total.access_bytes, total.intensity),
        ),
    )
    rows = report.rows

    def attributes(number: int) -> str:
        row = rows[number]
        macs = 1 if row.cost.macs or row.kind == "unknown" else 0
        group = family(row.layer)
        return (
            f'data-layer="{number}" data-kind="{html_text(row.kind)}" data-macs="{macs}" '
            f'style="--f:var(--{group})"'
        )

    controls = _controls(report)
    return f'<div class="layers">{controls}{table_html(table, sortable=True, attributes=attributes)}</div>'


def _controls(report: CostReport) -> str:
    kinds = Counter(row.kind for row in report.rows)
    computing = sum(1 for row in report.rows if row.cost.macs or row.kind == "unknown")
    default = "macs" if len(report.rows) > FEW_LAYERS and computing else ""
    options = [("", f"all {len(report.rows)} layers"), ("macs", f"layers with MACs ({computing})")]
    options += [(kind, f"{kind} ({number})") for kind, number in kinds.most_common()]
    chosen = "".join(
        f'<option value="{html_text(value)}"{" selected" if value == default else ""}>'
        f"{html_text(text)}</option>"
        for value, text in options
    )
    return (
        '<div class="controls"><label>Filter <input type="search" placeholder="words, e.g. 3×3"></label>'
        f'<label>Show <select autocomplete="off">{chosen}</select></label>'
        '<span role="status" class="soft"></span></div>'
    )
