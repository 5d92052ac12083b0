"""The best mapping of a layer under a dataflow of the row-stationary study, found by trying them all.

The study searched with a genetic algorithm; here every mapping that can be best is tried. Left out are
only those that another surely equals or beats: where a larger parameter costs nothing but storage and
saves traffic, the largest that fits is taken; of the values of n that need the same number of rounds over
the batch, the smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isqrt
from typing import cast

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import InputError
from steelyard.hardware.study import (
    Flow,
    Parameters,
    Shape,
    Storage,
    flow,
)
from steelyard.workload.loopnest import LoopNest

Ints = NDArray[np.int64]
Candidates = dict[str, Ints]
"""Parameter -> one value a candidate; arrays that broadcast against each other."""


def best_mapping(name: str, nest: LoopNest, storage: Storage) -> dict[str, int] | None:
    """The mapping with the least energy per operation; of equals the one with most active PEs.

    Args:
        name: RS, WS, OSA, OSB, OSC or NLR.
        nest: the layer.
        storage: what may be filled.

    Returns:
        The flow's parameters, or None where no mapping fits.

    Raises:
        UnknownNameError: no such dataflow.
        InputError: the study has no such layer.
    """
    which = flow(name)
    shape = Shape.of(nest)
    if shape.macs == 0:
        raise InputError("the layer computes nothing", expected="sizes of at least 1")
    best: tuple[float, int, dict[str, int]] | None = None
    for candidates in _CANDIDATES[name](shape, storage):
        found = _cheapest(which, shape, candidates)
        if found is not None and (best is None or found[:2] < best[:2]):
            best = found
    return None if best is None else best[2]


def _cheapest(
    which: Flow, shape: Shape, candidates: Candidates
) -> tuple[float, int, dict[str, int]] | None:
    if not candidates[which.parameters[0]].size:
        return None
    # the formulas are written for numbers and serve arrays as they stand
    moved = which.count(shape, cast(Parameters, candidates))
    energy, pes = cast(NDArray[np.float64], moved.total()), cast(Ints, moved.active_pes)
    least = energy.min()
    equals = np.flatnonzero(energy <= least * (1 + 1e-12))
    at = int(equals[np.argmax(pes[equals])])
    chosen = {key: int(candidates[key][at]) for key in which.parameters}
    return round(float(least), 12), -int(pes[at]), chosen


def _grid(**values: Ints) -> Candidates:
    """All combinations, one array a parameter."""
    arrays = np.meshgrid(*values.values(), indexing="ij")
    return {key: array.ravel() for key, array in zip(values, arrays, strict=True)}


def _where(keep: NDArray[np.bool_], candidates: Candidates) -> Candidates:
    return {key: array[keep] for key, array in candidates.items()}


def _up_to(limit: int) -> Ints:
    return np.arange(1, max(limit, 0) + 1)


def _steps(total: int, limit: int) -> Ints:
    """The smallest values up to the limit for each number of rounds that they need for the total."""
    rounds = {-(-total // x) for x in range(1, isqrt(total) + 2)} | set(range(1, isqrt(total) + 2))
    values = {-(-total // number) for number in rounds}
    return np.array(sorted(value for value in values if value <= limit), dtype=np.int64)


def _rs(s: Shape, room: Storage) -> Iterator[Candidates]:
    sets = room.pes // s.R
    for q in range(1, s.C + 1):
        p_most = min(s.M, (room.rf - q * s.R) // (q * s.R + 1))
        if p_most < 1:
            return
        c = _grid(f=_up_to(min(s.Q, sets)), r=_steps(-(-s.C // q), min(s.C // q, sets)))
        c = _where(c["f"] * c["r"] <= sets, c)
        pairs = np.arange(c["f"].size)
        grid = _grid(pair=pairs, p=_up_to(p_most), n=_steps(s.N, s.N))
        pair = grid.pop("pair")
        c = grid | {"f": c["f"][pair], "r": c["r"][pair], "q": np.full(pair.size, q)}
        inputs = q * c["r"] * s.H * _columns(s, c["f"])
        c["m"] = np.minimum(s.M, (room.buffer // c["n"] - inputs) // (s.P * c["f"]))
        c["t"] = np.minimum(sets // (c["f"] * c["r"]), c["m"] // c["p"])
        yield _where((c["m"] > 0) & (c["t"] > 0), c)


def _ws(s: Shape, room: Storage) -> Iterator[Candidates]:
    filters = room.pes // (s.R * s.S)
    c = _grid(r=_steps(s.C, min(s.C, filters)), t=_up_to(min(s.M, filters)), f=_up_to(s.Q))
    waiting = c["r"] * c["t"] * (_columns(s, c["f"]) - s.S) * (s.R - 1)
    fits = s.N * c["t"] * s.P * s.Q + waiting <= room.buffer
    yield _where(fits & (c["r"] * c["t"] <= filters), c)


def _osa(s: Shape, room: Storage) -> Iterator[Candidates]:
    if room.rf < 1 + s.U + s.U * s.R:
        return
    pes = room.pes
    c = _grid(n=_steps(s.N, s.N), e=_up_to(min(s.P, pes)), f=_up_to(min(s.Q, pes)))
    c = _where(c["n"] * c["e"] * c["f"] <= pes, c)
    inputs = c["n"] * s.C * _rows(s, c["e"]) * _columns(s, c["f"])
    c["m"] = np.minimum(s.M, (room.buffer - inputs) // (s.C * s.R * s.S))
    yield _where(c["m"] > 0, c)


def _osb(s: Shape, room: Storage) -> Iterator[Candidates]:
    if room.rf < 1 + s.U:
        return
    c = _grid(n=_steps(s.N, s.N), f=_up_to(min(s.Q, room.pes)))
    inputs = c["n"] * s.C * s.R * _columns(s, c["f"])
    c["m"] = np.minimum(s.M, (room.buffer - inputs) // (s.C * s.R * s.S))
    c["p"] = np.minimum(c["m"], room.pes // (c["n"] * c["f"]))
    yield _where((c["m"] > 0) & (c["p"] > 0), c)


def _osc(s: Shape, room: Storage) -> Iterator[Candidates]:
    c = {"n": _steps(s.N, min(s.N, room.pes))}
    c["m"] = np.minimum(s.M, room.buffer // (s.C * s.R * s.S) - c["n"])
    c["p"] = np.minimum(c["m"], room.pes // c["n"])
    yield _where(c["m"] > 0, c)


def _nlr(s: Shape, room: Storage) -> Iterator[Candidates]:
    for q in _steps(s.C, min(s.C, room.pes)).tolist():
        c = _grid(n=_steps(s.N, s.N), e=_up_to(s.P), f=_up_to(s.Q))
        c["q"] = np.full_like(c["n"], q)
        inputs = c["n"] * q * _rows(s, c["e"]) * _columns(s, c["f"])
        filters = (room.buffer - inputs) // (q * s.R * s.S + c["n"] * c["e"] * c["f"])
        c["m"] = np.minimum(s.M, filters)
        c["p"] = np.minimum(c["m"], room.pes // q)
        yield _where(c["m"] > 0, c)


def _rows(s: Shape, e: Ints) -> Ints:
    return s.U * e + s.R - s.U


def _columns(s: Shape, f: Ints) -> Ints:
    return s.V * f + s.S - s.V


_CANDIDATES: dict[str, Callable[[Shape, Storage], Iterator[Candidates]]] = {
    "RS": _rs, "WS": _ws, "OSA": _osa, "OSB": _osb, "OSC": _osc, "NLR": _nlr,
}  # fmt: skip
