"""How predictions of a trained network are printed: a row a photograph with its exit and cost; a row a guess in CSV."""

from __future__ import annotations

from steelyard.dynamic.budget import said
from steelyard.report.document import document
from steelyard.report.table import Cell, Column, Document, Table
from steelyard.train.budget_layout import cost_column
from steelyard.train.run_predictions import RunPredictions

__all__ = ["guesses_table"]

_UNITS = ("MACs", "J", "s")


@document.register
def predictions_document(result: RunPredictions) -> Document:
    """The guesses, and where each photograph left."""
    lead = []
    if result.budget is not None:
        lead.append(f"thresholds for {said(result.budget, result.unit)} an image on average")
    remarks = [f"{one.photo}: {one.remark}" for one in result.predictions if one.remark]
    return Document(
        f"{result.network}, weights from {result.weights}",
        lead=tuple(lead),
        tables=(guesses_table(result), *([_exits(result)] if result.exits > 1 else [])),
        warnings=tuple(remarks),
    )


def guesses_table(result: RunPredictions) -> Table:
    """A row a guess."""
    units = _units(result)
    costs = [cost_column("cost", title, unit) for unit, title in units]
    columns = (
        Column("photo", "photo"),
        Column("rank", "rank", "count", rank=3),
        Column("class", "class", "count", rank=2),
        Column("name", "name"),
        Column("probability", "probability", "share", bar=True),
        *([Column("exit", "exit", "count")] if result.exits > 1 else []),
        *(column for column, _ in costs),
    )
    rows: list[tuple[Cell, ...]] = []
    for one in result.predictions:
        spent = [one.costs[unit] * factor for (unit, _), (_, factor) in zip(units, costs, strict=True)]  # fmt: skip
        where = [one.exit] if result.exits > 1 else []
        for rank, guess in enumerate(one.guesses, 1):
            rows.append(
                (one.photo, rank, guess.index, guess.name, guess.probability, *where, *spent)
            )
    return Table("", columns, tuple(rows))


def _exits(result: RunPredictions) -> Table:
    """How many photographs left at each exit."""
    columns = (Column("exit", "exit"), Column("photos", "photos", "count"), Column("share", "share", "share", bar=True))  # fmt: skip
    every = [one.exit for one in result.predictions]
    rows = tuple(
        (f"{number} of {result.exits}", every.count(number), every.count(number) / len(every))
        for number in range(1, result.exits + 1)
    )
    return Table("Where photographs left", columns, rows)


def _units(result: RunPredictions) -> list[tuple[str, str]]:
    """Units that all photographs' costs have, each with its title."""
    known = result.predictions[0].costs if result.predictions else {}
    return [
        (unit, {"MACs": "cost", "J": "energy", "s": "time"}[unit])
        for unit in _UNITS
        if unit in known
    ]
