"""`Mapping`: one layer's loops, tiled over the levels of one accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from steelyard.errors import InputError, UnknownNameError, UsageError
from steelyard.hardware.device import DIMENSIONS, OPERANDS, Accelerator, Array, Memory, Operand
from steelyard.hardware.problem import Problem


@dataclass(frozen=True, slots=True)
class Loop:
    """``for dim in range(bound)``; with an ``axis`` all at once, side by side along it."""

    dim: str
    bound: int
    axis: str = ""

    def __str__(self) -> str:
        return f"{self.dim}{self.bound}" + (f"@{self.axis}" if self.axis else "")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A layer on an accelerator.

    Read from the outside to the inside, the loops of all levels form one nest. The loops at a memory walk
    over the tiles of what is inside of it; its own tile is all loops at it and inside of it. A dimension's
    loops from the inside to the outside are the digits of its index: where the product of the bounds exceeds
    the size, the iterations beyond it do nothing (the last tiles are smaller).

    Where ``begins`` says so, an operand's tile in a memory is only the loops from a later one on. Then tiles of
    one memory end at different loops: the mapping is *uneven*.

    Attributes:
        loops: for each level of the device, in its order, the loops there, outermost first: temporal at a
            memory, spatial at an array.
        keep: for each operand the names of the memories that keep it, outermost first; it bypasses the others.
        resident: operands that live in the outermost memory that keeps them, from before the layer or beyond
            it, and not in the device's outermost one. Their room there is not the layer's.
        begins: (operand, memory, number): the operand's tile there begins after so many loops, counted from
            the memory's first, at most up to the next array; 0 if not said.
    """

    loops: tuple[tuple[Loop, ...], ...]
    keep: tuple[tuple[Operand, tuple[str, ...]], ...]
    resident: tuple[Operand, ...] = ()
    begins: tuple[tuple[Operand, str, int], ...] = ()

    @classmethod
    def make(
        cls,
        device: Accelerator,
        loops: dict[str, str],
        *,
        bypass: dict[str, Iterable[Operand]] | None = None,
    ) -> Mapping:
        """A mapping from text.

        Args:
            device: where it runs.
            loops: level name -> loops, outermost first, ``"M4 C2"``; at an array ``"M4@x P3@y"``; at a memory
                ``"M4 I: C2"`` if the tile of I begins after the loop over M.
            bypass: memory name -> operands that it could hold and does not keep.

        Raises:
            UnknownNameError: no such level.
            UsageError: a loop that cannot be read.
        """
        names = [level.name for level in device.levels]
        for name in (*loops, *(bypass or {})):
            if name not in names:
                raise UnknownNameError("level", name, names)
        words = {name: loops.get(name, "").split() for name in names}
        nest = tuple(tuple(_loop(w) for w in words[name] if w[-1] != ":") for name in names)
        begins = tuple(b for memory in device.memories for b in _begins(memory, words[memory.name]))
        keep = tuple(
            (
                operand,
                tuple(
                    m.name
                    for m in device.memories
                    if operand in m.holds and operand not in tuple((bypass or {}).get(m.name, ()))
                ),
            )
            for operand in OPERANDS
        )
        return cls(nest, keep, begins=begins)

    def keeps(self, operand: Operand) -> tuple[str, ...]:
        """Names of the memories that keep the operand, outermost first."""
        return dict(self.keep)[operand]

    def start(self, device: Accelerator, operand: Operand, place: int) -> int:
        """How many of all loops lie outside the operand's tile at a level; beyond the last level: all."""
        found = sum(len(level) for level in self.loops[:place])
        for own, memory, number in self.begins:
            if (
                own == operand
                and place < len(device.levels)
                and memory == device.levels[place].name
            ):
                found += number
        return found

    def check(self, problem: Problem, device: Accelerator) -> None:
        """Refuses a mapping that does not belong to the layer and the device; capacities are checked later.

        Raises:
            UsageError: says which rule is broken.
        """
        if len(self.loops) != len(device.levels):
            raise UsageError(
                f"{len(self.loops)} levels of loops",
                expected=f"{len(device.levels)}, as the device has",
            )
        for level, loops in zip(device.levels, self.loops, strict=True):
            if isinstance(level, Memory):
                _check_temporal(level, loops)
            else:
                _check_spatial(level, loops)
        self._check_sizes(problem)
        self._check_kept(device)
        self._check_begins(device)

    def _check_kept(self, device: Accelerator) -> None:
        outermost = device.memories[0].name
        for operand in OPERANDS:
            kept = self.keeps(operand)
            can = [m.name for m in device.memories if operand in m.holds]
            lives = operand in self.resident and kept and device.instances(kept[0]) == 1
            if [name for name in can if name in kept] != list(kept) or not (
                lives or outermost in kept
            ):
                raise UsageError(
                    f"{operand} is kept at {', '.join(kept) or 'no level'}",
                    expected=f"{outermost} and others of {', '.join(can)}, in this order",
                )

    def _check_begins(self, device: Accelerator) -> None:
        places = {level.name: place for place, level in enumerate(device.levels)}
        if len({begin[:2] for begin in self.begins}) < len(self.begins):
            raise UsageError(f"a tile begins twice: {self.begins}", expected="once at the most")
        for operand, name, number in self.begins:
            if name not in self.keeps(operand)[1:]:
                raise UsageError(
                    f"the tile of {operand} in {name!r} begins {number} loops later",
                    expected=f"one of {', '.join(self.keeps(operand)[1:]) or 'none'}",
                )
            array = next(
                k for k in range(places[name], len(places) + 1)
                if k == len(places) or isinstance(device.levels[k], Array)
            )  # fmt: skip
            most = sum(len(level) for level in self.loops[places[name] : array])
            if not 0 <= number <= most:
                raise UsageError(
                    f"the tile of {operand} in {name!r} begins {number} loops later",
                    expected=f"from 0 to {most}, the loops before the next array",
                )
        for operand in OPERANDS:
            inside = self.keeps(operand)[1:]
            starts = [self.start(device, operand, places[name]) for name in inside]
            if starts != sorted(starts):
                raise UsageError(
                    f"the tiles of {operand} in {', '.join(inside)} begin at loops {starts}",
                    expected="each within the one before",
                )

    def _check_sizes(self, problem: Problem) -> None:
        for dim in DIMENSIONS:
            size, inner = problem.size(dim), 1
            for loop in reversed([w for level in self.loops for w in level if w.dim == dim]):
                if loop.bound < 1 or loop.bound > -(-size // inner):
                    raise UsageError(
                        f"loop {loop} over tiles of {inner} of {dim}={size}",
                        expected=f"a bound from 1 to {-(-size // inner)}",
                    )
                inner *= loop.bound
            if inner < size:
                raise UsageError(f"the loops over {dim} reach {inner} of {size}")

    def late(self, device: Accelerator) -> dict[int, list[tuple[Operand, str]]]:
        """What `begins` says, by the number of the loop before which a tile begins."""
        places = {level.name: place for place, level in enumerate(device.levels)}
        found: dict[int, list[tuple[Operand, str]]] = {}
        for operand, name, number in self.begins:
            if number:
                start = self.start(device, operand, places[name])
                found.setdefault(start, []).append((operand, name))
        return found

    def spatial(self, axis: str) -> int:
        """Instances used along an axis."""
        return prod(loop.bound for level in self.loops for loop in level if loop.axis == axis)

    def text(self, device: Accelerator) -> str:
        """The nest as one writes it, a line a loop, with what each memory keeps."""
        lines: list[str] = []
        late = self.late(device)
        depth = count = 0
        for level, loops in zip(device.levels, self.loops, strict=True):
            if isinstance(level, Memory):
                kept = [o for o in OPERANDS if level.name in self.keeps(o)]
                lines.append("  " * depth + f"# {level.name} keeps {' '.join(kept) or 'nothing'}")
            for loop in loops:
                lines += [
                    "  " * depth + f"# tile of {o} in {name}" for o, name in late.get(count, ())
                ]
                count += 1
                if loop.bound > 1:
                    word = f"parallel_for[{loop.axis}]" if loop.axis else "for"
                    lines.append(
                        "  " * depth + f"{word} {loop.dim.lower()} in range({loop.bound}):"
                    )
                    depth += 1
        lines += ["  " * depth + f"# tile of {o} in {name}" for o, name in late.get(count, ())]
        lines.append("  " * depth + "o += i * w")
        return "\n".join(lines)


def _loop(word: str) -> Loop:
    head, _, axis = word.partition("@")
    dim, bound = head[:1], head[1:]
    if dim not in DIMENSIONS or not bound.isdecimal():
        raise UsageError(f"cannot read the loop {word!r}", expected="like M4, or M4@x at an array")
    return Loop(dim, int(bound), axis)


def _begins(memory: Memory, words: list[str]) -> list[tuple[Operand, str, int]]:
    """The tiles that begin between the loops of a memory's text."""
    found: list[tuple[Operand, str, int]] = []
    for k, word in enumerate(words):
        if word[-1] == ":":
            number = sum(w[-1] != ":" for w in words[:k])
            own = [o for o in OPERANDS if word == f"{o}:"]
            if not own:
                raise UsageError(f"cannot read {word!r}", expected="a tile: I:, W: or O:")
            found.append((own[0], memory.name, number))
    return found


def _check_temporal(level: Memory, loops: tuple[Loop, ...]) -> None:
    for loop in loops:
        if loop.axis or loop.dim not in DIMENSIONS:
            raise UsageError(
                f"memory {level.name!r} has the loops {' '.join(map(str, loops))}",
                expected="loops over dimensions, none on an axis",
            )


def _check_spatial(level: Array, loops: tuple[Loop, ...]) -> None:
    axes = {axis.name: axis for axis in level.axes}
    for loop in loops:
        if loop.axis not in axes:
            raise UsageError(
                f"loop {loop} at array {level.name!r}", expected="a loop on " + " or ".join(axes)
            )
        allowed = axes[loop.axis].dims
        if allowed is not None and loop.dim not in allowed:
            raise UsageError(
                f"loop {loop} on an axis that cannot take it",
                expected=f"one of {' '.join(allowed)}",
            )
    for name, axis in axes.items():
        used = prod(loop.bound for loop in loops if loop.axis == name)
        if used > axis.size:
            raise UsageError(f"{used} instances along {name}", expected=f"at most {axis.size}")


def capacity_error(
    level: Memory, needed: dict[Operand, float], room: float, what: str
) -> InputError:
    """The error for tiles that do not fit."""
    parts = ", ".join(f"{operand} {size:,.0f}" for operand, size in needed.items())
    return InputError(
        f"the tiles do not fit {level.name!r}: {parts} bytes",
        expected=f"at most {room:,.0f} bytes {what}",
        hint="smaller inner loops, or bypass an operand there",
    )
