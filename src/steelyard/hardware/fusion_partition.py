"""`plans` of a group of layers, what each moves to and from DRAM, and `partition`: the best cut into groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from steelyard.hardware.device import OPERANDS, Accelerator, Memory, Operand, per_operand
from steelyard.hardware.fusion_schedule import Bits, Schedule, schedules, sources
from steelyard.hardware.fusion_units import Line, Unit

LONGEST = 8
"""The most layers that multiply or pool in one group."""

Span = tuple[int, int]
"""First and last unit of a group."""


@dataclass(frozen=True, slots=True)
class Chip:
    """Where a device keeps what is not to leave it.

    Attributes:
        outer: the outermost memory.
        maps: the memory of the maps: the outermost inside that exists once and holds inputs and outputs.
        weights: the memory of weights that stay, if there is one: the same, else one that holds weights alone.
        bits: of the operands.
    """

    outer: Memory
    maps: Memory
    weights: Memory | None
    bits: Mapping[Operand, int]

    @classmethod
    def of(cls, device: Accelerator) -> Chip | None:
        """The memories of a device; None if it has none for maps."""
        once = [
            m
            for m in device.memories[1:]
            if m.capacity_bytes is not None and device.instances(m.name) == 1
        ]
        maps = [m for m in once if "I" in m.holds and "O" in m.holds and m.psum_bits is None]
        maps = [m for m in maps if not isinstance(m.capacity_bytes, Mapping)]
        if not maps:
            return None
        alone = [m for m in once if m.holds == ("W",)]
        weights = maps[0] if "W" in maps[0].holds else next(iter(alone), None)
        return cls(device.memories[0], maps[0], weights, device.bits)

    @property
    def capacity(self) -> float:
        """Bytes of the memory of the maps."""
        return per_operand(self.maps.capacity_bytes or 0.0, "I")

    def dram_pj(self, moved: Mapping[Operand, int]) -> float:
        """Energy of the outermost memory: reads of I and W, writes of O."""
        outer, bits = self.outer, self.bits
        reads = sum(moved[o] * outer.read_energy(o, bits[o]) for o in ("I", "W"))
        return reads + moved["O"] * outer.write_energy("O", bits["O"])


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to compute a group.

    Attributes:
        schedule: its strips.
        kept: the weights of all its layers are fetched once and stay on the chip.
        moved: elements to and from the outermost memory: each strip's inputs and weights once, each output once.
        rooms: for each unit the bytes that are taken in the memory of the maps while it runs.
        extra: operations done more than once, by unit.
    """

    schedule: Schedule
    kept: bool
    moved: dict[Operand, int]
    rooms: tuple[float, ...]
    extra: tuple[int, ...]

    @property
    def peak(self) -> float:
        """The most bytes taken."""
        return max(self.rooms)


def plans(units: tuple[Unit, ...], chip: Chip) -> list[Plan]:
    """Every plan of a group that fits the chip."""
    found = []
    weights = sum(unit.weights for unit in units)
    held = weights * chip.bits["W"] / 8
    bits = Bits(chip.bits["I"], chip.bits["O"])
    for schedule in schedules(units):
        rooms = schedule.room(bits)
        if max(rooms) >= chip.capacity:
            continue
        extra = _extra(schedule)
        found.append(Plan(schedule, False, _moved(schedule, False), tuple(rooms), extra))
        again = schedule.passes * schedule.strips > 1
        if not again or not weights or chip.weights is None:
            continue
        if chip.weights == chip.maps:
            rooms = [room + held for room in rooms]
        elif held > per_operand(chip.weights.capacity_bytes or 0.0, "W"):
            continue
        if max(rooms) < chip.capacity:
            found.append(Plan(schedule, True, _moved(schedule, True), tuple(rooms), extra))
    return found


def _moved(schedule: Schedule, kept: bool) -> dict[Operand, int]:
    units = schedule.units
    images = units[-1].images
    moved: dict[Operand, int] = dict.fromkeys(OPERANDS, 0)
    for k, unit in enumerate(units):
        for source in sources(unit):
            moved["I"] += schedule.fetched(k, source) * source.needed * images
        times = 1 if kept else len(schedule.runs(k)) * schedule.passes
        moved["W"] += unit.weights * times
    moved["O"] = units[-1].rows * units[-1].row * images
    return moved


def _extra(schedule: Schedule) -> tuple[int, ...]:
    found = []
    for k, unit in enumerate(schedule.units):
        rows = sum(map(len, schedule.runs(k)))
        macs = unit.problem.macs if unit.problem else 0
        found.append(max(0, rows - unit.rows) * (macs // unit.rows))
    return tuple(found)


def spans(line: Line) -> list[Span]:
    """Every group of two units or more that may be fused.

    Its units follow each other; each map but the last is read in the group and nowhere else; what they hand to
    each other has the same rows and images.
    """
    return [
        (first, last)
        for first in range(len(line.units))
        for last in range(first + 1, min(first + LONGEST, len(line.units)))
        if _fusible(line, first, last)
    ]


def _fusible(line: Line, first: int, last: int) -> bool:
    units = line.units[first : last + 1]
    if any(unit.kind == "other" or unit.images != units[0].images for unit in units):
        return False
    inside = {unit.tensor: unit for unit in units[:-1]}
    for unit in units[:-1]:
        readers = line.readers.get(unit.tensor, ())
        if not readers or max(readers) > last or min(readers) < first:
            return False
    return all(
        (inside[s.tensor].rows, inside[s.tensor].row) == (s.window.size, s.row)
        for unit in units
        for s in sources(unit)
        if s.tensor in inside
    )


def partition(count: int, costs: Mapping[Span, float]) -> tuple[list[Span], float]:
    """The cut of units 0 .. count - 1 into consecutive groups that costs least, by dynamic programming.

    Args:
        count: of the units.
        costs: of each group that may be; every single unit must be there. At equal cost the shorter last group.

    Returns:
        the groups, and the sum of their costs.
    """
    best = [0.0] + [inf] * count
    begins = [0] * (count + 1)
    for end in range(1, count + 1):
        for first in range(end - 1, max(-1, end - 1 - LONGEST), -1):
            cost = costs.get((first, end - 1), inf)
            if best[first] + cost < best[end]:
                best[end], begins[end] = best[first] + cost, first
    cut: list[Span] = []
    end = count
    while end:
        cut.insert(0, (begins[end], end - 1))
        end = begins[end]
    return cut, best[count]
