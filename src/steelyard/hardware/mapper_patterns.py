"""`Patterns`: what the patterns of orders of a mapspace ask of chains and of columns, each different thing once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

import numpy as np

from steelyard.hardware.device import Operand
from steelyard.hardware.mapper_groups import GROUPS
from steelyard.hardware.mapspace import Mapspace, Order

Schedule = tuple[frozenset[int], tuple[int, str]]
"""`Column.still` and `Column.slider`."""
Claim = tuple[tuple[int, str], ...]
"""(slot, dimension) with no loop."""

_Item = TypeVar("_Item", bound=Hashable)


class Patterns:
    """The patterns of a mapspace.

    Attributes:
        orders: of each pattern.
        claims: for each group the different claims on its chains, and which of them each pattern makes.
    """

    def __init__(self, space: Mapspace) -> None:
        self.orders: tuple[tuple[Order, ...], ...] = tuple(space.patterns())
        names = [slot.name for slot in space.slots()]
        places = {level.name: place for place, level in enumerate(space.device.levels)}
        self._places = [places[memory.name] for memory in space.stages()]
        self._slots = [names.index(memory.name) for memory in space.stages()]
        self._schedules: dict[tuple[Operand, int], tuple[list[Schedule], Any]] = {}
        self.claims = [_different(self._claim(dims, p) for p in self.orders) for dims in GROUPS]

    def _claim(self, dims: tuple[str, ...], pattern: tuple[Order, ...]) -> Claim:
        return tuple(
            (slot, dim)
            for slot, order in zip(self._slots, pattern, strict=False)
            for dim in dims
            if not order.allows(dim)
        )

    def schedules(self, operand: Operand, child: int) -> tuple[list[Schedule], Any]:
        """Different schedules of what an operand moves to a memory, and which of them each pattern makes."""
        if (operand, child) not in self._schedules:
            above = sum(place < child for place in self._places)
            found = _different(self._schedule(operand, p[:above]) for p in self.orders)
            self._schedules[operand, child] = found
        return self._schedules[operand, child]

    def _schedule(self, operand: Operand, above: tuple[Order, ...]) -> Schedule:
        still: set[int] = set()
        for place, order in reversed([*zip(self._places, above, strict=False)]):
            if order.still == operand:
                still.add(place)
            if order.pure and order.still in (None, operand):
                continue
            slides = operand == "I" and order.slider
            return frozenset(still), (place, order.slider) if slides else (-1, "")
        return frozenset(still), (-1, "")


def _different(items: Iterable[_Item]) -> tuple[list[_Item], Any]:
    """Different items in order of appearance, and the number of each item."""
    known: dict[_Item, int] = {}
    which = [known.setdefault(item, len(known)) for item in items]
    return [*known], np.array(which, np.int64)
