"""Tables of a comparison: totals of a and b side by side, and where the difference came from."""

from __future__ import annotations

from steelyard.cost import Comparison, Cost, LayerChange
from steelyard.errors import UsageError
from steelyard.report.describe import operator
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.units import format_bytes, format_si
from steelyard.workload import GroupKey

_TOTALS: tuple[tuple[str, str], ...] = (
    ("layers", "operators"),
    ("params", "parameters"),
    ("macs", "MACs"),
    ("ops", "other operations"),
    ("param_bytes", "parameter memory"),
    ("activation_bytes", "memory of the outputs"),
    ("access_bytes", "memory access"),
)
_DELTAS = (
    Column("params_delta", "params", "count", signed=True),
    Column("macs_delta", "MACs", "count", signed=True),
    Column("ops_delta", "other ops", "count", signed=True, rank=4),
    Column("activation_bytes_delta", "memory", "bytes", signed=True, rank=2),
    Column("access_bytes_delta", "access", "bytes", signed=True, rank=3),
)


def comparison_document(
    comparison: Comparison,
    *,
    by: GroupKey = "kind",
    depth: int | None = None,
    show_all: bool = False,
    limit: int | None = None,
) -> Document:
    """Totals, the difference by group, and the layers that changed.

    Args:
        by, depth: what the difference is grouped by, see `Comparison.by`.
        show_all: list layers that stayed the same too.
        limit: at most this many layers, those that changed most first; 40 if not given, all with
            ``show_all``.

    Raises:
        UsageError: unknown group, or a limit below 1.
    """
    a, b = comparison.a.workload.name, comparison.b.workload.name
    cap = limit if limit is not None or show_all else 40
    return Document(
        title=f"{a} (a) against {b} (b)",
        tables=(
            totals_table(comparison),
            groups_table(comparison, by, depth),
            changes_table(comparison, show_all=show_all, limit=cap),
        ),
        warnings=tuple(dict.fromkeys((*comparison.a.warnings, *comparison.b.warnings))),
    )


def totals_table(comparison: Comparison) -> Table:
    """One row a quantity: a, b, the difference and the ratio."""
    before, after = comparison.a.total, comparison.b.total
    rows: list[tuple[Cell, ...]] = []
    for key, title in _TOTALS:
        rows.append(_pair(title, getattr(before, key), getattr(after, key), key.endswith("bytes")))
    peaks = comparison.a.memory.peak_bytes, comparison.b.memory.peak_bytes
    rows.append(_pair("peak activation memory", *peaks, True))
    return Table(
        title="totals",
        columns=(
            Column("quantity", "quantity"),
            Column("a", "a", "ratio"),
            Column("b", "b", "ratio"),
            Column("delta", "b − a", "ratio"),
            Column("change", "change", "share", signed=True),
        ),
        rows=tuple(rows),
        notes=("FLOPs are 2 x MACs",),
    )


def _pair(title: str, a: int, b: int, is_bytes: bool) -> tuple[Cell, ...]:
    show = format_bytes if is_bytes else format_si
    delta = ("+" if b > a else "−" if b < a else "") + show(abs(b - a))
    return (title, show(a), show(b), delta, (b - a) / a if a else None)


def groups_table(comparison: Comparison, by: GroupKey, depth: int | None = None) -> Table:
    """Where the difference came from; the rows add up to the total."""
    groups = comparison.by(by, depth)
    rows = [(name or "(top)", *_deltas(cost)) for name, cost in groups.items() if _differs(cost)]
    rows.sort(key=lambda row: -abs(int(row[2] or 0)))
    same = len(groups) - len(rows)
    return Table(
        title=f"difference (b − a) by {by}",
        columns=(Column(by, by), *_DELTAS),
        rows=tuple(rows),
        total=("total", *_deltas(comparison.delta)),
        notes=(f"groups without a difference, not listed: {same}",) if same else (),
    )


def changes_table(
    comparison: Comparison, *, show_all: bool = False, limit: int | None = None
) -> Table:
    """The layers that were added, removed or changed, in order; the largest changes if limited.

    Raises:
        UsageError: a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} leaves no row", expected="limit >= 1")
    changes = comparison.layers if show_all else comparison.changes
    shown, hidden = list(changes), 0
    if limit is not None and len(changes) > limit:
        largest = sorted(range(len(changes)), key=lambda i: -_size(changes[i]))[:limit]
        shown = [changes[i] for i in sorted(largest)]
        hidden = len(changes) - limit
    notes = []
    if hidden:
        notes.append(f"{hidden} smaller changes are not listed; --all or show_all=True lists them")
    same = len(comparison.layers) - len(comparison.changes)
    if same and not show_all:
        notes.append(f"{same} layers are the same in both (renamed ones included)")
    return Table(
        title="layers that changed" if not show_all else "layers",
        columns=(
            Column("layer", "layer"),
            Column("change", "change", rank=1),
            Column("a", "in a", rank=5),
            Column("b", "in b", rank=5),
            *_DELTAS,
        ),
        rows=tuple(_change_row(change) for change in shown),
        notes=tuple(notes),
    )


def _change_row(change: LayerChange) -> tuple[Cell, ...]:
    a = operator(change.a.layer) if change.a else ""
    b = operator(change.b.layer) if change.b else ""
    return (change.name, change.change, a, b, *_deltas(change.delta))


def _size(change: LayerChange) -> int:
    delta = change.delta
    return abs(delta.macs) + abs(delta.access_bytes)


def _deltas(cost: Cost) -> tuple[Cell, ...]:
    return (cost.params, cost.macs, cost.ops, cost.activation_bytes, cost.access_bytes)


def _differs(cost: Cost) -> bool:
    return any(_deltas(cost))
