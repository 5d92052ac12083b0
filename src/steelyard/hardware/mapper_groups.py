"""`Groups`: the chains of each group of dimensions, and their factors of any count.

A count (elements moved, a tile's size, instances used) is a product over N, G, M, C, the window (P, R) and the
window (Q, S), and each factor depends on that group's chains alone.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from steelyard.hardware.counting import SHARED, SPACE, STILL, TIME
from steelyard.hardware.device import DIMENSIONS, RELEVANT
from steelyard.hardware.mapper_counts import MOVES, SHARES, SLIDES, TILE, Counts
from steelyard.hardware.mapper_system import Column, Floats
from steelyard.hardware.mapspace import STAYS, Mapspace
from steelyard.hardware.transfers import extent

GROUPS: tuple[tuple[str, ...], ...] = (("N",), ("G",), ("M",), ("C",), ("P", "R"), ("Q", "S"))

_NOTHING = 1e-30


class Groups:
    """Chains of all groups of a mapspace, and the factors of any column for them.

    Args:
        space: of the chains.
        counts: of the layer.
        whole: groups of the same space of which these are a part.
        keep: for each group which of its items to keep.

    Attributes:
        table: factors (items of all groups one after another, columns seen so far).
        same: for each group and column the first column with the same factors.
    """

    def __init__(
        self,
        space: Mapspace,
        counts: Counts,
        whole: Groups | None = None,
        keep: list[Any] | None = None,
    ) -> None:
        self.space, self.counts = space, counts
        self.slots = space.slots()
        self.units = len(space.device.levels)
        if whole is None or keep is None:
            self.chains = {dim: counts.chains(space, dim) for dim in DIMENSIONS}
            sets = [tuple(space.chain_set(dim) for dim in dims) for dims in GROUPS]
            self._all = [counts.pairs(names) for names in sets]
            self._kept = [
                counts.factors.setdefault((group, names), {}) for group, names in enumerate(sets)
            ]
            places = tuple((slot.level, slot.name if slot.axis else "") for slot in self.slots)
            self._vectors = [
                counts.factors.setdefault((group, names, places), {})
                for group, names in enumerate(sets)
            ]
            self._known_roles: dict[tuple[Column, bool], tuple[int, ...]] = {}
            self.pairs = self._all
            self._items: list[Any] = [slice(None) for _ in GROUPS]
            self._known: dict[Column, int] = {}
            self._alike: list[dict[int, int]] = [{} for _ in GROUPS]
            self.same: list[Any] = [np.empty(0, np.int64) for _ in GROUPS]
            self.table = np.empty((sum(map(len, self.pairs)), 0))
        else:
            self.chains = whole.chains
            self._all, self._kept, self._vectors = whole._all, whole._kept, whole._vectors
            self._known_roles = whole._known_roles
            self._items = [
                np.flatnonzero(k) if isinstance(i, slice) else i[k]
                for i, k in zip(whole._items, keep, strict=True)
            ]
            self.pairs = [p[k] for p, k in zip(self._all, self._items, strict=True)]
            self._known = dict(whole._known)
            self._alike = [dict(alike) for alike in whole._alike]
            self.same = list(whole.same)
            self.table = whole.table[np.concatenate(keep)]
        self.starts = np.cumsum([0, *map(len, self.pairs)])

    def bounds(self, row: int) -> dict[str, tuple[int, ...]]:
        """The chains of a row of the table."""
        group = int(np.searchsorted(self.starts, row, "right")) - 1
        item = row - self.starts[group]
        return {
            dim: tuple(int(b) for b in self.chains[dim][self.pairs[group][item, k]])
            for k, dim in enumerate(GROUPS[group])
        }

    def rows(self, group: int, claim: tuple[tuple[int, str], ...]) -> Any:
        """Rows of the table: items of a group that have no loop of these dimensions in these slots."""
        keep = np.ones(len(self.pairs[group]), bool)
        for slot, dim in claim:
            which = self.pairs[group][:, GROUPS[group].index(dim)]
            keep &= self.chains[dim][:, slot][which] == 1
        return np.flatnonzero(keep) + self.starts[group]

    def places(self, columns: list[Column]) -> Any:
        """Where the table has these columns."""
        if new := list(dict.fromkeys(c for c in columns if c not in self._known)):
            first = len(self._known)
            wider = np.empty((len(self.table), first + len(new)))
            wider[:, :first] = self.table
            self.table = wider
            for group in range(len(GROUPS)):
                own = [self._place(group, column, k) for k, column in enumerate(new, first)]
                self.same[group] = np.concatenate([self.same[group], np.array(own, np.int64)])
            self._known.update((column, k) for k, column in enumerate(new, first))
        return np.array([self._known[column] for column in columns], np.int64)

    def _place(self, group: int, column: Column, place: int) -> int:
        """Fills a group's part of a column; the first column that is the same there."""
        found = self._vectors[group].get(column)
        if found is None:
            kept = self._kept[group]
            what = self._what(group, column)
            if what not in kept:
                kept[what] = self._factors(group, column)
            found = self._vectors[group][column] = kept[what]
        self.table[self.starts[group] : self.starts[group + 1], place] = found[self._items[group]]
        # columns that are the same here have the same array
        return self._alike[group].setdefault(id(found), place)

    def _what(self, group: int, column: Column) -> Hashable:
        """What the factors of a column depend on in a group."""
        dims = GROUPS[group]
        if column.kind == "axis":
            return "axis", self._along(column)
        if column.kind == "tile":
            windowed = len(dims) == 2 and column.operand == "I"
            kept = tuple(d for d in dims if d in RELEVANT[column.operand])
            return "tile", windowed, kept, self._inside(column)
        each = self._before(column.each) if column.each >= 0 else None
        window = self._slides(group, column)
        if column.kind == "moved":
            dims = tuple(d for d in dims if window or d not in RELEVANT[column.operand])
        return (
            window,
            dims or column.operand,
            *(self._roles(column, dim) for dim in dims),
            each,
            self._sliding(column) if window and column.slider[1] in dims else None,
        )

    def _along(self, column: Column) -> tuple[int, ...]:
        return tuple(k for k, s in enumerate(self.slots) if s.name in column.shared)

    def _inside(self, column: Column) -> tuple[int, ...]:
        return tuple(k for k, s in enumerate(self.slots) if s.level >= column.child)

    def _before(self, level: int) -> tuple[int, ...]:
        return tuple(k for k, s in enumerate(self.slots) if s.axis and s.level < level)

    def _sliding(self, column: Column) -> tuple[int, str]:
        """The slot of the slider, and its dimension."""
        place, dim = column.slider
        return next((k for k, s in enumerate(self.slots) if s.level == place), -1), dim

    def _slides(self, group: int, column: Column) -> bool:
        return len(GROUPS[group]) == 2 and column.kind == "moved" and column.operand == "I"

    def _factors(self, group: int, column: Column) -> Floats:
        # a window wholly in the padding moves nothing; logarithms want a number above 0
        found = np.maximum(self._whole(group, column), _NOTHING)
        if column.each >= 0:
            found = found / self._instances(group, self._before(column.each))
        return found

    def _instances(self, group: int, slots: tuple[int, ...]) -> Floats:
        used = np.ones(len(self._all[group]))
        for k, dim in enumerate(GROUPS[group]):
            used *= self.chains[dim][:, list(slots)].prod(axis=1)[self._all[group][:, k]]
        return used

    def _whole(self, group: int, column: Column) -> Floats:
        dims = GROUPS[group]
        index = self._all[group]
        if column.kind == "axis":
            return self._instances(group, self._along(column))
        if column.kind == "tile":
            return self._tiles(group, column)
        if self._slides(group, column):
            return self._windows(group, column)
        found = np.ones(len(index))
        for k, dim in enumerate(dims):
            size = self.space.problem.size(dim)
            if column.kind == "moved" and dim in RELEVANT[column.operand]:
                found *= size
            else:
                own = self.counts.tiles(self.space.chain_set(dim), self._roles(column, dim))
                found *= own[index[:, k]]
        return found

    def _roles(self, column: Column, dim: str) -> tuple[int, ...]:
        """What the loop of each slot does to a column."""
        name = (column, dim in STAYS[column.operand])
        if name not in self._known_roles:
            self._known_roles[name] = tuple(self._found_roles(*name))
        return self._known_roles[name]

    def _found_roles(self, column: Column, stays: bool) -> list[int]:
        roles: list[int] = []
        for slot in self.slots:
            if column.kind == "steps":
                roles.append(STILL if slot.axis else TIME)
            elif slot.level >= column.child:
                roles.append(-1)
            elif slot.axis:
                roles.append(SHARED if slot.name in column.shared else SPACE)
            else:
                roles.append(STILL if stays and slot.level in column.still else TIME)
        return roles

    def _windows(self, group: int, column: Column) -> Floats:
        slot, slider = self._sliding(column)
        found = []
        for dim in GROUPS[group]:
            kinds = tuple(
                SLIDES
                if k == slot and dim == slider
                else (TILE if role < 0 else SHARES if role == SHARED else MOVES)
                for k, role in enumerate(self._roles(column, dim))
            )
            found.append(self.counts.forms(self.space.chain_set(dim), kinds))
        (outs, out), (taps, tap) = found
        counts = self.counts.windows(GROUPS[group][0], outs, taps)
        index = self._all[group]
        return counts[out[index[:, 0]], tap[index[:, 1]]]

    def _tiles(self, group: int, column: Column) -> Floats:
        dims, problem = GROUPS[group], self.space.problem
        inside = list(self._inside(column))
        tiles = [
            np.minimum(self.chains[dim][:, inside].prod(axis=1), problem.size(dim)) for dim in dims
        ]
        index = self._all[group]
        if len(dims) == 2 and column.operand == "I":
            window = problem.rows if dims[0] == "P" else problem.columns
            sizes = [problem.size(dim) for dim in dims]
            both = tiles[0][index[:, 0]] * (sizes[1] + 1) + tiles[1][index[:, 1]]
            kinds, where = np.unique(both, return_inverse=True)
            extents = [extent(window, *sizes, *divmod(int(kind), sizes[1] + 1)) for kind in kinds]
            return np.array(extents, float)[where.reshape(-1)]
        found = np.ones(len(index))
        for k, dim in enumerate(dims):
            if dim in RELEVANT[column.operand]:
                found *= tiles[k][index[:, k]]
        return found
