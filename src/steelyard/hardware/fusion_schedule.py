"""`schedule`: when each row of a fused group's maps is computed, fetched and dropped, and the room that takes.

The group's last map is computed in *strips* of rows. In each strip every unit runs once, in order, on the rows
that those behind it need. A strip as high as the map is whole-map fusion. With several strips the rows that two
of them need (the halo) are either *recomputed*: a strip finds nothing on the chip; or *kept*: each row of the
group's input and of each map is fetched or computed once, and stays until no later strip needs it (line buffers;
Alwani et al., "Fused-layer CNN accelerators", MICRO 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

from steelyard.hardware.fusion_units import Source, Unit

Halo = Literal["whole", "recompute", "keep"]

_NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Bits:
    """Widths of a map's element: once it is finished, and while it is summed up."""

    done: int
    sums: int


@dataclass(frozen=True)
class Schedule:
    """A group computed in strips.

    Attributes:
        units: of the group.
        height: rows of the last map in a strip.
        halo: ``whole`` for a single strip.
        images: that pass through a strip together.
    """

    units: tuple[Unit, ...]
    height: int
    halo: Halo
    images: int

    @cached_property
    def strips(self) -> int:
        """Strips of one pass over the images that run together."""
        return -(-self.units[-1].rows // self.height)

    @cached_property
    def passes(self) -> int:
        """How often all strips run."""
        return self.units[-1].images // self.images

    @cached_property
    def inside(self) -> dict[str, int]:
        """The maps that stay on the chip: name -> number of the unit that writes it."""
        return {unit.tensor: k for k, unit in enumerate(self.units[:-1])}

    @cached_property
    def ranges(self) -> tuple[tuple[range, ...], ...]:
        """For each strip the rows of its map that each unit computes."""
        done = [0] * len(self.units)
        found = []
        for strip in range(self.strips):
            first = strip * self.height
            last = range(first, min(first + self.height, self.units[-1].rows))
            own = self._back(last, done)
            found.append(own)
            if self.halo == "keep":
                done = [max(d, rows.stop) for d, rows in zip(done, own, strict=True)]
        return tuple(found)

    def _back(self, last: range, done: Sequence[int]) -> tuple[range, ...]:
        """The rows that the units compute for rows of the last map, those below ``done`` being there."""
        wanted: list[list[range]] = [[] for _ in self.units]
        wanted[-1].append(last)
        found: list[range] = []
        for k in reversed(range(len(self.units))):
            rows = [r for r in wanted[k] if len(r)]
            # rows that nobody needs are computed on the way, as without fusion
            low = done[k] if self.halo == "keep" else min((r.start for r in rows), default=0)
            own = range(low, max((r.stop for r in rows), default=0))
            found.insert(0, own)
            if len(own):
                for source in sources(self.units[k]):
                    if source.tensor in self.inside:
                        wanted[self.inside[source.tensor]].append(source.rows(own.start, own.stop))
        return tuple(found)

    def runs(self, k: int) -> list[range]:
        """The rows that unit k computes, strip by strip, those strips left out in which it has none."""
        return [rows[k] for rows in self.ranges if len(rows[k])]

    def read(self, k: int, source: Source) -> int:
        """Rows of one image that unit k reads of a source, in all strips."""
        return sum(len(source.exact(r.start, r.stop)) for r in self.runs(k))

    def fetched(self, k: int, source: Source) -> int:
        """Rows of one image that come from the outermost memory for unit k."""
        if source.tensor in self.inside:
            return 0
        if not self.streams(k, source):
            return self.read(k, source)
        parts = [source.exact(r.start, r.stop) for r in self.runs(k)]
        return len(frozenset[int]().union(*parts))

    def streams(self, k: int, source: Source) -> bool:
        """True if the source is fetched row by row into the memory of the maps."""
        return (
            self.halo == "keep"
            and source in self.units[k].sources
            and source.tensor not in self.inside
        )

    def room(self, bits: Bits) -> list[float]:
        """For each unit the most bytes that maps, and streamed inputs, take while it runs."""
        buffers = self._buffers()
        most = [0.0] * len(self.units)
        for strip in range(self.strips):
            for k in range(len(self.units)):
                taken = sum(buffer.bits(strip, k, bits) for buffer in buffers)
                most[k] = max(most[k], taken * self.images / 8)
        return most

    def _buffers(self) -> list[_Buffer]:
        uses: dict[str, list[tuple[int, Source]]] = {unit.tensor: [] for unit in self.units}
        streams = []
        for k, unit in enumerate(self.units):
            for source in sources(unit):
                uses.setdefault(source.tensor, []).append((k, source))
                if self.streams(k, source):
                    streams.append(self._buffer(None, source.needed, [(k, source)]))
        maps = [
            self._buffer(k, unit.row, uses[unit.tensor]) for k, unit in enumerate(self.units[:-1])
        ]
        return [*maps, *streams]

    def _buffer(self, writer: int | None, row: int, uses: list[tuple[int, Source]]) -> _Buffer:
        keeps = self.halo == "keep"
        begins, ends = [], []
        for own in self.ranges:
            spans = [s.rows(own[k].start, own[k].stop) for k, s in uses if len(own[k])]
            spans = [span for span in spans if len(span)]
            begins.append(min((span.start for span in spans), default=_NEVER))
            ends.append(max((span.stop for span in spans), default=0))
        made = [own[writer] if writer is not None else range(0) for own in self.ranges]
        if keeps:
            begins = [*accumulate(reversed(begins), min)][::-1]
            ends = [*accumulate(ends, max)]
        first = min(k for k, _ in uses) if writer is None else writer
        # a window may lie in padding altogether; then its unit reads nothing
        last = []
        for own in self.ranges:
            reads = [k for k, s in uses if len(own[k]) and len(s.rows(own[k].start, own[k].stop))]
            last.append(max(reads, default=first))
        return _Buffer(
            writer, first, tuple(last), row, tuple(begins), tuple(ends), tuple(made), keeps
        )


@dataclass(frozen=True, slots=True)
class _Buffer:
    """The rows of one map on the chip.

    Attributes:
        writer: the unit that computes it; None for a streamed input.
        first: unit from which on the strip's rows are there; last: of each strip, that up to which they are.
        row: elements of a row.
        begins, ends: of each strip: the first row that it or a later one needs; the end of those that are there.
        made: the rows that the writer computes in each strip.
        keeps: rows stay from strip to strip.
    """

    writer: int | None
    first: int
    last: tuple[int, ...]
    row: int
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    made: tuple[range, ...]
    keeps: bool

    def bits(self, strip: int, unit: int, bits: Bits) -> int:
        """Bits of one image's rows while a unit runs in a strip."""
        old = self.ends[strip - 1] if strip and self.keeps else 0
        held = max(0, old - self.begins[strip])
        if unit < self.first:
            return self.row * held * bits.done
        if unit > self.last[strip]:
            more = self.keeps and strip + 1 < len(self.ends)
            begin = self.begins[strip + 1] if more else _NEVER
            return self.row * max(0, self.ends[strip] - begin) * bits.done
        if unit == self.writer:
            return self.row * (held * bits.done + len(self.made[strip]) * bits.sums)
        return self.row * max(0, self.ends[strip] - self.begins[strip]) * bits.done


def sources(unit: Unit) -> tuple[Source, ...]:
    """Everything that a unit reads, sums included."""
    return (*unit.sources, *(side for _, side in unit.sides))


def schedules(units: tuple[Unit, ...]) -> list[Schedule]:
    """The schedules of a group that are compared: strips of all rows, and of a half, a quarter ... down to one."""
    rows, images = units[-1].rows, units[-1].images
    found = [Schedule(units, rows, "whole", images)]
    if images > 1:
        found.append(Schedule(units, rows, "whole", 1))
    parts = 2
    while parts < 2 * rows:
        height = -(-rows // parts)
        if height < found[-1].height:
            found += [Schedule(units, height, halo, 1) for halo in ("keep", "recompute")]
        parts *= 2
    return found
