"""A brute-force simulator: executes a mapped loop nest step by step and counts what every memory does.

It knows the rules of `steelyard.hardware.transfers` but none of its formulas: it holds sets of elements for
each instance of each memory and counts as they come and go. It is slow and serves as the proof of `evaluate`
on small layers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise, product

from steelyard.hardware.device import DIMENSIONS, RELEVANT, Accelerator, Array, Axis, Operand
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.problem import Problem, Window

Element = tuple[int, ...]
Counts = dict[tuple[str, Operand, str], int]


@dataclass
class Simulation:
    """What was counted.

    Attributes:
        counts: (memory, operand, word) -> elements; the words are those of `evaluate.Access`.
        crossed: (axis, operand) -> elements that the axis carried, or hops on linked axes.
        compute_cycles: steps in which a unit worked.
        macs: operations executed.
        sums: output element -> terms added into it in the outermost memory that keeps it.
        peak: (memory, operand) -> the most elements that one instance needed at once.
    """

    counts: Counts = field(default_factory=lambda: defaultdict(int))
    crossed: dict[tuple[str, Operand], int] = field(default_factory=lambda: defaultdict(int))
    compute_cycles: int = 0
    macs: int = 0
    sums: dict[Element, int] = field(default_factory=dict)
    peak: dict[tuple[str, Operand], int] = field(default_factory=lambda: defaultdict(int))


def simulate(problem: Problem, mapping: Mapping, device: Accelerator) -> Simulation:
    """Executes the whole nest (keep it small: the time grows with operations times levels)."""
    mapping.check(problem, device)
    return _Machine(problem, mapping, device).run()


@dataclass(frozen=True)
class _Step:
    """A loop with its place; ``below`` is the number of indices that one iteration covers."""

    loop: Loop
    level: int
    below: int
    number: int


class _Machine:
    def __init__(self, problem: Problem, mapping: Mapping, device: Accelerator) -> None:
        self.problem, self.mapping, self.device = problem, mapping, device
        self.result = Simulation()
        steps: list[_Step] = []
        covered = dict.fromkeys(DIMENSIONS, 1)
        loops = [(level, loop) for level, own in enumerate(mapping.loops) for loop in own]
        for number, (level, loop) in reversed([*enumerate(loops)]):
            steps.insert(0, _Step(loop, level, covered[loop.dim], number))
            covered[loop.dim] *= loop.bound
        self.steps = steps
        self.time = [k for k, s in enumerate(steps) if not s.loop.axis]
        self.space = [k for k, s in enumerate(steps) if s.loop.axis]
        places = {level.name: k for k, level in enumerate(device.levels)}
        units = len(device.levels)
        self.links = []
        for operand in ("W", "I", "O"):
            chain = [*(places[n] for n in mapping.keeps(operand)), units]
            # inside first, so that sums go up before the memory that takes them sends its own
            self.links += [_Path(self, operand, a, b) for a, b in reversed([*pairwise(chain)])]

    def run(self) -> Simulation:
        ranges = [range(self.steps[k].loop.bound) for k in self.time]
        for now in product(*ranges):
            index = dict(zip(self.time, now, strict=True))
            active = [
                full
                for there in product(*(range(self.steps[k].loop.bound) for k in self.space))
                if self.exists(full := {**index, **dict(zip(self.space, there, strict=True))})
            ]
            if not active:
                continue
            self.result.compute_cycles += 1
            self.result.macs += len(active)
            for path in self.links:
                path.leave(active)
            for path in reversed(self.links):
                path.step(active)
        for path in self.links:
            if path.operand == "O":
                path.send()
        return self.result

    def base(self, full: dict[int, int], outside: int) -> dict[str, int]:
        """Where the tile inside of so many loops starts."""
        start = dict.fromkeys(DIMENSIONS, 0)
        for k, step in enumerate(self.steps):
            if step.number < outside:
                start[step.loop.dim] += full[k] * step.below
        return start

    def exists(self, full: dict[int, int]) -> bool:
        start = self.base(full, len(self.steps))
        return all(start[dim] < self.problem.size(dim) for dim in DIMENSIONS)

    def elements(self, operand: Operand, full: dict[int, int], outside: int) -> frozenset[Element]:
        """Every element of the operand that the tile inside of so many loops touches."""
        start = self.base(full, outside)
        spans = []
        for dim in DIMENSIONS:
            extent = 1
            for step in self.steps:
                if step.loop.dim == dim and step.number >= outside:
                    extent *= step.loop.bound
            stop = min(start[dim] + extent, self.problem.size(dim))
            spans.append(range(start[dim], stop) if dim in RELEVANT[operand] else range(1))
        n, g, _, c, p, q, r, s = spans
        if operand != "I":
            return frozenset(product(*spans))
        rows = _taps(self.problem.rows, p, r)
        columns = _taps(self.problem.columns, q, s)
        return frozenset(product(n, g, c, rows, columns))

    def instance(self, full: dict[int, int], level: int) -> Element:
        return tuple(full[k] for k in self.space if self.steps[k].level < level)


def _taps(window: Window, out: range, tap: range) -> set[int]:
    found = {o * window.stride + k * window.dilation - window.before for o in out for k in tap}
    return {row for row in found if 0 <= row < window.size}


class _Path:
    """One operand between two neighbouring places that keep it."""

    def __init__(self, machine: _Machine, operand: Operand, parent: int, child: int) -> None:
        self.machine, self.operand, self.parent, self.child = machine, operand, parent, child
        steps, device = machine.steps, machine.device
        self.to_units = child == len(device.levels)
        later = [] if self.to_units else [
            number for o, name, number in machine.mapping.begins
            if (o, name) == (operand, device.levels[child].name)
        ]  # fmt: skip
        # loops outside the child's tile
        self.outside = sum(step.level < child for step in steps) + sum(later)
        schedule = [
            k for k in machine.time if steps[k].number < self.outside and steps[k].loop.bound > 1
        ]
        if not self.to_units:
            while schedule and steps[schedule[-1]].loop.dim not in RELEVANT[operand]:
                schedule.pop()
        self.schedule = schedule
        last = steps[schedule[-1]].loop.dim if schedule else ""
        self.slides = operand == "I" and last in ("P", "Q", "R", "S") and not self.to_units
        self.axes: list[Axis] = [
            axis
            for level in device.levels[parent:child]
            if isinstance(level, Array)
            for axis in level.axes
        ]
        self.when: Element | None = None
        self.held: dict[Element, frozenset[Element]] = {}
        self.tiles: dict[Element, dict[int, int]] = {}
        self.sums: dict[Element, dict[Element, int]] = {}
        names = [level.name for level in device.levels]
        self.above = names[parent]
        self.below = "" if self.to_units else names[child]

    def due(self, active: list[dict[int, int]]) -> bool:
        now = tuple(active[0][k] for k in self.schedule)
        return now != self.when or self.to_units

    def leave(self, active: list[dict[int, int]]) -> None:
        """Sums whose tile is about to be replaced go up."""
        if self.operand == "O" and self.due(active):
            self.send()

    def step(self, active: list[dict[int, int]]) -> None:
        if not self.due(active):
            return
        now = tuple(active[0][k] for k in self.schedule)
        if self.operand == "O":
            self.step_up(active)
        else:
            self.step_down(active, now)
        self.when = now

    def step_down(self, active: list[dict[int, int]], now: Element) -> None:
        machine = self.machine
        before = self.when
        slid = (
            self.slides
            and before is not None
            and before[:-1] == now[:-1]
            and before[-1] + 1 == now[-1]
        )
        news: dict[Element, tuple[dict[int, int], frozenset[Element]]] = {}
        held: dict[Element, frozenset[Element]] = {}
        for full in active:
            who = machine.instance(full, self.child)
            if who in held:
                continue
            need = machine.elements(self.operand, full, self.outside)
            kept = self.held.get(who, frozenset()) if slid else frozenset()
            held[who] = need
            news[who] = (full, need - kept)
            self.note(need)
        self.held = held
        moved = self.carry([*news.values()])
        machine.result.counts[self.above, self.operand, "reads"] += moved[0]
        if self.below:
            machine.result.counts[self.below, self.operand, "fills"] += moved[-1]

    def note(self, need: frozenset[Element]) -> None:
        key = (self.below, self.operand)
        if self.below:
            self.machine.result.peak[key] = max(self.machine.result.peak[key], len(need))

    def carry(self, parts: list[tuple[dict[int, int], frozenset[Element]]]) -> list[int]:
        """Elements before the first axis and after each; counts what the axes carry."""
        machine = self.machine
        moved = []
        for crossed in range(len(self.axes) + 1):
            shared = {a.name for a in self.axes[crossed:] if a.shares(self.operand)}
            groups: dict[Element, set[Element]] = defaultdict(set)
            for full, elements in parts:
                who = tuple(
                    full[k]
                    for k in machine.space
                    if machine.steps[k].level < self.child
                    and machine.steps[k].loop.axis not in shared
                )
                groups[who] |= elements
            moved.append(sum(map(len, groups.values())))
        for k, axis in enumerate(self.axes):
            linked = axis.link(self.operand).kind in ("neighbour", "reduce")
            carried = moved[k + 1] - moved[k] if linked else moved[k + 1]
            machine.result.crossed[axis.name, self.operand] += carried
        return moved

    def step_up(self, active: list[dict[int, int]]) -> None:
        machine = self.machine
        for full in active:
            who = machine.instance(full, self.child)
            if who not in self.tiles:
                self.tiles[who] = full
                self.sums[who] = {}
                self.note(machine.elements("O", full, self.outside))
            if self.to_units:
                (element,) = machine.elements("O", full, self.outside)
                self.sums[who] = {element: 1}
        if self.to_units:
            self.send()  # a sum leaves the unit in the cycle that makes it

    def send(self) -> None:
        """All tiles of the child go up and are added in the parent."""
        machine, counts = self.machine, self.machine.result.counts
        parts = [(self.tiles[who], frozenset(sums)) for who, sums in self.sums.items()]
        moved = self.carry(parts)
        if self.below:
            counts[self.below, "O", "drains"] += moved[-1]
        shared = {a.name for a in self.axes if a.shares("O")}
        arrivals: dict[tuple[Element, Element], dict[Element, int]] = {}
        for who, sums in self.sums.items():
            full = self.tiles[who]
            lane = tuple(
                full[k]
                for k in machine.space
                if machine.steps[k].level < self.child and machine.steps[k].loop.axis not in shared
            )
            group = arrivals.setdefault((machine.instance(full, self.parent), lane), {})
            for element, terms in sums.items():
                group[element] = group.get(element, 0) + terms
        for (owner, _), group in arrivals.items():
            store = self.store(owner)
            for element, terms in group.items():
                counts[self.above, "O", "updates"] += 1
                if element in store:
                    counts[self.above, "O", "psum_reads"] += 1
                store[element] = store.get(element, 0) + terms
        self.tiles, self.sums = {}, {}

    def store(self, owner: Element) -> dict[Element, int]:
        """Partial sums of one instance of the parent."""
        feeding = [p for p in self.machine.links if p.operand == "O" and p.child == self.parent]
        return feeding[0].sums[owner] if feeding else self.machine.result.sums
