"""Fused groups against a brute-force run row by row, the cut against every cut, and a published design."""

from __future__ import annotations

from itertools import product
from math import inf
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.hardware.device import Accelerator, Array, Axis, Link, Memory
from steelyard.hardware.estimate import Estimate, estimate
from steelyard.hardware.fusion_partition import Chip, Span, partition, plans, spans
from steelyard.hardware.fusion_schedule import Bits, Schedule, schedules, sources
from steelyard.hardware.fusion_units import Source, Unit, line
from steelyard.hardware.problem import Problem, Window
from steelyard.workload import Layer, LoopNest, TensorSpec, Workload

# ---- a chain, executed row by row ------------------------------------------------------------


class Run:
    """Executes a group: sets of rows on the chip, every fetch and every computed row counted.

    It asks for the rows of the last map and follows the demand backwards; it knows neither ranges nor buffers.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.units = schedule.units
        self.keeps = schedule.halo == "keep"
        self.strips = []
        rows = self.units[-1].rows
        for start in range(0, rows, schedule.height):
            self.strips.append(set(range(start, min(start + schedule.height, rows))))
        self.writer = {unit.tensor: k for k, unit in enumerate(self.units)}
        self.fetched: dict[tuple[int, str], int] = {}
        self.computed = [0] * len(self.units)
        self.weights = 0
        self.peaks = [0] * len(self.units)
        plan = self.plan()
        self.execute(plan)

    def wants(self, source: Source, rows: set[int]) -> set[int]:
        found = set()
        for o in rows:
            for k in range(source.taps):
                row = o * source.window.stride + k * source.window.dilation - source.window.before
                if 0 <= row < source.window.size:
                    found.add(row)
        return found

    def plan(self) -> list[list[set[int]]]:
        """For each strip the rows that each unit computes: what is asked for, without gaps, and not there yet."""
        there: list[set[int]] = [set() for _ in self.units]
        found = []
        for strip in self.strips:
            todo: list[set[int]] = [set() for _ in self.units]
            asked: list[set[int]] = [set() for _ in self.units]
            asked[-1] = set(strip)
            for k in reversed(range(len(self.units))):
                if asked[k]:
                    first = 0 if self.keeps else min(asked[k])
                    whole = set(range(first, max(asked[k]) + 1))
                    todo[k] = whole - there[k]
                for source in sources(self.units[k]):
                    if source.tensor in self.writer and todo[k]:
                        span = self.wants(source, todo[k])
                        asked[self.writer[source.tensor]] |= span
            if self.keeps:
                for k, rows in enumerate(todo):
                    there[k] |= rows
            found.append(todo)
        return found

    def execute(self, plan: list[list[set[int]]]) -> None:
        held: dict[object, set[int]] = {}
        steps = list(product(range(len(self.strips)), range(len(self.units))))
        for strip, k in steps:
            unit, rows = self.units[k], plan[strip][k]
            if k == 0 and not self.keeps:
                held = {}
            for source in sources(unit):
                need = self.wants(source, rows)
                if source.tensor in self.writer:
                    assert need <= held[source.tensor]
                elif self.keeps and source in unit.sources:
                    new = need - held.setdefault((k, source), set())
                    self.count(k, source, new)
                    held[k, source] |= new
                else:
                    self.count(k, source, need)
            new = rows if k + 1 < len(self.units) else set()
            first = {name: self.least(name, plan, (strip, k - 1)) for name in held}
            if k + 1 < len(self.units):
                held.setdefault(unit.tensor, set()).update(rows)
            self.computed[k] += len(rows)
            self.weights += unit.weights if rows else 0
            self.peaks[k] = max(self.peaks[k], self.taken(held, unit.tensor, new, first))
            self.drop(held, plan, strip, k)

    def count(self, k: int, source: Source, rows: set[int]) -> None:
        self.fetched[k, source.tensor] = self.fetched.get((k, source.tensor), 0) + len(rows)

    def taken(
        self, held: dict[object, set[int]], tensor: str, new: set[int], first: dict[object, float]
    ) -> int:
        total = 0
        for name, rows in held.items():
            if isinstance(name, tuple):
                # room is there from the first row that is still to come, fetched or not
                low = min(first[name], min(rows, default=inf))
                total += BITS.done * name[1].needed * (max(rows) + 1 - int(low) if rows else 0)
            else:
                row = self.units[self.writer[str(name)]].row
                total += row * (self.hull(rows) * BITS.done)
                if name == tensor:
                    total += row * len(new) * (BITS.sums - BITS.done)
        return total

    @staticmethod
    def hull(rows: set[int]) -> int:
        return max(rows) - min(rows) + 1 if rows else 0

    def drop(
        self, held: dict[object, set[int]], plan: list[list[set[int]]], now: int, k: int
    ) -> None:
        """Rows below the first that anybody still asks for go; without line buffers at the strip's end all go."""
        for name in held:
            least = self.least(name, plan, (now, k))
            held[name] = {row for row in held[name] if row >= least}

    def least(self, name: object, plan: list[list[set[int]]], after: tuple[int, int]) -> float:
        """The first row of a map that a later step asks for."""
        least = inf
        for strip, j in product(range(after[0], len(self.strips)), range(len(self.units))):
            if (strip, j) <= after or (strip > after[0] and not self.keeps):
                continue
            for source in sources(self.units[j]):
                if source.tensor == name or (j, source) == name:
                    least = min([least, *self.wants(source, plan[strip][j])])
        return least


BITS = Bits(8, 24)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Unit, ...]:
    """Two to four layers, their windows of any stride, dilation and padding, some with a sum behind them."""
    rows = draw(st.integers(3, 14))
    found: list[Unit] = []
    tensor = "x"
    maps = {"x": (rows, 3)}
    for k in range(draw(st.integers(2, 4))):
        taps = draw(st.integers(1, 4))
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        reach = (taps - 1) * dilation + 1
        before = draw(st.integers(0, min(1, taps - 1)))
        after = draw(st.integers(0, 1))
        high = (rows + before + after - reach) // stride + 1
        if high < 1:
            break
        source = Source(
            tensor, Window(stride, dilation, before, rows), taps, *[maps[tensor][1]] * 2
        )
        sides = []
        for name, (size, row) in maps.items():
            if size == high and name != tensor and draw(st.booleans()):
                sides.append((f"add{k}", Source(name, Window(size=size), 1, row, row)))
        row = draw(st.integers(1, 4))
        problem = Problem((1, 1, row, 2, high, 1, taps, 1), source.window)
        unit = Unit("nest", (f"u{k}",), f"t{k}", high, row, 1, (source,), tuple(sides), problem)
        found.append(unit)
        tensor, rows = unit.tensor, high
        maps[tensor] = (high, row)
    read = {s.tensor for unit in found for s in sources(unit)}
    return tuple(unit for unit in found if unit is found[-1] or unit.tensor in read)


@given(chains(), st.integers(1, 14), st.sampled_from(["keep", "recompute"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counts_of_a_group_equal_those_of_a_run(
    units: tuple[Unit, ...], height: int, halo: str
) -> None:
    if len(units) < 2:
        return
    height = min(height, units[-1].rows)
    halo = "whole" if height == units[-1].rows else halo
    schedule = Schedule(units, height, halo, 1)  # type: ignore[arg-type]
    truth = Run(schedule)
    assert [sum(map(len, schedule.runs(k))) for k in range(len(units))] == truth.computed
    fetched: dict[tuple[int, str], int] = {}
    for k, unit in enumerate(units):
        for source in sources(unit):
            if source.tensor not in schedule.inside:
                key = (k, source.tensor)
                fetched[key] = fetched.get(key, 0) + schedule.fetched(k, source)
    assert fetched == truth.fetched
    assert sum(u.weights * len(schedule.runs(k)) for k, u in enumerate(units)) == truth.weights
    assert [8 * room for room in schedule.room(BITS)] == truth.peaks
