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
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from steelyard.errors import InputError, UsageError
from steelyard.hardware import mapper_kernels as kernels
from steelyard.hardware.device import DIMENSIONS, Accelerator, Memory
from steelyard.hardware.evaluate import Evaluation, evaluate
from steelyard.hardware.mapper_groups import GROUPS, Groups
from steelyard.hardware.mapper_system import System
from steelyard.hardware.mapper_tables import Assembly, Keeps
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import Constraints, Mapspace, Order
from steelyard.hardware.misfit import no_fit
from steelyard.hardware.problem import Problem

Objective = Literal["energy", "latency", "edp", "dram"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

_MODES = {"energy": 0, "dram": 0, "latency": 1, "edp": 2}
_SECOND: dict[Objective, Objective] = {"energy": "latency", "latency": "energy", "dram": "energy"}
_EQUAL = 1e-9
"""Relative difference up to which two costs are equal: sums of floating-point numbers in other orders."""
_CHUNK = 200_000
_DEEP = 1024
_LIMIT_WEIGHT = 3.0
"""Found by trial: boxes that fit no memory are the first that can be dropped."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mapping and how good it is known to be.

    Attributes:
        mapping, evaluation: the best one found and its cost.
        objective: what was minimised.
        value: its objective: pJ, cycles, pJ x cycles, or accesses.
        bound: no mapping of the mapspace is below this.
        visited: nodes of the search.
        patterns: combinations of bypasses and orders; searched: those that had to be looked into.
    """

    mapping: Mapping
    evaluation: Evaluation
    objective: Objective
    value: float
    bound: float
    visited: int
    patterns: int
    searched: int

    @property
    def gap(self) -> float:
        """How far below the value the optimum may lie, as a share of it; 0 when proven."""
        return max(0.0, 1 - self.bound / self.value) if self.value else 0.0

    @property
    def optimal(self) -> bool:
        """Proven to be the best of the mapspace (up to rounding of floating-point sums)."""
        return self.gap < 1e-9


def objective_value(evaluation: Evaluation, objective: Objective) -> float:
    """The objective of an evaluated mapping."""
    if objective == "energy":
        return evaluation.energy_pj
    if objective == "dram":
        return float(evaluation.dram_accesses)
    if objective == "latency":
        return evaluation.exact_cycles
    return evaluation.energy_pj * evaluation.exact_cycles


def find_mapping(
    problem: Problem,
    device: Accelerator,
    objective: Objective = "energy",
    *,
    constraints: Constraints | None = None,
    budget_s: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> Found:
    """The best mapping of a layer.

    Args:
        problem: the layer.
        device: the accelerator.
        objective: energy (pJ), latency (cycles), edp (pJ x cycles) or dram (accesses of the outermost memory).
        constraints: a dataflow; None: free.
        budget_s: stop after so long with the best so far (a first mapping is always completed).
        stop: asked between steps; True ends the search like a spent budget.

    Raises:
        UsageError: unknown objective.
        InputError: no mapping of the mapspace fits the device.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}", expected="one of " + ", ".join(OBJECTIVES))
    space = Mapspace(problem, device, constraints or Constraints())
    if conflict := space.contradiction():
        raise InputError(
            f"the constraints contradict each other: {conflict}", hint="drop one of them"
        )
    search = _Search(space, objective)
    ends = None if budget_s is None else time.monotonic() + budget_s
    search.run(lambda: (ends is not None and time.monotonic() > ends) or bool(stop and stop()))
    return search.result()


@dataclass(slots=True)
class _Task:
    bound: float
    keeps: Keeps
    pattern: tuple[Order, ...]
    system: System = field(repr=False)
    groups: Groups = field(repr=False)
    least: float = 0.0  # below which none of its mappings is, as far as it was searched


class _Search:
    def __init__(self, space: Mapspace, objective: Objective) -> None:
        self.space, self.objective = space, objective
        self.mode = _MODES[objective]
        self.caps = (np.inf, np.inf)
        self.best = np.array([np.inf, np.inf])
        self.winner: tuple[_Task, list[int]] | None = None
        self.visited = self.searched = 0
        self.left_bound = np.inf
        self.tasks = sorted(self._tasks(), key=lambda task: task.bound)

    def _tasks(self) -> list[_Task]:
        tasks: list[_Task] = []
        for keeps in self.space.keeps():
            groups = Groups(self.space)
            assembly = Assembly(self.space, keeps, self.objective)
            if not _drop_misfits(groups, assembly.static):
                continue
            for pattern in self.space.patterns():
                system = assembly.system(pattern)
                task = _Task(np.inf, keeps, pattern, system, groups)
                tables = self._tables(task)
                if tables is not None:
                    task.bound = self._root(task, tables)
                if task.bound < np.inf:
                    tasks.append(task)
        if not tasks:
            raise no_fit(self.space)
        return tasks

    def _tables(self, task: _Task) -> list[Any] | None:
        """For each group the factors (items, columns) and which items they are; None: a group is empty."""
        places = task.groups.places(task.system.columns)
        tables = []
        for group in range(len(GROUPS)):
            keep = np.flatnonzero(task.groups.allowed(group, task.pattern))
            if not len(keep):
                return None
            tables.append((task.groups.table(group)[np.ix_(keep, places)], keep))
        return tables

    def _root(self, task: _Task, tables: list[Any]) -> float:
        low = np.prod([table.min(axis=0) for table, _ in tables], axis=0)
        high = np.prod([table.max(axis=0) for table, _ in tables], axis=0)
        return self._cost(task.system, low, high)

    def _cost(self, system: System, low: Any, high: Any) -> float:
        return float(kernels.cost(low, high, system.arrays(self.caps), self.mode))

    def run(self, ended: Callable[[], bool]) -> None:
        """Finds the best mapping, and among equally good ones the best in the second respect."""
        self._find(ended)
        if self.left_bound == np.inf and self.winner is not None and self.objective in _SECOND:
            self._break_ties(ended)
            self.left_bound = np.inf

    def _break_ties(self, ended: Callable[[], bool]) -> None:
        second = _SECOND[self.objective]
        evaluation = evaluate(self.space.problem, self._mapping(), self.space.device)
        most = objective_value(evaluation, self.objective) * (1 + _EQUAL)
        self.best[0] = objective_value(evaluation, second) * (1 - _EQUAL)
        self.mode = _MODES[second]
        if self.objective != "dram":
            self.caps = (most, np.inf) if self.objective == "energy" else (np.inf, most)
        counted = "energy" if self.objective == "dram" else "latency"
        traffic = most if self.objective == "dram" else None
        for task in self.tasks:
            if task.bound > most or ended():
                break
            if task.least > most:
                continue
            assembly = Assembly(self.space, task.keeps, counted, traffic)
            again = replace(task, system=assembly.system(task.pattern))
            tables = self._tables(again)
            again.bound = self._root(again, tables) if tables else np.inf
            if again.bound < self.best[0]:
                self._explore(again, ended)

    def _find(self, ended: Callable[[], bool]) -> None:
        for position, task in enumerate(self.tasks):
            if task.bound >= self.best[0]:
                break
            if self.winner is not None and ended():
                self.left_bound = min(self.left_bound, self.tasks[position].bound)
                break
            self.searched += 1
            self.best[1] = np.inf
            self._explore(task, ended)
            task.least = self.best[1]

    def _explore(self, task: _Task, ended: Callable[[], bool]) -> None:
        tables = self._tables(task)
        if tables is None:
            return
        trees, items = [], []
        signs = np.where((task.system.rows < 0).any(axis=0), -1.0, 1.0)
        weights = self._weights(task, tables)
        for table, keep in tables:
            chosen = kernels.undominated(table, signs)
            items.append(keep[chosen])
            trees.append(kernels.tree(np.ascontiguousarray(table[chosen]), weights))
        sizes = np.cumsum([0, *(len(tree[0]) for tree in trees)])
        left, right = (
            np.concatenate(
                [t[k] + np.where(t[k] >= 0, at, 0) for t, at in zip(trees, sizes, strict=False)]
            )
            for k in (0, 1)
        )
        row, low, high, wide = (np.concatenate([t[k] for t in trees]) for k in (2, 3, 4, 5))
        stack = np.zeros((_DEEP, len(trees)), np.int64)
        stack[0] = sizes[:-1]
        bounds = np.full(_DEEP, task.bound)
        state = np.array([1, 0, 0])
        forest = (left, right, row, low, high, wide)
        system = task.system.arrays(self.caps)
        while state[0] > 0:
            state[1] = _CHUNK
            found = kernels.search(forest, system, self.mode, stack, bounds, state, self.best)
            if found[0] >= 0:
                self.winner = (
                    task,
                    [int(keep[row[leaf]]) for leaf, keep in zip(found, items, strict=True)],
                )
            if state[0] > 0 and self.winner is not None and ended():
                self.left_bound = min(self.left_bound, float(bounds[: state[0]].min()))
                break
        self.visited += int(state[2])

    def _weights(self, task: _Task, tables: list[Any]) -> Any:
        """How much each column matters when trees are split: its share of the least cost, limits above all."""
        low = np.prod([table.min(axis=0) for table, _ in tables], axis=0)
        part = np.abs(task.system.rows) * low
        share = part / np.maximum(part.sum(axis=1, keepdims=True), 1e-300)
        return share.max(axis=0) + _LIMIT_WEIGHT * (task.system.limits > 0).any(axis=0)

    def _mapping(self) -> Mapping:
        if self.winner is None:
            raise no_fit(self.space)
        return _mapping(*self.winner, self.space)

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
            patterns=len(self.tasks),
            searched=self.searched,
        )


def _drop_misfits(groups: Groups, system: System) -> bool:
    """Drops chains that fit nowhere, even with the least of all else; False if a group is then empty."""
    places = groups.places(system.columns)
    tables = [groups.table(g)[:, places] for g in range(len(GROUPS))]
    if any(not len(table) for table in tables):
        return False
    least = [table.min(axis=0) for table in tables]
    keep = []
    for g, table in enumerate(tables):
        rest = np.prod([low for k, low in enumerate(least) if k != g], axis=0)
        need = (table * rest) @ system.limits.T
        keep.append((need <= system.walls * (1 + 1e-12)).all(axis=1))
    groups.restrict(keep)
    return all(k.any() for k in keep)


def _mapping(task: _Task, items: list[int], space: Mapspace) -> Mapping:
    device = space.device
    slots = space.slots()
    chains: dict[str, tuple[int, ...]] = {}
    for group, item in enumerate(items):
        chains.update(task.groups.bounds(group, item))
    orders = dict(zip([m.name for m in space.stages()], task.pattern, strict=False))
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
    return Mapping(tuple(loops), task.keeps, resident)
