"""Exact sums over all tiles of one dimension or one sliding window, the factors of every access count.

The functions are plain Python over NumPy integers, so that the mapper can compile them; nothing here imports
numba. A dimension's loops outside a tile are digits of its index, given outermost first as ``bounds`` and
``strides`` (how many index steps one iteration makes), with a role each: `TIME` is executed one after another,
`SPACE` side by side with a transfer each, `SHARED` side by side sharing one transfer, `STILL` is not counted
(the operand stays where it is while the loop runs).
"""

from __future__ import annotations

from typing import Any

import numpy as np

TIME, SPACE, SHARED, STILL = 0, 1, 2, 3


def count_tiles(size: int, bounds: Any, strides: Any, roles: Any) -> Any:
    """Index combinations of the TIME and SPACE loops at which something is left to do."""
    total = 0
    full = 1  # combinations of the counted loops inside loop k
    tails = np.ones(len(bounds) + 1, np.int64)
    for k in range(len(bounds) - 1, -1, -1):
        if roles[k] == TIME or roles[k] == SPACE:
            full *= bounds[k]
        tails[k] = full
    left = size
    for k in range(len(bounds)):
        if roles[k] == TIME or roles[k] == SPACE:
            whole = min(left // strides[k], bounds[k])
            total += whole * tails[k + 1]
            if whole == bounds[k]:
                return total
            left -= whole * strides[k]
            if left == 0:
                return total
        elif left > strides[k]:
            left = strides[k]
    return total + 1


def offsets(size: int, bounds: Any, strides: Any, roles: Any, first: int, last: int) -> Any:
    """Start indices below ``size`` that the loops with a role from ``first`` to ``last`` reach."""
    count = 1
    for k in range(len(bounds)):
        if first <= roles[k] <= last:
            count *= bounds[k]
    found = np.zeros(count, np.int64)
    filled = 1
    for k in range(len(bounds)):
        if first <= roles[k] <= last:
            for i in range(filled - 1, -1, -1):
                for b in range(bounds[k] - 1, -1, -1):
                    found[i * bounds[k] + b] = found[i] + b * strides[k]
            filled *= bounds[k]
    return found[found < size]


def window_sum(sizes: Any, window: Any, outer: Any, inner: Any, tiles: Any, slide: Any) -> int:
    """Input rows that all tiles of one window need, summed over TIME and SPACE, united over SHARED.

    Args:
        sizes: of the output and the tap dimension.
        window: stride, dilation, padding before, input size.
        outer: `offsets` of the TIME and SPACE loops of the output and of the tap dimension.
        inner: those of the SHARED loops.
        tiles: extent of one tile in both.
        slide: index step of the innermost moving loop if that is over the output or the tap dimension, and
            its bound, (ps, pb, rs, rb), else zeros: then rows of the step before are kept, only new ones count.
    """
    marks = np.zeros(window[3], np.int64)
    stamp = 0
    total = 0
    for po in outer[0]:
        p_back = slide[0] if slide[0] > 0 and (po // slide[0]) % slide[1] > 0 else 0
        for ro in outer[1]:
            r_back = slide[2] if slide[2] > 0 and (ro // slide[2]) % slide[3] > 0 else 0
            moved = p_back + r_back > 0
            stamp += 1
            united = stamp
            for pi in inner[0]:
                p0 = po + pi
                if p0 >= sizes[0]:
                    continue
                for ri in inner[1]:
                    r0 = ro + ri
                    if r0 >= sizes[1]:
                        continue
                    # rows held from the step before carry a mark of their own
                    held = -1 - stamp
                    if moved:
                        stamp += 1
                        held = stamp
                        for a in range(p0 - p_back, min(p0 - p_back + tiles[0], sizes[0])):
                            for b in range(r0 - r_back, min(r0 - r_back + tiles[1], sizes[1])):
                                row = a * window[0] + b * window[1] - window[2]
                                if 0 <= row < window[3] and marks[row] != united:
                                    marks[row] = held
                    for a in range(p0, min(p0 + tiles[0], sizes[0])):
                        for b in range(r0, min(r0 + tiles[1], sizes[1])):
                            row = a * window[0] + b * window[1] - window[2]
                            if 0 <= row < window[3] and marks[row] != united and marks[row] != held:
                                marks[row] = united
                                total += 1
    return total


def window_extent(sizes: Any, window: Any, tiles: Any) -> int:
    """The most rows that one tile needs."""
    marks = np.zeros(window[3], np.int64)
    stamp = 0
    most = 0
    for p0 in range(0, sizes[0], tiles[0]):
        for r0 in range(0, sizes[1], tiles[1]):
            stamp += 1
            count = 0
            for a in range(p0, min(p0 + tiles[0], sizes[0])):
                for b in range(r0, min(r0 + tiles[1], sizes[1])):
                    row = a * window[0] + b * window[1] - window[2]
                    if 0 <= row < window[3] and marks[row] != stamp:
                        marks[row] = stamp
                        count += 1
            most = max(most, count)
    return most
