"""How evaluations under a budget are printed: what was solved for, what came of it, and every exit."""

from __future__ import annotations

from steelyard.dynamic.budget import said
from steelyard.dynamic.budget_check import Outcome
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.train.budget_result import BudgetEvaluation

__all__ = ["cost_column", "exits_table"]

_SHOWN = {"s": ("ms", 1e3), "J": ("mJ", 1e3)}
"""Units in which costs are printed, and how many of them are one."""


def cost_column(key: str, title: str, unit: str, *, rank: int = 0) -> tuple[Column, float]:
    """A column of costs, and by what they are to be multiplied."""
    if unit not in _SHOWN:
        return Column(f"{key}_macs", title.replace("cost", unit), "count", rank=rank), 1.0
    shown, factor = _SHOWN[unit]
    return Column(f"{key}_{shown.lower()}", title, "ratio", shown, rank=rank, fine=True), factor


@document.register
def budget_document(result: BudgetEvaluation) -> Document:
    """Expected and realised, then exit by exit."""
    about, check = result.about, result.check
    unit, budget = check.unit, check.budget or 0.0
    policy = f"{check.policy}, {result.distribution}"
    if result.thresholds.temperatures:
        policy += ", calibrated"
    where = f"on {result.accelerator}" if result.accelerator else f"run by {result.backend}"
    lead = [
        f"budget {said(budget, unit)} an image, {where}; policy: {policy}",
        f"thresholds solved on {check.expected.samples:,} images{' kept from training' if result.kept else ''}, "
        f"judged by {check.realised.samples:,} others; "
        f"weights SHA-256 {about.weights_sha256[:16]}…",
    ]
    notes = [
        "from, to: 95 % intervals; of the cost by the bootstrap, of top-1 exact (Clopper-Pearson)."
    ]
    if result.timed is not None:
        timed = result.timed
        notes.append(
            f"{timed.images} of these images one at a time, measured: {said(timed.mean_s, 's')} each, through "
            f"all exits {said(timed.all_s, 's')}."
        )
    return Document(
        f"{about.network} on {about.data}, {about.split}: top-1 {result.top1:.2f} % for "
        f"{said(result.cost, unit)} an image",
        lead=tuple(lead),
        tables=(_outcomes(result), exits_table(result)),
        notes=tuple(notes),
        warnings=result.notes,
    )


def exits_table(result: BudgetEvaluation) -> Table:
    """A row an exit."""
    check = result.check
    cost, factor = cost_column("cost", "cost", check.unit)
    columns = [
        Column("exit", "exit"),
        cost,
        Column("top1", "top-1 of all", "share"),
        Column("expected", "expected", "share", rank=1),
        Column("leaving", "leave here", "share", bar=True),
        Column("top1_leaving", "top-1 of these", "share"),
    ]
    if check.unit != "MACs":
        columns.insert(2, Column("macs", "MACs", "count"))
    rows = []
    for number, one in enumerate(result.exits, 1):
        row: list[Cell] = [
            str(number), one.cost * factor, one.top1 / 100, one.expected / check.expected.samples,
            one.leaving / check.realised.samples,
            None if one.top1_leaving is None else one.top1_leaving / 100,
        ]  # fmt: skip
        if check.unit != "MACs":
            row.insert(2, one.macs)
        rows.append(tuple(row))
    return Table("Exits", tuple(columns), tuple(rows))


def _outcomes(result: BudgetEvaluation) -> Table:
    check = result.check
    cost, factor = cost_column("cost", "mean cost", check.unit)
    low, _ = cost_column("cost_low", "from", check.unit, rank=1)
    high, _ = cost_column("cost_high", "to", check.unit, rank=1)
    columns = (
        Column("images", "images"),
        Column("samples", "number", "count"),
        cost, low, high,
        Column("top1", "top-1", "share"),
        Column("top1_low", "from", "share", rank=2),
        Column("top1_high", "to", "share", rank=2),
    )  # fmt: skip

    def row(name: str, one: Outcome) -> tuple[Cell, ...]:
        bounds = (factor * bound for bound in one.cost_interval)
        return (name, one.samples, factor * one.cost, *bounds, one.accuracy, *one.accuracy_interval)

    last = result.exits[-1]
    rows = (
        row("expected (validation)", check.expected),
        row("realised (held out)", check.realised),
        ("held out, all exits run", check.realised.samples, factor * last.cost, None, None, last.top1 / 100, None, None),
    )  # fmt: skip
    return Table("", columns, rows)
