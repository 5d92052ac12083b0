"""A small systolic array, register by register and cycle by cycle: it multiplies matrices and counts cycles.

Knows nothing of the formulas of `steelyard.hardware.systolic`. Each function feeds the array fold by fold and
returns the product, the cycles from the first thing that entered to the last that left, and how many values
crossed its edges. What no wiring can do is a `Clash`: two values on one wire or in one register.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64]
Wires = dict[tuple[int, int], tuple[int, bool]]
"""(wire, cycle): the value on it, and whether it is the first of its fold."""


class Clash(Exception):
    """Two values at one place in one cycle."""


def keep_second(
    moving: Matrix, still: Matrix, rows: int, columns: int, period: int | None = None
) -> tuple[Matrix, int, Counter[str]]:
    """``moving`` (T x S_R) @ ``still`` (S_R x S_C); the second stays in the array.

    Args:
        moving, still: the operands.
        rows, columns: of the array.
        period: a fold begins so many cycles after the one before; None: when that has left the array.

    Raises:
        Clash: the period is too short.
    """
    steps, begin, end = moving.shape[0], 0, 0
    product = np.zeros((steps, still.shape[1]), dtype=np.int64)
    top, left, starts = Wires(), Wires(), []
    counts: Counter[str] = Counter()
    for across in _pieces(still.shape[1], columns):
        for down in _pieces(still.shape[0], rows):
            counts["still"] += still[down, across].size
            counts["moving"] += moving[:, down].size
            counts["sums"] += steps * still[down, across].shape[1]
            tile = _padded(still[down, across], rows, columns)
            for row in range(rows):
                for column in range(columns):  # the lowest row first
                    _put(top, column, begin + rows - 1 - row + column, tile[row, column])
            _enter(left, _padded(moving[:, down], steps, rows), begin + rows)
            starts.append((begin + rows, across))
            if period is None:
                end, leaving = _run_still(top, left, rows, columns, begin)
                _collect(product, leaving, starts, rows)
                top, left, starts, begin = Wires(), Wires(), [], end
            else:
                begin += period
    if period is not None:
        end, leaving = _run_still(top, left, rows, columns, 0)
        _collect(product, leaving, starts, rows)
    return product, end, counts


def _run_still(
    top: Wires, left: Wires, rows: int, columns: int, cycle: int
) -> tuple[int, dict[tuple[int, int], int]]:
    """Registers: what is used, what has arrived, operands moving right, sums moving down."""
    used = np.zeros((rows, columns), dtype=np.int64)
    coming: list[list[int | None]] = [[None] * columns for _ in range(rows)]
    right: dict[tuple[int, int], tuple[int, bool]] = {}
    down: dict[tuple[int, int], int] = {}
    leaving: dict[tuple[int, int], int] = {}
    last = max(at for _, at in (*top, *left))
    while cycle <= last or right:
        inside = {(row, column + 1): entry for (row, column), entry in right.items()}
        inside |= {(row, 0): left[row, cycle] for row in range(rows) if (row, cycle) in left}
        sums = {}
        for (row, column), (value, first) in inside.items():
            if first:
                arrived = coming[row][column]
                if arrived is None:
                    raise Clash(f"nothing has arrived at {row}, {column}")
                used[row, column], coming[row][column] = arrived, None
            above = down[row - 1, column] if row else 0
            sums[row, column] = above + value * int(used[row, column])
        for column in range(columns):
            for row in range(rows - 1, 0, -1):  # what arrives falls until it lies on another
                if coming[row][column] is None:
                    coming[row][column] = coming[row - 1][column]
                    coming[row - 1][column] = None
            if (column, cycle) in top:
                if coming[0][column] is not None:
                    raise Clash(f"column {column} has no room for what arrives")
                coming[0][column] = top[column, cycle][0]
            if (rows - 1, column) in sums:
                leaving[column, cycle] = sums[rows - 1, column]
        right = {place: entry for place, entry in inside.items() if place[1] < columns - 1}
        down = sums
        cycle += 1
    return cycle, leaving


def _collect(
    product: Matrix,
    leaving: dict[tuple[int, int], int],
    starts: list[tuple[int, slice]],
    rows: int,
) -> None:
    """Adds each fold's sums, found by when and where they left, to the product."""
    for start, across in starts:
        for step in range(product.shape[0]):
            for column in range(across.stop - across.start):
                when = start + step + rows - 1 + column
                product[step, across.start + column] += leaving[column, when]


def keep_sums(
    first: Matrix, second: Matrix, rows: int, columns: int, period: int | None = None
) -> tuple[Matrix, int, Counter[str]]:
    """``first`` (S_R x T) @ ``second`` (T x S_C); sums stay, and leave by one wire a column when finished.

    Raises:
        Clash: the period is too short.
    """
    steps, begin, end = first.shape[1], 0, 0
    product = np.zeros((first.shape[0], second.shape[1]), dtype=np.int64)
    counts: Counter[str] = Counter()
    left, top, places = Wires(), Wires(), {}
    for across in _pieces(second.shape[1], columns):
        for down in _pieces(first.shape[0], rows):
            counts["moving"] += first[down].size
            counts["still"] += second[:, across].size
            counts["sums"] += product[down, across].size
            _enter(left, _padded(first[down], rows, steps).T, begin)
            _enter(top, _padded(second[:, across], steps, columns), begin)
            places[begin] = (down, across)
            if period is None:
                end, results = _run_sums(left, top, rows, columns, steps, begin)
                _place(product, results, places)
                left, top, places, begin = Wires(), Wires(), {}, end
            else:
                begin += period
    if period is not None:
        end, results = _run_sums(left, top, rows, columns, steps, 0)
        _place(product, results, places)
    return product, end, counts


def _run_sums(
    left: Wires, top: Wires, rows: int, columns: int, steps: int, cycle: int
) -> tuple[int, list[tuple[int, int, int, int]]]:
    """Results as (cycle of the fold's first product, row, column, sum)."""
    total: dict[tuple[int, int], tuple[int, int, int]] = {}
    right: Wires = {}
    down: Wires = {}
    results = []
    last = max(at for _, at in (*top, *left))
    while cycle <= last or right or down:
        across = {(row, column + 1): entry for (row, column), entry in right.items()}
        across |= {(row, 0): left[row, cycle] for row in range(rows) if (row, cycle) in left}
        below = {(row + 1, column): entry for (row, column), entry in down.items()}
        below |= {(0, column): top[column, cycle] for column in range(columns) if (column, cycle) in top}  # fmt: skip
        assert across.keys() == below.keys(), "operands that do not meet"
        busy: set[int] = set()
        for (row, column), (value, first) in across.items():
            other, _ = below[row, column]
            sum_, done, since = (0, 0, cycle) if first else total[row, column]
            total[row, column] = (sum_ + value * other, done + 1, since)
            if done + 1 == steps:
                if column in busy:
                    raise Clash(f"two results on the wire of column {column}")
                busy.add(column)
                results.append((since, row, column, sum_ + value * other))
        right = {place: entry for place, entry in across.items() if place[1] < columns - 1}
        down = {place: entry for place, entry in below.items() if place[0] < rows - 1}
        cycle += 1
    return cycle, results


def _place(
    product: Matrix,
    results: list[tuple[int, int, int, int]],
    places: dict[int, tuple[slice, slice]],
) -> None:
    for since, row, column, value in results:
        down, across = places[since - row - column]
        if down.start + row < down.stop and across.start + column < across.stop:
            product[down.start + row, across.start + column] = value


def _enter(wires: Wires, vectors: Matrix, start: int) -> None:
    """A vector a cycle; element i follows i cycles later."""
    for step, vector in enumerate(vectors):
        for wire, value in enumerate(vector):
            _put(wires, wire, start + step + wire, value, first=step == 0)


def _put(wires: Wires, wire: int, cycle: int, value: np.int64, *, first: bool = False) -> None:
    if (wire, cycle) in wires:
        raise Clash(f"wire {wire}, cycle {cycle}")
    wires[wire, cycle] = (int(value), first)


def _pieces(total: int, size: int) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def _padded(matrix: Matrix, rows: int, columns: int) -> Matrix:
    """With zeros below and to the right: the units that are not in use."""
    found = np.zeros((rows, columns), dtype=np.int64)
    found[: matrix.shape[0], : matrix.shape[1]] = matrix
    return found
