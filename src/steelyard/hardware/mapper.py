"""`find_mapping`: the best mapping of a layer, proven to be the best of the mapspace.

For each choice of bypasses and each pattern of orders the cost of a tiling is a sum of products (see
`steelyard.hardware.mapper_tables`). The search visits the patterns by their least possible cost, drops chains
that another chain beats in every product, and runs a branch and bound over trees of chains: the least factor of
each group in a node bounds everything below it. What is dropped cannot be better than what is kept, so the
result is the optimum of `steelyard.hardware.mapspace`; under a time budget it comes with the gap that remains.

Of mappings that are equally good a second search takes the fastest one (for energy), or the one of least energy
(for latency and dram).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from steelyard.errors import InputError, UsageError
from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.device import DIMENSIONS, Accelerator, Memory
from steelyard.hardware.evaluate import evaluate
from steelyard.hardware.mapper_answer import (
    MAPSPACES,
    OBJECTIVES,
    Found,
    MapspaceKind,
    Objective,
    objective_value,
)
from steelyard.hardware.mapper_counts import Counts
from steelyard.hardware.mapper_groups import Groups
from steelyard.hardware.mapper_patterns import Patterns
from steelyard.hardware.mapper_sheet import Aim, Forest, Sheet
from steelyard.hardware.mapper_system import System
from steelyard.hardware.mapper_tables import Assembly
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints, Mapspace, Order
from steelyard.hardware.mapspace_uneven import Split, roots
from steelyard.hardware.misfit import no_fit
from steelyard.hardware.problem import Problem

_MODES = {"energy": 0, "dram": 0, "latency": 1, "edp": 2}
_SECOND: dict[Objective, Objective] = {"energy": "latency", "latency": "energy", "dram": "energy"}
_EQUAL = 1e-9
"""Relative difference up to which two costs are equal: sums of floating-point numbers in other orders."""
_CHUNK = 200_000
_LOOK = 2_000
_DEEP = 1024


def find_mapping(
    problem: Problem,
    device: Accelerator,
    objective: Objective = "energy",
    *,
    constraints: Constraints | None = None,
    mapspace: MapspaceKind = "even",
    budget_s: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> Found:
    """The best mapping of a layer.

    Args:
        problem: the layer.
        device: the accelerator.
        objective: energy (pJ), latency (cycles), edp (pJ x cycles) or dram (accesses of the outermost memory).
        constraints: a dataflow; None: free.
        mapspace: ``even``: in one memory all tiles begin at the same loop; ``uneven``: each where it is best.
        budget_s: stop after so long with the best so far (a first mapping is always completed).
        stop: asked between steps; True ends the search like a spent budget.

    Raises:
        UsageError: unknown objective or mapspace, or uneven mappings under a dataflow.
        InputError: no mapping of the mapspace fits the device.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}", expected="one of " + ", ".join(OBJECTIVES))
    if mapspace not in MAPSPACES:
        raise UsageError(f"mapspace {mapspace!r}", expected="one of " + ", ".join(MAPSPACES))
    space = Mapspace(problem, device, constraints or Constraints())
    if conflict := space.contradiction():
        raise InputError(
            f"the constraints contradict each other: {conflict}", hint="drop one of them"
        )
    search = _Search(space, objective, mapspace)
    ends = None if budget_s is None else time.monotonic() + budget_s
    search.run(lambda: (ends is not None and time.monotonic() > ends) or bool(stop and stop()))
    return search.result()


@dataclass(slots=True)
class _Task:
    """A pattern of a sheet, and how good its mappings can be: the bound, and what the search has shown since."""

    bound: float
    sheet: Sheet
    index: int
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class _Count:
    """What a sheet's first row counts, and the most traffic; see `Assembly`."""

    counted: str
    traffic: float | None = None


class _Search:
    def __init__(self, space: Mapspace, objective: Objective, mapspace: MapspaceKind) -> None:
        self.space, self.objective, self.mapspace = space, objective, mapspace
        self.mode = _MODES[objective]
        self.count = _Count(objective)
        self.caps = (np.inf, np.inf)
        self.best = np.array([np.inf, np.inf])
        self.winner: tuple[_Task, list[int]] | None = None
        self.visited = self.searched = self.patterns = 0
        self.left_bound = self.most = np.inf
        self.counts = Counts(space.problem)
        # what the splits that need not be looked into have at least
        self.known: dict[Hashable, float] = {}

    def _tasks(self, space: Mapspace) -> list[_Task]:
        """The patterns of a mapspace that may be better than the best so far, the most promising first."""
        tasks: list[_Task] = []
        patterns = Patterns(space)
        whole = Groups(space, self.counts)
        every = list(range(len(patterns.orders)))
        for keeps in space.keeps():
            assembly = Assembly(space, keeps, self.count.counted, self.count.traffic)
            groups = _fitting(whole, assembly.static)
            if groups is None:
                continue
            sheet = Sheet(groups, assembly, patterns, every)
            tasks += self._of_sheet(sheet)
        return sorted(tasks, key=lambda task: task.bound)

    def _of_sheet(self, sheet: Sheet) -> list[_Task]:
        bounds = sheet.bounds(self.mode, self.caps)
        return [_Task(float(b), sheet, k) for k, b in enumerate(bounds) if b < np.inf]

    def run(self, ended: Callable[[], bool]) -> None:
        """Finds the best mapping, and among equally good ones the best in the second respect."""
        tasks = self._tasks(self.space)
        self.patterns = len(tasks)
        self._find(tasks, ended)
        even = self.winner
        if self.mapspace == "uneven":
            self._descend(ended)
        if self.winner is None:
            raise no_fit(self.space)
        if self.left_bound == np.inf and self.objective in _SECOND:
            self._second()
            # an uneven mapping is taken only where it is better
            if self.winner is even:
                self._break_ties(tasks, ended)
            else:
                self._descend(ended)
            self.left_bound = np.inf

    def _second(self) -> None:
        """From now on: of equally good mappings the best in the second respect."""
        second = _SECOND[self.objective]
        evaluation = evaluate(self.space.problem, self._mapping(), self.space.device)
        most = objective_value(evaluation, self.objective) * (1 + _EQUAL)
        self.best[0] = objective_value(evaluation, second) * (1 - _EQUAL)
        self.mode = _MODES[second]
        if self.objective == "dram":
            self.count = _Count("energy", most)
        else:
            self.count = _Count("latency")
            self.caps = (most, np.inf) if self.objective == "energy" else (np.inf, most)
        self.most = most

    def _break_ties(self, tasks: list[_Task], ended: Callable[[], bool]) -> None:
        tied = [task for task in tasks if max(task.bound, task.least) <= self.most]
        again: dict[int, _Task] = {}
        for sheet in dict.fromkeys(task.sheet for task in tied):
            mine = [task for task in tied if task.sheet is sheet]
            assembly = Assembly(
                self.space, sheet.assembly.choice, self.count.counted, self.count.traffic
            )
            closer = Sheet(sheet.groups, assembly, sheet.patterns, [task.index for task in mine])
            bounds = closer.bounds(self.mode, self.caps)
            for k, task in enumerate(mine):
                again[id(task)] = _Task(float(bounds[k]), closer, k)
        for task in (again[id(task)] for task in tied):
            if ended():
                break
            if task.bound < self.best[0]:
                self._explore(task, ended)

    def _descend(self, ended: Callable[[], bool]) -> None:
        """Looks into the splits of the uneven mappings that may have something better."""
        open_: list[tuple[Split, float]] = [(root, 0.0) for root in roots(self.space)][::-1]
        while open_:
            split, bound = open_.pop()
            if self.known.get(split.name, 0.0) > self.most or bound >= self.best[0]:
                continue
            tasks = self._tasks(split)
            self.patterns += 0 if split.free else len(tasks)
            bound = min((task.bound for task in tasks), default=np.inf)
            if self.winner is not None and ended():
                self.left_bound = min(self.left_bound, bound)
                continue
            hopeful, least = self._hopeful(tasks)
            if not hopeful:
                self.known[split.name] = least
            elif split.free:
                open_ += [(child, bound) for child in split.children()][::-1]
            else:
                self._find(tasks, ended)
                self.known[split.name] = min(max(task.bound, task.least) for task in tasks)

    def _find(self, tasks: list[_Task], ended: Callable[[], bool]) -> None:
        for task in tasks:
            if task.bound >= self.best[0]:
                break
            if self.winner is not None and ended():
                self.left_bound = min(self.left_bound, task.bound)
                break
            self.searched += 1
            task.least = self._explore(task, ended)

    def _aim(self) -> Aim:
        return Aim(self.mode, self.caps, float(self.best[0]))

    def _hopeful(self, tasks: list[_Task]) -> tuple[bool, float]:
        """False if the patterns of a sheet, all taken together, have nothing better; then the least they have."""
        least = min((task.bound for task in tasks), default=np.inf)
        if least >= self.best[0]:
            return False, least
        sheet = tasks[0].sheet
        if self.winner is None or not sheet.relaxes:
            return True, least
        found, least = sheet.relaxed(self._aim())
        if found is not None:
            system = sheet.system.arrays(self.caps)
            stack, bounds, state = self._begin(found, system)
            best = np.array([self.best[0], np.inf])
            while state[0] > 0:
                state[1] = _LOOK
                leaves = kernels.search(found[0], system, self.mode, stack, bounds, state, best)
                if leaves[0] >= 0 or state[2] > 10 * _LOOK:
                    return True, least
            self.visited += int(state[2])
            least = min(least, best[1])
        return False, least

    def _begin(self, forest: Forest, system: Any) -> tuple[Any, Any, Any]:
        """Stack, bounds and state of a search that has all before it."""
        trees, roots, _ = forest
        stack, bounds = np.zeros((_DEEP, len(roots)), np.int64), np.zeros(_DEEP)
        stack[0] = roots
        low, high = trees[3][roots].prod(axis=0), trees[4][roots].prod(axis=0)
        bounds[0] = kernels.costs(low[None], high[None], system, self.mode)[0]
        return stack, bounds, np.array([1, 0, 0])

    def _explore(self, task: _Task, ended: Callable[[], bool]) -> float:
        """Searches a pattern; returns the least cost of what is in it and what was left out."""
        forest, lost = task.sheet.forest(task.index, self._aim())
        if forest is None:
            return lost
        trees, _, rows = forest
        self.best[1] = np.inf
        system = task.sheet.system.arrays(self.caps)
        stack, bounds, state = self._begin(forest, system)
        while state[0] > 0:
            state[1] = _CHUNK
            found = kernels.search(trees, system, self.mode, stack, bounds, state, self.best)
            if found[0] >= 0:
                self.winner = (task, [int(rows[trees[2][leaf]]) for leaf in found])
            if state[0] > 0 and self.winner is not None and ended():
                self.left_bound = min(self.left_bound, float(bounds[: state[0]].min()))
                break
        self.visited += int(state[2])
        return min(lost, float(self.best[1]))

    def _mapping(self) -> Mapping:
        if self.winner is None:
            raise no_fit(self.space)
        return _mapping(*self.winner)

    def result(self) -> Found:
        mapping = self._mapping()
        evaluation = evaluate(self.space.problem, mapping, self.space.device)
        value = objective_value(evaluation, self.objective)
        return Found(
            mapping=mapping,
            evaluation=evaluation,
            objective=self.objective,
            value=value,
            bound=min(value, self.left_bound),
            visited=self.visited,
            patterns=self.patterns,
            searched=self.searched,
        )


def _fitting(whole: Groups, system: System) -> Groups | None:
    """The chains that fit somewhere, with the least of all else; None if a group is then empty."""
    places = whole.places(system.columns)
    tables = [whole.table[a:b, places] for a, b in pairwise(whole.starts)]
    least = [table.min(axis=0) for table in tables]
    keep = []
    for g, table in enumerate(tables):
        rest = np.prod([low for k, low in enumerate(least) if k != g], axis=0)
        need = (table * rest) @ system.limits.T
        keep.append((need <= system.walls * (1 + 1e-12)).all(axis=1))
    return Groups(whole.space, whole.counts, whole, keep) if all(k.any() for k in keep) else None


def _mapping(task: _Task, rows: list[int]) -> Mapping:
    space = task.sheet.groups.space
    device = space.device
    slots = space.slots()
    chains: dict[str, tuple[int, ...]] = {}
    for row in rows:
        chains.update(task.sheet.groups.bounds(row))
    pattern = task.sheet.patterns.orders[task.sheet.chosen[task.index]]
    orders = dict(zip([m.name for m in space.stages()], pattern, strict=False))
    loops: list[tuple[Loop, ...]] = []
    for place, level in enumerate(device.levels):
        own: list[Loop] = []
        for k in reversed(range(len(slots))):
            if slots[k].level != place:
                continue
            dims = [dim for dim in DIMENSIONS if chains[dim][k] > 1]
            if isinstance(level, Memory):
                dims = orders.get(level.name, Order()).arrange(dims)
                own += [Loop(dim, chains[dim][k]) for dim in dims]
            else:
                own += [Loop(dim, chains[dim][k], slots[k].name) for dim in dims]
        loops.append(tuple(own))
    resident = tuple(operand for operand, _ in space.constraints.resident)
    return space.to_real(Mapping(tuple(loops), task.sheet.assembly.choice, resident))
