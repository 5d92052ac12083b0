"""`Table`: rows, columns with units, totals and notes as pure data; every renderer starts from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10
from statistics import median
from typing import Literal

from steelyard.errors import UsageError

Cell = str | int | float | None
"""What a cell holds: text, a number in the column's base unit, or None where nothing is known."""

Quantity = Literal["text", "count", "bytes", "share", "ratio"]

_PREFIXES = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18))


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: machine name, the header in CSV; ends in its unit unless it is a count.
        title: what people read, without the unit.
        quantity: ``text``; ``count`` and ``bytes`` (SI prefixes); ``share`` (0..1, printed in
            percent); ``ratio`` (any number, three significant digits).
        unit: unit of a ratio, or of a count that has one.
        rank: where a terminal is too narrow, columns of the highest rank go first; 0 never goes.
        signed: positive numbers get a plus sign (changes).
        bar: a share is drawn as a small bar too.
        wrap: long text continues on the next line; at most one column.
        fine: of a ratio, the smallest number gets three digits, too (six decimals at most).
    """

    key: str
    title: str
    quantity: Quantity = "text"
    unit: str = ""
    rank: int = 0
    signed: bool = False
    bar: bool = False
    wrap: bool = False
    fine: bool = False

    @property
    def numeric(self) -> bool:
        """Right-aligned, sortable as a number."""
        return self.quantity != "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as data; numbers are unrounded and in base units (elements, bytes, 0..1).

    Attributes:
        title: one line above.
        columns: left to right; the first names the row.
        rows: the body.
        rest: rows below the body that stand for several hidden ones each.
        total: the last row.
        notes: sentences below, e.g. which rows are hidden.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rest: tuple[tuple[Cell, ...], ...] = ()
    total: tuple[Cell, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.all_rows:
            if len(row) != len(self.columns):
                raise UsageError(
                    f"table {self.title!r}: a row has {len(row)} cells",
                    expected=f"{len(self.columns)}, one per column",
                )

    @property
    def all_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """Body, rest and total."""
        return (*self.rows, *self.rest, *((self.total,) if self.total is not None else ()))

    def column(self, key: str) -> tuple[Cell, ...]:
        """Body cells of the column called ``key``.

        Raises:
            UsageError: there is none.
        """
        for index, column in enumerate(self.columns):
            if column.key == key:
                return tuple(row[index] for row in self.rows)
        raise UsageError(
            f"table {self.title!r} has no column {key!r}",
            expected="one of " + ", ".join(column.key for column in self.columns),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """Everything one result prints: lines of prose, tables, lines below.

    Attributes:
        title: headline, one line.
        lead: sentences before the tables.
        tables: the first one is the main one (the one that CSV holds).
        notes: sentences after the tables (totals, assumptions).
        warnings: what a user of the numbers must know.
    """

    title: str
    lead: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of one column are printed: all in one unit, with the same decimals."""

    unit: str
    factor: float
    decimals: int
    signed: bool = False

    def format(self, value: Cell) -> str:
        """The number in this scale; "" for None; ``<0.1`` for what would look like zero."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        sign = "+" if self.signed else ""
        scaled = value / self.factor
        smallest = 10.0**-self.decimals
        if value != 0 and abs(scaled) < smallest / 2:
            bound = f"{smallest:.{self.decimals}f}"
            return f">-{bound}" if value < 0 else f"<{sign}{bound}"
        if value == 0:
            return "0"
        return f"{scaled:{sign},.{self.decimals}f}"


def scale_of(column: Column, values: Iterable[Cell]) -> Scale:
    """One unit for a whole column: the SI prefix that suits the typical row.

    >>> scale_of(Column("macs", "MACs", "count"), [105_000_000, 224_000_000]).unit
    'M'
    """
    numbers = sorted(abs(v) for v in values if isinstance(v, (int, float)) and v)
    if column.quantity == "share":
        return Scale("%", 0.01, 1, column.signed)
    if column.quantity == "ratio":
        largest = numbers[-1] if numbers else 0.0
        whole = all(float(n).is_integer() for n in numbers)
        decimals = 0 if whole or largest >= 1000 else 1 if largest >= 10 else 2
        if column.fine and numbers and not whole:
            decimals = min(6, max(decimals, 2 - floor(log10(numbers[0]))))
        return Scale(column.unit, 1.0, decimals, column.signed)
    base = "B" if column.quantity == "bytes" else column.unit
    if not numbers or numbers[-1] < 10_000:
        decimals = 0 if all(float(n).is_integer() for n in numbers) else 1
        return Scale(base, 1.0, decimals, column.signed)
    prefix, factor = _prefix(median(numbers))
    # a typical row of under 10 units gets two decimals, so that it shows three digits
    small = numbers[-1] / factor < 100 and factor > 1
    decimals = 0 if factor == 1 else 2 if small else 1
    return Scale(f"{prefix}{base}", factor, decimals, column.signed)


def _prefix(value: float) -> tuple[str, float]:
    chosen = _PREFIXES[0]
    for candidate in _PREFIXES:
        if value >= candidate[1]:
            chosen = candidate
    return chosen


def scales(table: Table) -> tuple[Scale, ...]:
    """The scale of every column of ``table``."""
    result = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in (*table.rows, *table.rest)]
        if not any(isinstance(cell, (int, float)) and cell for cell in cells) and table.total:
            cells = [table.total[index]]
        result.append(scale_of(column, cells))
    return tuple(result)


def headers(table: Table, scale: Sequence[Scale]) -> list[str]:
    """Column headings with their units: ``MACs (M)``."""
    return [
        f"{column.title} ({s.unit})" if s.unit and column.numeric else column.title
        for column, s in zip(table.columns, scale, strict=True)
    ]
