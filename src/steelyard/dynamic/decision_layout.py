"""How checks of a budget, curves and calibrations of exits are printed."""

from __future__ import annotations

from steelyard.dynamic.budget import said
from steelyard.dynamic.budget_check import BudgetCheck, Outcome
from steelyard.dynamic.calibration import ExitCalibration
from steelyard.dynamic.curves import Curve
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table


@document.register
def check_document(result: BudgetCheck) -> Document:
    """Expected and realised: cost, accuracy, and where images leave."""
    unit = result.unit
    columns = (
        Column("images", "images of"),
        Column("samples", "number", "count"),
        _cost("cost", "mean cost", unit),
        _cost("cost_low", "from", unit, rank=1),
        _cost("cost_high", "to", unit, rank=1),
        Column("top1", "top-1", "share"),
        Column("top1_low", "from", "share", rank=2),
        Column("top1_high", "to", "share", rank=2),
    )
    pairs = (("validation", result.expected), ("test", result.realised))
    rows: list[tuple[Cell, ...]] = [
        (
            name, one.samples, *(_shown(value, unit) for value in (one.cost, *one.cost_interval)),
            one.accuracy, *one.accuracy_interval,
        )
        for name, one in pairs
    ]  # fmt: skip
    asked = "" if result.budget is None else f" for {said(result.budget, unit)} an image"
    return Document(
        f"{result.policy}: thresholds solved{asked}",
        tables=(Table("", columns, tuple(rows)), _leaving(result)),
        notes=(
            "from, to: 95 % intervals; of the mean cost by the bootstrap, of top-1 exact (Clopper-Pearson).",
            *([] if result.holds is not False else ["The budget is exceeded beyond chance."]),
        ),
    )


def _cost(key: str, title: str, unit: str, *, rank: int = 0) -> Column:
    """Counts with their prefix; seconds and joules in thousandths."""
    if unit in ("s", "J"):
        return Column(f"{key}_m{unit.lower()}", title, "ratio", f"m{unit}", rank=rank, fine=True)
    return Column(key, title, "count", unit, rank=rank)


def _shown(value: float, unit: str) -> float:
    return value * 1e3 if unit in ("s", "J") else value


def _leaving(result: BudgetCheck) -> Table:
    columns = (
        Column("exit", "exit"),
        _cost("cost", "cost", result.unit),
        Column("validation_share", "validation leaves", "share"),
        Column("test_share", "test leaves", "share", bar=True),
    )

    def share(one: Outcome, at: int) -> float:
        return one.leaving[at] / one.samples

    rows = tuple(
        (
            str(i + 1),
            _shown(cost, result.unit),
            share(result.expected, i),
            share(result.realised, i),
        )
        for i, cost in enumerate(result.costs)
    )
    return Table("Where images leave", columns, rows)


@document.register
def curve_document(result: Curve) -> Document:
    """A row a point, and the area."""
    columns = (
        _cost("budget", "budget", result.unit, rank=1),
        _cost("cost", "mean cost", result.unit),
        Column("top1", "top-1", "share"),
    )
    rows = tuple(
        (_shown(one.budget, result.unit), _shown(one.cost, result.unit), one.accuracy)
        for one in result.points
    )
    mean = f"mean top-1 over these costs: {result.area():.2%}"
    return Document(f"{result.name}: accuracy against cost", tables=(Table("", columns, rows),), notes=(mean,))  # fmt: skip


@document.register
def calibration_document(result: ExitCalibration) -> Document:
    """A row an exit."""
    columns = (
        Column("exit", "exit"),
        Column("temperature", "temperature", "ratio"),
        Column("error_before", "error before", "share"),
        Column("error_after", "after", "share"),
        Column("loss_before_nats", "loss before", "ratio", "nats"),
        Column("loss_after_nats", "after", "ratio", "nats"),
    )
    facts = zip(
        result.temperatures, result.error_before, result.error_after,
        result.loss_before, result.loss_after, strict=True,
    )  # fmt: skip
    rows = tuple((str(i), *row) for i, row in enumerate(facts, 1))
    return Document("Calibration of exits", tables=(Table("", columns, rows),), notes=("error: expected calibration error in 15 bins.",))  # fmt: skip
