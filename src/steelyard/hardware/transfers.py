"""The transfers of a mapping: which memory feeds which, past which loops, and how much moves.

**The model.** Between a memory that keeps an operand (the parent) and the next one inside that keeps it (the
child; innermost: the multiply-accumulate units) the operand moves tile by tile.

1. *When.* The loops that run outside the child's tile, outermost first, are its schedule; spatial loops take no time.
   The loops at the end of the schedule over which the operand does not move (`RELEVANT`) are left out: while
   they run, the tile stays (it is *stationary*). The child gets a new tile each time one of the other loops
   advances, and at the start. The schedule is static: it is the same for the smaller tiles at the edges.
   Units hold nothing, so each of their operations is a tile of its own.
2. *What.* All elements of the tile that exist (no padding, nothing beyond an edge, inputs that no output needs
   left out: the rows of a tile are the union of its windows). If the innermost loop of the schedule is over
   P, Q, R or S, then on an advance of that loop alone the inputs that the step before needed are kept, and
   only new ones move (sliding window). On any other advance the whole tile moves.
3. *Space.* Each active instance of the child has a tile of its own. On axes that share the operand, an element
   that several instances under one parent need at the same moment is read from the parent once; on the others
   once for each instance.
4. *Outputs* move the other way. A child's tile of partial sums starts empty and goes up when the schedule
   replaces it. The parent adds what comes up: each arrival writes, and reads the old sum first, except the
   first arrival of an element in the parent's own tile. Instances on axes that sum arrive as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np

from steelyard.hardware.counting import (
    SHARED,
    SPACE,
    STILL,
    TIME,
    count_tiles,
    offsets,
    window_extent,
    window_sum,
)
from steelyard.hardware.device import DIMENSIONS, RELEVANT, Accelerator, Array, Axis, Operand
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.problem import Problem, Window

SLIDING = frozenset("PQRS")


@dataclass(frozen=True, slots=True)
class FlatLoop:
    """A loop of the nest.

    ``level`` is its place in the device, ``stride`` its step in the dimension's index, ``number`` that of the
    loops outside of it, those of one iteration counted.
    """

    dim: str
    bound: int
    level: int
    axis: str
    stride: int
    number: int


def flatten(mapping: Mapping) -> tuple[FlatLoop, ...]:
    """All loops of more than one iteration, outermost first."""
    inner = dict.fromkeys(DIMENSIONS, 1)
    flat: list[FlatLoop] = []
    number = sum(map(len, mapping.loops))
    for level in range(len(mapping.loops) - 1, -1, -1):
        for loop in reversed(mapping.loops[level]):
            number -= 1
            if loop.bound > 1:
                stride = inner[loop.dim]
                flat.append(FlatLoop(loop.dim, loop.bound, level, loop.axis, stride, number))
                inner[loop.dim] *= loop.bound
    return tuple(reversed(flat))


@dataclass(frozen=True, slots=True)
class Transfer:
    """The movement of one operand between two places.

    Attributes:
        operand: what moves.
        parent, child: places in the device's levels; ``child`` is their number for the units.
        outer: elements that the parent sees (reads for I and W, arrivals for O).
        inner: elements that the child sees (fills for I and W, departures for O).
        stages: elements after each axis between the two, outermost first, with the axis.
    """

    operand: Operand
    parent: int
    child: int
    outer: int
    inner: int
    stages: tuple[tuple[Axis, int], ...]


def transfers(problem: Problem, mapping: Mapping, device: Accelerator) -> tuple[Transfer, ...]:
    """Every transfer of a checked mapping."""
    flat = flatten(mapping)
    places = {level.name: place for place, level in enumerate(device.levels)}
    units = len(device.levels)
    found: list[Transfer] = []
    for operand, names in mapping.keep:
        chain = [*(places[name] for name in names), units]
        for parent, child in pairwise(chain):
            between = [
                axis
                for level in device.levels[parent:child]
                if isinstance(level, Array)
                for axis in level.axes
            ]
            start = mapping.start(device, operand, child)
            schedule = _schedule(flat, operand, start, trims=child < units)
            keeps = operand == "I" and child < units
            counts = []
            for crossed in range(len(between) + 1):
                shared = frozenset(a.name for a in between[crossed:] if a.shares(operand))
                counts.append(_moved(problem, flat, operand, start, schedule, shared, keeps=keeps))
            stages = tuple(zip(between, counts[1:], strict=True))
            found.append(Transfer(operand, parent, child, counts[0], counts[-1], stages))
    return tuple(found)


def tile(flat: tuple[FlatLoop, ...], dim: str, start: int) -> int:
    """Extent along ``dim`` of the tile that begins at loop ``start``, before the edge cuts it."""
    return prod(loop.bound for loop in flat if loop.dim == dim and loop.number >= start)


def footprint(problem: Problem, flat: tuple[FlatLoop, ...], operand: Operand, start: int) -> int:
    """Elements of the operand's largest tile that begins at loop ``start`` (`Mapping.start`)."""
    size = 1
    for dim in DIMENSIONS:
        if dim in RELEVANT[operand] and not (operand == "I" and dim in SLIDING):
            size *= min(tile(flat, dim, start), problem.size(dim))
    if operand == "I":
        for window, out, tap in ((problem.rows, "P", "R"), (problem.columns, "Q", "S")):
            size *= extent(
                window,
                problem.size(out),
                problem.size(tap),
                tile(flat, out, start),
                tile(flat, tap, start),
            )
    return size


def _schedule(
    flat: tuple[FlatLoop, ...], operand: Operand, start: int, *, trims: bool
) -> tuple[FlatLoop, ...]:
    loops = [loop for loop in flat if not loop.axis and loop.number < start]
    if trims:
        while loops and loops[-1].dim not in RELEVANT[operand]:
            loops.pop()
    return tuple(loops)


def _moved(
    problem: Problem,
    flat: tuple[FlatLoop, ...],
    operand: Operand,
    start: int,
    schedule: tuple[FlatLoop, ...],
    shared: frozenset[str],
    *,
    keeps: bool,
) -> int:
    slider = schedule[-1] if keeps and schedule and schedule[-1].dim in SLIDING else None
    moving = set(schedule)
    digits: dict[str, tuple[tuple[int, int, int], ...]] = {}
    for dim in DIMENSIONS:
        digits[dim] = tuple(
            (loop.bound, loop.stride, _role(loop, moving, shared))
            for loop in flat
            if loop.dim == dim and loop.number < start
        )
    total = 1
    for dim in DIMENSIONS:
        if operand == "I" and dim in SLIDING:
            continue
        size = problem.size(dim)
        total *= size if dim in RELEVANT[operand] else tiles(size, digits[dim])
    if operand == "I":
        for window, out, tap in ((problem.rows, "P", "R"), (problem.columns, "Q", "S")):
            slide = (0, 0, 0, 0)
            if slider is not None and slider.dim == out:
                slide = (slider.stride, slider.bound, 0, 0)
            if slider is not None and slider.dim == tap:
                slide = (0, 0, slider.stride, slider.bound)
            inner = (tile(flat, out, start), tile(flat, tap, start))
            total *= rows(
                window,
                (problem.size(out), problem.size(tap)),
                digits[out],
                digits[tap],
                inner,
                slide,
            )
    return total


def _role(loop: FlatLoop, moving: set[FlatLoop], shared: frozenset[str]) -> int:
    if loop.axis:
        return SHARED if loop.axis in shared else SPACE
    return TIME if loop in moving else STILL


Digits = tuple[tuple[int, int, int], ...]


@lru_cache(maxsize=65536)
def tiles(size: int, digits: Digits) -> int:
    """`count_tiles` of (bound, stride, role) triples."""
    bounds, strides, roles = _columns(digits)
    return int(count_tiles(size, bounds, strides, roles))


@lru_cache(maxsize=65536)
def rows(
    window: Window,
    sizes: tuple[int, int],
    out: Digits,
    tap: Digits,
    inner: tuple[int, int],
    slide: tuple[int, int, int, int],
) -> int:
    """`window_sum` of (bound, stride, role) triples."""
    shape = (window.stride, window.dilation, window.before, window.size)
    loops = [(size, _columns(digits)) for size, digits in zip(sizes, (out, tap), strict=True)]
    moving = [offsets(size, c[0], c[1], c[2], TIME, SPACE) for size, c in loops]
    shared = [offsets(size, c[0], c[1], c[2], SHARED, SHARED) for size, c in loops]
    return int(window_sum(sizes, shape, moving, shared, inner, slide))


@lru_cache(maxsize=65536)
def extent(window: Window, out: int, tap: int, out_tile: int, tap_tile: int) -> int:
    """`window_extent`."""
    shape = (window.stride, window.dilation, window.before, window.size)
    return int(window_extent((out, tap), shape, (out_tile, tap_tile)))


def _columns(digits: Digits) -> np.ndarray:
    return np.array(digits, np.int64).reshape(-1, 3).T.copy()
