"""Tables of a cost report: one row a layer or a group, free and cheap layers summed up by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from steelyard.cost import Cost, CostReport, LayerCost
from steelyard.errors import UsageError
from steelyard.report.describe import operator, output_shape
from steelyard.report.table import Cell, Column, Table
from steelyard.report.words import count_kind
from steelyard.workload import MAC_KINDS

By = Literal["layer", "op", "module", "stage", "kind", "type"]
SortKey = Literal["macs", "params", "memory", "access"]

BY: tuple[By, ...] = ("layer", "op", "module", "stage", "kind", "type")
SORT: tuple[SortKey, ...] = ("macs", "params", "memory", "access")

FEW_LAYERS = 40
"""Up to this many layers, everything but views and created tensors is shown."""

_SORT_VALUE: dict[SortKey, Callable[[Cost], int]] = {
    "macs": lambda c: c.macs,
    "params": lambda c: c.params,
    "memory": lambda c: c.activation_bytes,
    "access": lambda c: c.access_bytes,
}
_FIRST_TITLE: dict[By, str] = {
    "layer": "layer",
    "op": "operator",
    "module": "module",
    "stage": "stage (feature map)",
    "kind": "kind",
    "type": "module class",
}
_COUNTS = (
    Column("params", "params", "count"),
    Column("macs", "MACs", "count"),
    Column("macs_share", "of MACs", "share", rank=5, bar=True),
    Column("ops", "other ops", "count", rank=7),
    Column("activation_bytes", "memory", "bytes", rank=3),
    Column("access_bytes", "access", "bytes", rank=6),
)
_Row = tuple[tuple[Cell, ...], Cost]


def cost_table(
    report: CostReport,
    *,
    by: By = "layer",
    sort: SortKey | None = None,
    depth: int | None = None,
    show_all: bool = False,
    limit: int | None = None,
) -> Table:
    """The counts of ``report`` as a table whose body, rest and total add up.

    ``memory`` is the bytes of the outputs, ``access`` the bytes moved when each tensor moves once.

    Args:
        by: what a row is: ``layer``, or a group as in `CostReport.by`.
        sort: largest first by this; in order of execution if None.
        depth: components of the module path to keep, for ``by="module"``.
        show_all: every layer has its row. By default layers that hardly compute (BN, activations,
            pooling, element-wise ...) are summed up in one row a kind, in networks of up to 40
            layers only views and created tensors are.
        limit: at most this many rows in the body; the others are summed up in one.

    Raises:
        UsageError: unknown ``by`` or ``sort``, ``limit`` or ``depth`` below 1, ``depth`` without
            ``module``.
    """
    _check(by, sort, limit)
    if by == "layer" and depth is not None:
        report.workload.groupby(by, depth=depth)  # says why that makes no sense
    total = report.total
    notes: list[str] = []
    rest: list[_Row] = []
    if by == "layer":
        shown, hidden = _split(report, show_all)
        rows = [(_names(row, report), row.cost) for row in shown]
        rest, notes = _summed(hidden)
        lead: tuple[Column, ...] = (
            Column("layer", _FIRST_TITLE[by]),
            Column("operator", "operator", rank=2),
            Column("output_shape", "output", rank=4),
        )
    else:
        rows = [
            ((name or ("(top)" if by in ("module", "type") else "-"), cost.layers), cost)
            for name, cost in report.by(by, depth).items()
        ]
        lead = (Column(by, _FIRST_TITLE[by]), Column("layers", "layers", "count", rank=2))
    if sort is not None:
        value = _SORT_VALUE[sort]
        rows.sort(key=lambda row: value(row[1]), reverse=True)
    if limit is not None and len(rows) > limit:
        more, note = _more(rows[limit:], len(lead))
        rows, rest, notes = rows[:limit], [more, *rest], [note, *notes]
    if any(row.shared_params for row in report.rows):
        notes.append("parameters that several layers share are counted at the first of them")
    name = report.workload.name
    return Table(
        title=f"{name}: cost by {_FIRST_TITLE[by]}",
        columns=(*lead, *_COUNTS),
        rows=_cells(rows, total),
        rest=_cells(rest, total),
        total=_cells([(_total_names(len(lead), by, total), total)], total)[0],
        notes=tuple(notes),
    )


def layer_records(report: CostReport) -> Table:
    """Every layer with every field, for CSV and other machines: nothing hidden, nothing rounded."""
    load = report.workload
    texts = ("layer", "kind", "op", "operator", "module", "module_type", "output_shape")
    columns = (
        *(Column(key, key) for key in texts),
        *_COUNTS,
        Column("param_bytes", "parameter memory", "bytes"),
        Column("macs_per_byte", "intensity", "ratio", "MAC/B"),
    )
    total = report.total
    rows = []
    for row in report.rows:
        layer = row.layer
        words = (
            *(layer.name, layer.kind, layer.op, operator(layer), layer.module, layer.module_type),
            output_shape(layer, load),
        )
        counts = _cells([((), row.cost)], total)[0]
        rows.append((*words, *counts, row.cost.param_bytes, row.cost.intensity))
    return Table(title=load.name, columns=columns, rows=tuple(rows))


def _check(by: str, sort: str | None, limit: int | None) -> None:
    if by not in BY:
        raise UsageError(f"cannot list the cost by {by!r}", expected="one of " + ", ".join(BY))
    if sort is not None and sort not in SORT:
        raise UsageError(f"cannot sort by {sort!r}", expected="one of " + ", ".join(SORT))
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} leaves no row", expected="limit >= 1")


def _split(report: CostReport, show_all: bool) -> tuple[list[LayerCost], list[LayerCost]]:
    """Rows to show and rows to sum up."""
    rows = report.rows
    if show_all:
        return list(rows), []
    if len(rows) <= FEW_LAYERS:
        quiet = {"view", "create"}
        shown = [row for row in rows if row.kind not in quiet]
    else:
        shown = [row for row in rows if row.kind in MAC_KINDS or row.kind == "unknown"]
    if not shown:
        return list(rows), []
    names = {row.name for row in shown}
    return shown, [row for row in rows if row.name not in names]


def _names(row: LayerCost, report: CostReport) -> tuple[Cell, ...]:
    return (row.name, operator(row.layer), output_shape(row.layer, report.workload))


def _summed(hidden: Sequence[LayerCost]) -> tuple[list[_Row], list[str]]:
    """One row for each hidden kind, and the sentence that says so."""
    if not hidden:
        return [], []
    counts = Counter(row.kind for row in hidden)
    rows: list[_Row] = []
    for kind, number in counts.most_common():
        total = sum((row.cost for row in hidden if row.kind == kind), Cost())
        rows.append(((f"{kind} ({number})", None, None), total))
    kinds = ", ".join(count_kind(kind, number) for kind, number in counts.most_common())
    note = f"{len(hidden)} layers are summed up by kind: {kinds}; --all or show_all=True lists them"
    if len(hidden) == 1:
        note = f"1 layer is summed up by kind: {kinds}; --all or show_all=True lists it"
    return rows, [note]


def _more(rows: Sequence[_Row], lead: int) -> tuple[_Row, str]:
    """One row for those that are one too many, and the sentence that says so."""
    label: tuple[Cell, ...] = (f"{len(rows)} more rows", *[None] * (lead - 1))
    note = f"{len(rows)} more rows are summed up in one; --limit or limit= shows more"
    return (label, sum((cost for _, cost in rows), Cost())), note


def _total_names(lead: int, by: By, total: Cost) -> tuple[Cell, ...]:
    return ("total", None, None) if by == "layer" else ("total", total.layers)[:lead]


def _cells(rows: Sequence[_Row], total: Cost) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            *names,
            cost.params,
            cost.macs,
            cost.macs / total.macs if total.macs else None,
            cost.ops,
            cost.activation_bytes,
            cost.access_bytes,
        )
        for names, cost in rows
    )
