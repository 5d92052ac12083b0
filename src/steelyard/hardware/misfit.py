"""`no_fit`: the error for a layer that has no mapping, which says what memory is too small, and for what."""

from __future__ import annotations

from collections.abc import Mapping as Map
from math import prod

from steelyard.errors import InputError
from steelyard.hardware.device import OPERANDS, RELEVANT, Memory, Operand
from steelyard.hardware.mapspace import Mapspace

_WORDS = {"I": "inputs", "W": "weights", "O": "outputs"}


def no_fit(space: Mapspace) -> InputError:
    """The error for a mapspace in which nothing fits: the first memory that is too small for any tile."""
    start = f"no mapping fits {space.device.name!r}"
    for memory in space.device.memories:
        if found := _too_small(space, memory):
            held, needed = found
            return InputError(
                f"{start}: {memory.name!r} holds {held}, and the smallest tile is {needed}",
                expected="a memory that holds one tile of what it keeps",
                hint=f"more capacity_bytes for {memory.name}, or no dataflow",
            )
    return InputError(
        f"{start}: whatever the tiles, a memory is too small, or the dataflow's constraints leave none",
        hint="larger memories, or no dataflow",
    )


def _too_small(space: Mapspace, memory: Memory) -> tuple[str, str] | None:
    """What the memory holds and what it must hold at least, in words; None if that fits."""
    capacity = memory.capacity_bytes
    if capacity is None:
        return None
    needs = {o: _least_bytes(space, memory, o) for o in OPERANDS if _always_kept(space, memory, o)}
    whole = _whole(space, memory)
    because = "".join(f", with {dim}={space.problem.size(dim)} wholly inside" for dim in whole)
    if isinstance(capacity, Map):
        for operand, need in needs.items():
            if need > capacity[operand]:
                held = f"{_bytes(capacity[operand])} of {_WORDS[operand]}"
                return held, f"{_bytes(need)}{_twice(memory, [operand])}{because}"
    elif sum(needs.values()) > capacity:
        parts = " and ".join(_WORDS[operand] for operand in needs)
        total = f"{_bytes(sum(needs.values()))} of {parts}"
        return _bytes(capacity), f"{total}{_twice(memory, [*needs])}{because}"
    return None


def _bytes(number: float) -> str:
    return f"{number:,.10g} byte" + ("" if number == 1 else "s")


def _twice(memory: Memory, operands: list[Operand]) -> str:
    buffered = [operand for operand in operands if operand in memory.double_buffered]
    return f" ({', '.join(_WORDS[o] for o in buffered)} double buffered)" if buffered else ""


def _always_kept(space: Mapspace, memory: Memory, operand: Operand) -> bool:
    """True if the operand passes by this memory in no mapping."""
    lives = dict(space.constraints.resident).get(operand) == memory.name
    return not lives and all(memory.name in dict(kept)[operand] for kept in space.keeps())


def _whole(space: Mapspace, memory: Memory) -> list[str]:
    """Dimensions of more than one that the constraints want inside this memory."""
    inside = [m.name for m in space.device.memories]
    inside = inside[inside.index(memory.name) :]
    dims = {dim for name, dims in space.constraints.whole if name in inside for dim in dims}
    return sorted(dim for dim in dims if space.problem.size(dim) > 1)


def _least_bytes(space: Mapspace, memory: Memory, operand: Operand) -> float:
    """Of one element, or of those that the constraints want there."""
    dims = [dim for dim in _whole(space, memory) if dim in RELEVANT[operand]]
    if operand == "I":
        # outputs and taps that share their inputs need fewer than their product
        dims = [dim for dim in dims if dim in "NGC"]
    elements = prod(space.problem.size(dim) for dim in dims)
    times = 2 if operand in memory.double_buffered else 1
    return elements * times * memory.width(operand, space.device.bits[operand]) / 8
