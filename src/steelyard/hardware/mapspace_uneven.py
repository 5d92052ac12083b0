"""`Split` and `roots`: the uneven mappings of a mapspace, in which each tile begins at a loop of its own.

Between two arrays the temporal loops form one row, in which the tile of each operand in each memory begins
somewhere: an *event*. The loops between two events are a *zone*. For each choice of bypasses and each sequence
of events there is a `Split`: a mapspace on a device that has a memory for each event, keeping one operand, so
that a zone is what a memory's loops are to an even mapping. What the memories share (room, ports) they share
still (`Mapspace.parts`).

**Which loops need not be tried where.** Moving a loop of a dimension to the next zone inside moves it into one
more tile. If that tile's operand stays still over the dimension, the tile does not grow and moves less often;
if not, the tile grows and moves as often, but for inputs whose windows overlap. So a loop is never best just
outside a tile over which it does not move the operand, nor just inside another. `Order.bars` says so. Excepted
are the loops for whose sake a zone has its order: the innermost ones of a zone whose operand stays still on the
far side of the next array, and the loop that slides the inputs.

**Orders.** A tile can be taken to begin outside of all loops over which it stays still, so within its row it
never waits: only what begins right after an array can stay still over the last loops before the array. Those are
at the end of the last zone, or of an earlier one (``k``) after which there are events but no loops.

**A tree of splits.** In a *free* row the memories have room for everything, so all loops stand inside of all
events, whose sequence is then nothing. A split with free rows costs at most as much as any with the same inner
rows: it is their bound. The roots have all rows free but the innermost, their children one less.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import permutations, product

from steelyard.errors import UsageError
from steelyard.hardware.device import DIMENSIONS, OPERANDS, RELEVANT, Array, Memory, Operand
from steelyard.hardware.mapping import Loop, Mapping
from steelyard.hardware.mapspace import STAYS, Constraints, Keeps, Mapspace, Order, Part

Event = tuple[int, Operand]
"""The tile of an operand in a memory, by the memory's place, begins."""

_EMPTY = Order(pure=True)


@dataclass(frozen=True)
class Row:
    """The memories between two arrays, and the events there in one sequence.

    ``homes`` are the memories in which operands live (`Mapping.resident`); a row without events has a zone all
    the same, at its last memory.
    """

    places: tuple[int, ...]
    homes: tuple[Event, ...]
    events: tuple[Event, ...]

    @property
    def first(self) -> bool:
        """True for the row of the outermost memory, which has a zone outside all events."""
        return bool(self.places) and self.places[0] == 0

    @property
    def zones(self) -> tuple[Operand | None, ...]:
        """For each zone the operand whose tile it begins."""
        operands = [operand for _, operand in self.events]
        if self.first or (self.places and not operands):
            return (None, *operands)
        return tuple(operands)


@dataclass(frozen=True)
class Split(Mapspace):
    """The uneven mappings with one choice of bypasses and one sequence of events; see the module.

    Attributes:
        real: the even mapspace of the same layer, device and constraints.
        keep: what each memory of ``real`` keeps.
        rows: by row, outermost first.
        free: how many rows are free.
        choices: the sequences of each of those.
        origin: for each level of ``device`` the place of the level it stands for, and the operand.
    """

    real: Mapspace | None = None
    keep: Keeps = ()
    rows: tuple[Row, ...] = ()
    free: int = 0
    choices: tuple[tuple[Row, ...], ...] = ()
    origin: tuple[tuple[int, Operand | None], ...] = ()

    @cached_property
    def _stages(self) -> tuple[Memory, ...]:
        homes = [event for row in self.rows for event in row.homes]
        return tuple(
            level
            for level, (place, operand) in zip(self.device.levels, self.origin, strict=True)
            if isinstance(level, Memory) and (operand is None or (place, operand) not in homes)
        )

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Each memory of the real device, with the level that stands for it for each operand."""
        found: dict[int, dict[Operand, int]] = {}
        for level, (place, operand) in enumerate(self.origin):
            if isinstance(self.device.levels[level], Memory):
                own = found.setdefault(place, {})
                own.update(dict.fromkeys(OPERANDS, level) if operand is None else {operand: level})
        roomy = {place for row in self.rows[: self.free] for place in row.places}
        parts: list[Part] = []
        for place, own in found.items():
            memory = self._real.device.levels[place]
            if isinstance(memory, Memory):
                room = None if place in roomy else memory.capacity_bytes
                parts.append((replace(memory, capacity_bytes=room), own))
        return tuple(parts)

    @property
    def name(self) -> Hashable:
        """What tells it from the other splits of a mapspace."""
        return self.keep, self.rows, self.free

    def children(self) -> Iterator[Split]:
        """The splits with one free row less."""
        for row in self.choices[-1]:
            rows = (*self.rows[: self.free - 1], row, *self.rows[self.free :])
            yield _split(self._real, self.keep, rows, self.choices[:-1])

    @property
    def _real(self) -> Mapspace:
        if self.real is None:
            raise TypeError("a split of nothing")
        return self.real

    def keeps(self) -> Iterator[Keeps]:
        """The one choice, in the names of the levels here."""
        found = []
        for operand, _ in self.keep:
            own = [
                level.name
                for level, (place, held) in zip(self.device.levels, self.origin, strict=True)
                if isinstance(level, Memory) and (held == operand or (held is None and place == 0))
            ]
            lives = dict(self.constraints.resident).get(operand)
            found.append((operand, tuple(own[own.index(lives) if lives else 0 :])))
        yield tuple(found)

    def patterns(self) -> Iterator[tuple[Order, ...]]:
        """An order for each zone; of two that are mirror images, one."""
        return iter(self._patterns)

    @cached_property
    def _patterns(self) -> tuple[tuple[Order, ...], ...]:
        slides = tuple(self.sliders())
        found: list[tuple[tuple[Order, ...], frozenset[Operand]]] = [((), frozenset())]
        for k, row in reversed([*enumerate(self.rows)]):
            found = [
                ((*outer, *orders), tops)
                for orders, inner in found
                for outer, tops in _row_orders(row, inner, slides, free=k < self.free)
            ]
        return tuple(orders for orders, _ in found if not self._mirrored(orders))

    def _room(self, dim: str) -> tuple[int, ...]:
        """As for even mappings, but that loops stand only where some pattern has them."""
        zones = {memory.name: k for k, memory in enumerate(self.stages())}
        allowed = {
            name for name, k in zones.items() if any(p[k].allows(dim) for p in self._patterns)
        }
        return tuple(
            most if slot.axis or slot.name in allowed else 1
            for slot, most in zip(self.slots(), super()._room(dim), strict=True)
        )

    def to_real(self, mapping: Mapping) -> Mapping:
        """The mapping of the real device that one of the device here stands for."""
        device = self._real.device
        loops: list[list[Loop]] = [[] for _ in device.levels]
        started: dict[Event, int] = {}
        outside = reached = 0
        for own, (place, operand) in zip(mapping.loops, self.origin, strict=True):
            # the loops of a zone stand at the innermost memory of which a tile has begun
            reached = max(reached, place)
            loops[reached] += own
            if operand is not None:
                started[place, operand] = outside
            outside += len(own)
        first = [sum(map(len, loops[:place])) for place in range(len(loops))]
        homes = [event for row in self.rows for event in row.homes]
        begins = tuple(
            (operand, device.levels[place].name, start - first[place])
            for (place, operand), start in sorted(started.items())
            if start > first[place] and (place, operand) not in homes
        )
        return Mapping(tuple(map(tuple, loops)), self.keep, mapping.resident, begins)


def roots(space: Mapspace) -> Iterator[Split]:
    """For each choice of bypasses and each sequence of the innermost row's events, a root of the tree.

    Raises:
        UsageError: the constraints speak of loops at memories.
    """
    asked = space.constraints
    if asked.temporal or asked.stationary or asked.whole:
        raise UsageError(
            "uneven mappings under a dataflow's constraints",
            expected="no constraints on the loops of memories",
            hint="leave out the dataflow, or the uneven mappings",
        )
    size = space.problem.size
    idle = {o for o in OPERANDS if all(size(dim) == 1 for dim in STAYS[o])}
    if space.sliders():
        idle.discard("I")
    for keep in space.keeps():
        choices = [
            [Row(places, homes, events) for events in _sequences(events, idle)]
            for places, homes, events in _rows(space, keep)
        ]
        outer = tuple(map(tuple, choices[:-1]))
        for row in choices[-1]:
            yield _split(space, keep, (*(rows[0] for rows in outer), row), outer)


def _rows(
    space: Mapspace, keep: Keeps
) -> list[tuple[tuple[int, ...], tuple[Event, ...], list[Event]]]:
    """For each row its memories, homes and events."""
    found: list[tuple[list[int], list[Event], list[Event]]] = [([], [], [])]
    for place, level in enumerate(space.device.levels):
        if isinstance(level, Array):
            found.append(([], [], []))
            continue
        found[-1][0].append(place)
        for operand, names in keep:
            if level.name in names[1:]:
                found[-1][2].append((place, operand))
            elif place and level.name in names:
                found[-1][1].append((place, operand))
    return [(tuple(places), tuple(homes), events) for places, homes, events in found]


def _sequences(events: list[Event], idle: set[Operand]) -> list[tuple[Event, ...]]:
    """Every order in which the tiles of each operand are inside each other, those of ``idle`` ones at the end.

    An operand that all loops move gains nothing from a larger tile.
    """
    last = tuple(sorted(event for event in events if event[1] in idle))
    return [
        (*found, *last)
        for found in permutations(event for event in events if event not in last)
        if all(
            [e for e in found if e[1] == o] == sorted(e for e in found if e[1] == o)
            for o in OPERANDS
        )
    ]


def _split(
    space: Mapspace, keep: Keeps, rows: tuple[Row, ...], choices: tuple[tuple[Row, ...], ...]
) -> Split:
    levels: list[Memory | Array] = []
    origin: list[tuple[int, Operand | None]] = []
    arrays = [k for k, level in enumerate(space.device.levels) if isinstance(level, Array)]
    resident: list[tuple[Operand, str]] = []
    for k, row in enumerate(rows):
        own: list[tuple[int, Operand | None]] = [(0, None)] if row.first else []
        own += row.homes
        own += row.events or ([] if row.first or not row.places else [(row.places[-1], None)])
        for place, operand in own:
            level = space.device.levels[place]
            if operand is not None and isinstance(level, Memory):
                level = replace(level, name=f"{level.name} {operand}")
                if (place, operand) in row.homes:
                    resident.append((operand, level.name))
            levels.append(level)
            origin.append((place, operand))
        if k < len(arrays):
            levels.append(space.device.levels[arrays[k]])
            origin.append((arrays[k], None))
    device = replace(space.device, levels=tuple(levels), dataflow="")
    asked = Constraints(spatial=space.constraints.spatial, resident=tuple(resident))
    return Split(
        space.problem,
        device,
        asked,
        real=space,
        keep=keep,
        rows=rows,
        free=len(choices),
        choices=choices,
        origin=tuple(origin),
    )


@lru_cache(maxsize=512)
def _row_orders(
    row: Row, tops: frozenset[Operand], slides: tuple[str, ...], *, free: bool
) -> tuple[tuple[tuple[Order, ...], frozenset[Operand]], ...]:
    """Orders of a row's zones, and the operands that may stay still past the array before it.

    Args:
        row: with its sequence of events.
        tops: operands that may stay still over this row's last loops.
        slides: dimensions that slide the inputs.
        free: loops stand only in the last zone.
    """
    zones = row.zones
    if not zones:
        return (((), tops),)
    if free:
        return _free_orders(row, tops, slides)
    if row.first:
        return tuple((orders, frozenset()) for orders in _tails(row, 0, tops, slides))
    found: list[tuple[tuple[Order, ...], frozenset[Operand]]] = []
    lead = zones[0]
    for ties in range(1, len(zones) + 1):
        # tiles that begin together after the array: of one operand, or inputs that slide beside it
        if any(o not in (lead, "I") for o in zones[:ties]):
            break
        began = frozenset(o for o in zones[:ties] if o)
        found += [(orders, began) for orders in _tails(row, ties - 1, tops, slides)]
    rest = row.events[1:]
    if tops and rest == tuple(sorted(rest)):
        empty = (_EMPTY,) * (len(zones) - 1)
        found.append(((_EMPTY, *empty), frozenset(o for o in zones if o) | tops))
        own = frozenset([lead]) if lead else frozenset()
        found += [((Order(a, pure=True), *empty), own | {a}) for a in OPERANDS if a in tops]
    return tuple(found)


def _free_orders(
    row: Row, tops: frozenset[Operand], slides: tuple[str, ...]
) -> tuple[tuple[tuple[Order, ...], frozenset[Operand]], ...]:
    """As `_row_orders`, of a free row: all tiles begin together before the loops."""
    before = (_EMPTY,) * (len(row.zones) - 1)
    began = frozenset(o for o in row.zones if o)
    ends = [(orders[-1], began) for orders in _tails(row, len(before), tops, slides)]
    ends += [(Order(a, pure=True), began | {a}) for a in OPERANDS if a in tops]
    if tops:
        ends.append((_EMPTY, began | tops))
    if row.first:
        ends = [(order, frozenset()) for order, _ in ends if order != _EMPTY]
    return tuple(((*before, order), out) for order, out in ends)


def _tails(
    row: Row, begin: int, tops: frozenset[Operand], slides: tuple[str, ...]
) -> Iterator[tuple[Order, ...]]:
    """Orders of a row's zones, those before ``begin`` empty, with stillness over the loops of zone ``k``."""
    zones = row.zones
    last = len(zones) - 1
    for k in range(begin, len(zones)):
        behind = row.events[len(row.events) - (last - k) :] if k < last else ()
        if behind != tuple(sorted(behind)):
            continue
        stills: list[Operand | None] = [o for o in OPERANDS if o in tops]
        if k < last:
            stills = [o for o in stills if o not in [held for _, held in behind]]
        for still in stills or ([None] if k == last else []):
            moves = {o for _, o in behind} | tops
            own = [d for d in slides if still == "I" or (still and d in STAYS[still])]
            ends = [Order(still, d) for d in own if "I" in moves] or [Order(still)]
            if still == "I" and k > begin and zones[k] == "I":
                ends.append(Order(still, pure=True))
            before: list[list[Order]] = [[_EMPTY]] * begin + [
                [Order(slider=d) for d in slides] if zones[z + 1] == "I" and slides else [Order()]
                for z in range(begin, k)
            ]
            for orders in product(*before, ends):
                own_bars = (
                    _barred(order, zones, z, begin, last, slides) for z, order in enumerate(orders)
                )
                yield (*own_bars, *[_EMPTY] * (last - k))


def _barred(
    order: Order,
    zones: tuple[Operand | None, ...],
    z: int,
    begin: int,
    last: int,
    slides: tuple[str, ...],
) -> Order:
    """The order of zone ``z`` with what need not be tried there."""
    if order == _EMPTY:
        return order
    outside = zones[z] if z > begin else None
    inside = zones[z + 1] if z < last and order.still is None else None
    bars = set()
    for dim in DIMENSIONS:
        if inside is not None and dim in STAYS[inside]:
            bars.add(dim)
        grows = outside is not None and dim in RELEVANT[outside]
        windowed = outside == "I" and dim in slides
        needed = dim == order.slider or (order.still is not None and dim in STAYS[order.still])
        if grows and not windowed and not needed:
            bars.add(dim)
    return replace(order, bars=frozenset(bars))
