"""The mapspace: which mappings of a layer the mapper chooses from.

A mapping is a *chain* for each dimension (its loop bounds from the innermost level to the outermost), an
*order* for each memory, and for each operand the memories that it bypasses.

Memories that follow each other with no array between them and no operand in common are one *stage*: their
tiles are the same part of the loops. Temporal loops stand at the innermost memory of each stage.

Chains: at a memory a bound divides what is left of the dimension; at an axis it divides what is left, or is the
least bound that needs as few rounds as the whole axis would (the last round is then smaller). What is left at
the end runs at the outermost memory.

Orders: only the innermost loops of a memory matter (see `steelyard.hardware.transfers`). The loops over which
one operand stays still stand innermost; for sliding windows it matters which of P, Q, R, S is the innermost
loop that moves the inputs. All other orders cost as much as one of these or more. So an order is an operand
and a slider. `Order.pure` stands for the tilings in which a memory has loops over which the operand stays
still and no others, so that it stays past this memory's loops, too; ``still`` None and pure: no loops at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product

from steelyard.hardware.device import (
    DIMENSIONS,
    OPERANDS,
    RELEVANT,
    Accelerator,
    Array,
    Axis,
    Memory,
    Operand,
)
from steelyard.hardware.mapping import Mapping
from steelyard.hardware.problem import Problem, Window

STAYS: dict[Operand, frozenset[str]] = {o: frozenset(DIMENSIONS) - RELEVANT[o] for o in OPERANDS}
"""The loops over which each operand stays still; no dimension is in two of them."""


Keeps = tuple[tuple[Operand, tuple[str, ...]], ...]
"""For each operand the memories that keep it, outermost first."""
ChainSet = tuple[int, tuple[int, ...], int]
"""A dimension's size, how far each slot may unroll it (0: any divisor), and the slot by which it is done."""
Part = tuple[Memory, dict[Operand, int]]
"""A memory and, for each operand, the place of the level with its tile there."""

_MIRROR = {"P": "Q", "Q": "P", "R": "S", "S": "R"}


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a dataflow asks of a mapping; everything not named is free.

    Attributes:
        temporal: memory -> dimensions that may have loops of more than one iteration there.
        spatial: axis -> dimensions that may be unrolled along it.
        stationary: memory -> the operand that stays still over its innermost loops.
        whole: memory -> dimensions that lie wholly in its tile (or on the arrays inside).
        bypass: memory -> operands that must bypass it.
        keep: memory -> operands that must not bypass it, if it can hold them.
        resident: operand -> memory in which it lives (`Mapping.resident`).
    """

    temporal: tuple[tuple[str, tuple[str, ...]], ...] = ()
    spatial: tuple[tuple[str, tuple[str, ...]], ...] = ()
    stationary: tuple[tuple[str, Operand], ...] = ()
    whole: tuple[tuple[str, tuple[str, ...]], ...] = ()
    bypass: tuple[tuple[str, tuple[Operand, ...]], ...] = ()
    keep: tuple[tuple[str, tuple[Operand, ...]], ...] = ()
    resident: tuple[tuple[Operand, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for loops: a memory or an axis of an array, and its level's place in the device."""

    name: str
    level: int
    axis: Axis | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """The order of the loops at one memory; ``bars``: dimensions of which none need be there."""

    still: Operand | None = None
    slider: str = ""
    pure: bool = False
    bars: frozenset[str] = frozenset()

    def allows(self, dim: str) -> bool:
        """True if a dimension may have a loop here under this order's claim."""
        stays = self.still is not None and dim in STAYS[self.still]
        return dim not in self.bars and (not self.pure or stays)

    def arrange(self, dims: Iterable[str]) -> list[str]:
        """Dimensions from the outermost loop to the innermost."""
        stays = STAYS[self.still] if self.still else frozenset()
        return sorted(dims, key=lambda dim: (dim in stays, dim == self.slider))


@dataclass(frozen=True)
class Mapspace:
    """All mappings of a problem on a device under constraints."""

    problem: Problem
    device: Accelerator
    constraints: Constraints = field(default_factory=Constraints)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Each memory, with the level of each operand's tile in it: the same one for all."""
        return tuple(
            (level, dict.fromkeys(OPERANDS, place))
            for place, level in enumerate(self.device.levels)
            if isinstance(level, Memory)
        )

    def to_real(self, mapping: Mapping) -> Mapping:
        """The mapping of the layer's own device that one of the device here stands for: the same."""
        return mapping

    def slots(self) -> tuple[Slot, ...]:
        """Places for loops, innermost first."""
        return self._slots

    @cached_property
    def _slots(self) -> tuple[Slot, ...]:
        found: list[Slot] = []
        staged = {memory.name for memory in self.stages()}
        for place, level in enumerate(self.device.levels):
            if isinstance(level, Array):
                found += [Slot(axis.name, place, axis) for axis in level.axes]
            elif level.name in staged:
                found.append(Slot(level.name, place))
        return tuple(reversed(found))

    def stages(self) -> tuple[Memory, ...]:
        """The innermost memory of each stage, outermost stage first."""
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Memory, ...]:
        found: list[Memory] = []
        held: set[Operand] = set()
        for level in self.device.levels:
            if isinstance(level, Array):
                held = set(OPERANDS)
                continue
            if found and held.isdisjoint(level.holds):
                found.pop()
                held.update(level.holds)
            else:
                held = set(level.holds)
            found.append(level)
        return tuple(found)

    def chains(self, dim: str) -> tuple[tuple[int, ...], ...]:
        """Every chain of bounds of a dimension, in the order of `slots`."""
        return self._chains[dim]

    def chain_set(self, dim: str) -> ChainSet:
        """What the chains of a dimension depend on."""
        return self._chain_sets[dim]

    @cached_property
    def _chain_sets(self) -> dict[str, ChainSet]:
        return {d: (self.problem.size(d), self._room(d), self._done_by(d)) for d in DIMENSIONS}

    @cached_property
    def _chains(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return {dim: _chains(*self.chain_set(dim)) for dim in DIMENSIONS}

    def _room(self, dim: str) -> tuple[int, ...]:
        """For each slot how far a dimension may be unrolled; 0: any divisor may be a loop here."""
        temporal, spatial = dict(self.constraints.temporal), dict(self.constraints.spatial)
        room = []
        for slot in self.slots():
            allowed = (spatial if slot.axis else temporal).get(slot.name)
            free = allowed is None or dim in allowed
            if slot.axis is None:
                room.append(0 if free else 1)
            else:
                hardware = slot.axis.dims is None or dim in slot.axis.dims
                room.append(slot.axis.size if free and hardware else 1)
        return tuple(room)

    def _done_by(self, dim: str) -> int:
        """The innermost slot outside which a dimension may have no loops."""
        whole = [name for name, dims in self.constraints.whole if dim in dims]
        names = [slot.name for slot in self.slots()]
        return min((names.index(name) for name in whole), default=len(names))

    def contradiction(self) -> str:
        """Which constraints leave a dimension no place, in words; "" if each has one."""
        asked = self.constraints
        for dim in DIMENSIONS:
            if self.chains(dim):
                continue
            said = [f"{dim} not at {name}" for name, dims in asked.temporal if dim not in dims]
            said += [f"{dim} not along {name}" for name, dims in asked.spatial if dim not in dims]
            said += [f"{dim} wholly inside {name}" for name, dims in asked.whole if dim in dims]
            return f"{dim}={self.problem.size(dim)} has no place: " + ", ".join(said)
        return ""

    def orders(self, memory: str, *, outermost: bool) -> tuple[Order, ...]:
        """The orders of a memory that is not the innermost."""
        asked = dict(self.constraints.stationary).get(memory)
        slides = self.sliders()
        found: list[Order] = [] if outermost else [Order(pure=True)]
        for operand in OPERANDS:
            if asked not in (None, operand):
                continue
            stays = [d for d in STAYS[operand] if self.problem.size(d) > 1]
            if not stays and asked is None and operand != "I":
                continue
            own = [d for d in slides if operand == "I" or d in STAYS[operand]] or [""]
            found += [Order(operand, slider) for slider in own]
            if not outermost and stays:
                within = [d for d in own if operand != "I"] or [""]
                found += [Order(operand, slider, pure=True) for slider in within]
        return tuple(found)

    def sliders(self) -> list[str]:
        """Dimensions whose loops may slide the inputs."""
        found = []
        for window, out, tap in ((self.problem.rows, "P", "R"), (self.problem.columns, "Q", "S")):
            if _overlaps(window, self.problem.size(out), self.problem.size(tap)):
                found += [out, tap]
        return found

    def patterns(self) -> Iterator[tuple[Order, ...]]:
        """An order for each stage but the innermost; of two that are mirror images, one."""
        choices = (self.orders(m.name, outermost=k == 0) for k, m in enumerate(self.stages()[:-1]))
        for pattern in product(*choices):
            if not self._mirrored(pattern):
                yield pattern

    def _mirrored(self, pattern: tuple[Order, ...]) -> bool:
        """True for one of two patterns that are mirror images."""
        sliders = [order.slider for order in pattern]
        return self._symmetric and sliders > [_MIRROR.get(slider, "") for slider in sliders]

    @cached_property
    def _symmetric(self) -> bool:
        """True if P and Q, R and S can change places and nothing else changes."""
        problem, asked = self.problem, self.constraints
        pairs = (("P", "Q"), ("R", "S"))
        lists = [dims for _, dims in (*asked.temporal, *asked.spatial, *asked.whole)]
        lists += [a.dims for array in self.device.arrays for a in array.axes if a.dims is not None]
        return (
            problem.rows == problem.columns
            and all(problem.size(a) == problem.size(b) for a, b in pairs)
            and all((a in dims) == (b in dims) for dims in lists for a, b in pairs)
        )

    def keeps(self) -> Iterator[Keeps]:
        """Which memories keep each operand; the innermost that can hold one does not skip it."""
        barred = {(n, o) for n, operands in self.constraints.bypass for o in operands}
        held = {(n, o) for n, operands in self.constraints.keep for o in operands}
        homes = dict(self.constraints.resident)
        choices = []
        for operand in OPERANDS:
            can = [m.name for m in self.device.memories if operand in m.holds]
            home = homes.get(operand, can[0])
            can = can[can.index(home) :]
            can = [name for name in can if name == home or (name, operand) not in barred]
            middle = [name for name in can[1:-1] if (name, operand) not in held]
            choices.append(
                [
                    (operand, tuple(n for n in can if n not in middle or taken[middle.index(n)]))
                    for taken in product((True, False), repeat=len(middle))
                ]
            )
        for combination in product(*choices):
            yield tuple(combination)


@lru_cache(maxsize=512)
def _chains(size: int, room: tuple[int, ...], done_by: int) -> tuple[tuple[int, ...], ...]:
    """Chains of a size with these rooms (`Mapspace._room`), the last of which takes what is left."""
    found: list[tuple[tuple[int, ...], int]] = [((), size)]
    for k, most in enumerate(room):
        last = k >= min(done_by, len(room) - 1)
        steps: dict[int, list[tuple[int, int]]] = {}
        for left in {left for _, left in found}:
            bounds = spread(left, most) if most else divisors(left)
            after = [(bound, -(-left // bound)) for bound in bounds]
            steps[left] = [step for step in after if step[1] == 1 or not last]
        found = [((*chain, bound), rest) for chain, left in found for bound, rest in steps[left]]
    return tuple(chain for chain, _ in found)


def divisors(n: int) -> tuple[int, ...]:
    """All divisors, ascending.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(sorted({*small, *(n // d for d in small)}))


def spread(left: int, size: int) -> tuple[int, ...]:
    """Bounds on an axis of ``size``: divisors of what is left, and the best use of the whole axis.

    >>> spread(55, 14)  # four rounds of 14
    (1, 5, 11, 14)
    """
    rounds = -(-left // min(left, size))
    return tuple(sorted({*(d for d in divisors(left) if d <= size), -(-left // rounds)}))


def _overlaps(window: Window, out: int, tap: int) -> bool:
    """True if two outputs, or two taps, may need the same input row."""
    if out == 1 or tap == 1:
        return False
    seen: set[int] = set()
    for o in range(out):
        for t in range(tap):
            row = o * window.stride + t * window.dilation - window.before
            if row in seen:
                return True
            if 0 <= row < window.size:
                seen.add(row)
    return False
