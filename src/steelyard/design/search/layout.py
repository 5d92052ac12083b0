"""How `SearchResult` is printed: the networks that none beats; and all trials as one table."""

from __future__ import annotations

from steelyard.design.search.goals import COUNTED, UNITS, Quantity
from steelyard.design.search.result import SearchResult, Trial
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table

_MOST_ROWS = 30


@document.register
def search_document(result: SearchResult) -> Document:
    """The front, and how it was come by."""
    shown = quantities_of(result)
    columns = (
        Column("trial", "trial"),
        *(_column(one) for one in shown),
        Column("point", "point", rank=4),
    )
    rows = tuple(_row(trial, shown) for trial in result.front[:_MOST_ROWS])
    hidden = len(result.front) - len(rows)
    counts = result.counts()
    said = ", ".join(f"{n} {state}" for state, n in counts.items() if n) or "none finished"
    held = f", {' and '.join(map(str, result.constraints))}" if result.constraints else ""
    notes = [f"{hidden} more are not listed."] if hidden else []
    notes += [f"{name}: {fact}." for name, fact in result.facts.items()]
    return Document(
        title=f"search in {result.space.name}: least {', '.join(map(str, result.objectives))}{held}",
        lead=(
            f"{len(result.trials)} trials by {result.strategy}, seed {result.seed} ({said}), of {result.space.size:,} "
            f"networks; {len(result.front)} that none beats in all:",
        ),
        tables=(Table("", columns, rows),),
        notes=tuple(notes),
        warnings=result.warnings,
    )


def quantities_of(result: SearchResult) -> tuple[Quantity, ...]:
    """Objectives, then what constraints are about."""
    return tuple(dict.fromkeys((*result.objectives, *(one.quantity for one in result.constraints))))


def trials_table(result: SearchResult) -> Table:
    """A row for each trial: state, values, and the value of every choice."""
    shown, front = quantities_of(result), {trial.number for trial in result.front}
    columns = (
        Column("trial", "trial", "count"),
        Column("state", "state"),
        Column("on_front", "on front"),
        *(_column(one) for one in shown),
        Column("seconds", "seconds", "ratio", fine=True),
        Column("point", "point"),
        Column("reason", "reason"),
        *(Column(choice.name, choice.name) for choice in result.space.choices),
    )
    rows = []
    for trial in result.trials:
        chosen = result.space.values(result.space.decode(trial.key)).values()
        rows.append((
            trial.number, trial.state, "yes" if trial.number in front else "no",
            *(trial.values.get(str(one)) for one in shown), trial.seconds, trial.key, trial.reason,
            *(str(value) for value in chosen),
        ))  # fmt: skip
    return Table("trials", columns, tuple(rows))


def _row(trial: Trial, shown: tuple[Quantity, ...]) -> tuple[Cell, ...]:
    return (str(trial.number), *(trial.values[str(one)] for one in shown), trial.key)


def _column(one: Quantity) -> Column:
    key = str(one).replace("@", "_")
    if one.name in ("access", "peak_memory"):
        return Column(f"{key}_bytes", one.name.replace("_", " "), "bytes")
    if one.name in COUNTED:
        return Column(key, "MACs" if one.name == "macs" else one.name, "count")
    if one.name == "error":
        return Column(key, "error", "share")
    if one.name == "naswot":
        return Column(key, "naswot, sign turned", "ratio")
    name, _ = one.name.rsplit("_", 1)
    where = "of" if name == "area" else "on"
    return Column(key, f"{name} {where} {one.device}", "ratio", unit=UNITS[one.name], fine=True)
