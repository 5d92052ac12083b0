"""The mapper's factors of chains, compiled by numba: what one dimension or one window adds to a count."""

# The compiled functions are typed by numba, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from steelyard.hardware import counting
from steelyard.hardware.counting import SHARED, SPACE, TIME
from steelyard.hardware.mapper_kernels import jit

_count_tiles = jit(counting.count_tiles)
_offsets = jit(counting.offsets)
_window_sum = jit(counting.window_sum)


@jit
def tile_factors(size, chains, roles):
    """`count_tiles` of every chain: (n, slots) bounds innermost first; roles -1: inside the tile."""
    n, slots = chains.shape
    out = np.empty(n)
    for i in range(n):
        bounds = np.empty(slots, np.int64)
        strides = np.empty(slots, np.int64)
        kinds = np.empty(slots, np.int64)
        step = 1
        count = 0
        for k in range(slots):
            if roles[k] >= 0 and chains[i, k] > 1:
                bounds[slots - 1 - count] = chains[i, k]
                strides[slots - 1 - count] = step
                kinds[slots - 1 - count] = roles[k]
                count += 1
            step *= chains[i, k]
        first = slots - count
        out[i] = _count_tiles(size, bounds[first:], strides[first:], kinds[first:])
    return out


@jit
def window_factors(sizes, window, outs, taps, pairs):
    """`window_sum` of every pair of rows of loops.

    Rows are (3, loops + 1): bounds, strides and roles of the loops outside the tile, outermost first, and last
    the tile's extent and the slider's step and bound.
    """
    out = np.empty(len(pairs))
    for i in range(len(pairs)):
        p, r = outs[pairs[i, 0]], taps[pairs[i, 1]]
        outer = (
            _offsets(sizes[0], p[0, :-1], p[1, :-1], p[2, :-1], TIME, SPACE),
            _offsets(sizes[1], r[0, :-1], r[1, :-1], r[2, :-1], TIME, SPACE),
        )
        inner = (
            _offsets(sizes[0], p[0, :-1], p[1, :-1], p[2, :-1], SHARED, SHARED),
            _offsets(sizes[1], r[0, :-1], r[1, :-1], r[2, :-1], SHARED, SHARED),
        )
        tiles = (p[0, -1], r[0, -1])
        slide = (p[1, -1], p[2, -1], r[1, -1], r[2, -1])
        out[i] = _window_sum(sizes, window, outer, inner, tiles, slide)
    return out
