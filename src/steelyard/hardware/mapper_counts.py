"""`Counts`: what the chains of one dimension or one window add to a count, each different question once.

The mapspaces of one layer ask the same many times. For a window, what counts of a dimension's chain is its
*form*: the extent of the tile, and outside of it the loops that move, the one that slides, and those side by
side that share. Many chains have the same form.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from steelyard.hardware.counting import SHARED, TIME
from steelyard.hardware.mapper_factors import tile_factors, window_factors
from steelyard.hardware.mapspace import ChainSet, Mapspace
from steelyard.hardware.problem import Problem, Window

TILE, MOVES, SLIDES, SHARES = range(4)
Form = tuple[tuple[int, int], ...]
"""(kind, bound) of the loops, innermost first; neighbours differ in kind, bounds are above 1."""


def forms(chains: Any, kinds: tuple[int, ...]) -> tuple[list[Form], Any]:
    """The different forms of a dimension's chains, and which of them each chain has.

    Args:
        chains: (chains, slots), innermost first.
        kinds: what the loops of each slot do.
    """
    begins = [k for k in range(len(kinds)) if not k or kinds[k] != kinds[k - 1]]
    runs = np.multiply.reduceat(chains, begins, axis=1).tolist()
    known: dict[tuple[int, ...], int] = {}
    found: dict[Form, int] = {}
    which = []
    for run in map(tuple, runs):
        if run not in known:
            form: list[tuple[int, int]] = []
            for begin, bound in zip(begins, run, strict=True):
                if bound > 1 and form and form[-1][0] == kinds[begin]:
                    form[-1] = (kinds[begin], form[-1][1] * bound)
                elif bound > 1:
                    form.append((kinds[begin], bound))
            known[run] = found.setdefault(tuple(form), len(found))
        which.append(known[run])
    return list(found), np.array(which)


class Counts:
    """The factors of a layer's chains; kept.

    Attributes:
        factors: by group and its sets of chains (and slots), whole columns, as `mapper_groups` names them.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._windows: dict[tuple[Window, int, int], dict[tuple[Form, Form], float]] = {}
        self._chains: dict[ChainSet, Any] = {}
        self._pairs: dict[tuple[ChainSet, ...], Any] = {}
        self.factors: dict[Hashable, dict[Hashable, Any]] = {}
        self._tiles: dict[tuple[ChainSet, tuple[int, ...]], Any] = {}
        self._forms: dict[tuple[ChainSet, tuple[int, ...]], tuple[list[Form], Any]] = {}

    def chains(self, space: Mapspace, dim: str) -> Any:
        """The chains of a dimension, (chains, slots)."""
        name = space.chain_set(dim)
        if name not in self._chains:
            found = np.array(space.chains(dim), np.int64)
            self._chains[name] = found.reshape(-1, len(space.slots()))
        return self._chains[name]

    def pairs(self, names: tuple[ChainSet, ...]) -> Any:
        """Numbers of the chains of one or two dimensions, each with each."""
        if names not in self._pairs:
            sizes = [len(self._chains[name]) for name in names]
            grid = np.indices(sizes).reshape(len(sizes), -1).T
            self._pairs[names] = np.ascontiguousarray(grid)
        return self._pairs[names]

    def tiles(self, name: ChainSet, roles: tuple[int, ...]) -> Any:
        """`tile_factors` of a set of chains."""
        if (name, roles) not in self._tiles:
            found = tile_factors(name[0], self._chains[name], np.array(roles))
            self._tiles[name, roles] = found
        return self._tiles[name, roles]

    def forms(self, name: ChainSet, kinds: tuple[int, ...]) -> tuple[list[Form], Any]:
        """`forms` of a set of chains."""
        if (name, kinds) not in self._forms:
            self._forms[name, kinds] = forms(self._chains[name], kinds)
        return self._forms[name, kinds]

    def windows(self, out: str, outs: list[Form], taps: list[Form]) -> Any:
        """`window_sum` of each form of the output dimension ``out`` (P, Q) with each of the tap dimension."""
        problem = self._problem
        window, tap = (problem.rows, "R") if out == "P" else (problem.columns, "S")
        sizes = (problem.size(out), problem.size(tap))
        known = self._windows.setdefault((window, *sizes), {})
        asked = [(a, b) for a in outs for b in taps]
        if new := [pair for pair in asked if pair not in known]:
            places = [{form: k for k, form in enumerate(dict.fromkeys(p[i] for p in new))} for i in (0, 1)]  # fmt: skip
            counted = window_factors(
                np.array(sizes),
                np.array([window.stride, window.dilation, window.before, window.size]),
                _rows([*places[0]]),
                _rows([*places[1]]),
                np.array([(places[0][a], places[1][b]) for a, b in new]),
            )
            known.update(zip(new, counted.tolist(), strict=True))
        return np.array([known[pair] for pair in asked]).reshape(len(outs), len(taps))


def _rows(found: list[Form]) -> Any:
    """Bounds, strides and roles of the loops outside the tiles, outermost first; then tile and slider."""
    width = max(map(len, found)) + 1
    rows = np.zeros((len(found), 3, width), np.int64)
    rows[:, 0] = 1
    rows[:, 1] = 1
    rows[:, 2] = -1
    rows[:, 1:, -1] = 0
    for row, form in zip(rows, found, strict=True):
        step = 1
        at = width - 2
        for kind, bound in form:
            if kind == TILE:
                row[0, -1] = bound
            else:
                row[:, at] = bound, step, SHARED if kind == SHARES else TIME
                at -= 1
            if kind == SLIDES:
                row[1:, -1] = step, bound
            step *= bound
    return rows
