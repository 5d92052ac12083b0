"""The mapper's factors of chains, compiled by numba: what one dimension or one window adds to a count."""

# The compiled functions are typed by numba, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from steelyard.hardware import counting
from steelyard.hardware.mapper_kernels import jit

_count_tiles = jit(counting.count_tiles)


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
def starts(size, chain, roles, low, high):
    """Index offsets below ``size`` of the loops with roles from low to high."""
    count = 1
    for k in range(len(chain)):
        if low <= roles[k] <= high:
            count *= chain[k]
    found = np.zeros(count, np.int64)
    filled = 1
    step = 1
    for k in range(len(chain)):
        if low <= roles[k] <= high:
            for b in range(1, chain[k]):
                for i in range(filled):
                    found[b * filled + i] = found[i] + b * step
            filled *= chain[k]
        step *= chain[k]
    kept = 0
    for i in range(count):
        if found[i] < size:
            found[kept] = found[i]
            kept += 1
    return found[:kept]


@jit
def window_factors(sizes, window, outs, taps, pairs, roles, slot_out, slot_tap):
    """`window_sum` of every pair of chains; ``slot_out`` or ``slot_tap``: the slider's slot, else -1."""
    n = len(pairs)
    slots = outs.shape[1]
    out = np.empty(n)
    marks = np.zeros(window[3], np.int64)
    stamp = 0
    for i in range(n):
        p, r = outs[pairs[i, 0]], taps[pairs[i, 1]]
        p_tile = r_tile = 1
        p_step = r_step = 1
        p_slide = r_slide = 0
        p_bound = r_bound = 1
        for k in range(slots):
            if k == slot_out:
                p_slide, p_bound = p_step, p[k]
            if k == slot_tap:
                r_slide, r_bound = r_step, r[k]
            p_step *= p[k]
            r_step *= r[k]
            if roles[k] < 0:
                p_tile *= p[k]
                r_tile *= r[k]
        p_outer = starts(sizes[0], p, roles, 0, 1)
        r_outer = starts(sizes[1], r, roles, 0, 1)
        p_inner = starts(sizes[0], p, roles, 2, 2)
        r_inner = starts(sizes[1], r, roles, 2, 2)
        total = 0
        for po in p_outer:
            p_back = p_slide if p_slide > 0 and (po // p_slide) % p_bound > 0 else 0
            for ro in r_outer:
                r_back = r_slide if r_slide > 0 and (ro // r_slide) % r_bound > 0 else 0
                stamp += 1
                united = stamp
                for pi in p_inner:
                    p0 = po + pi
                    if p0 >= sizes[0]:
                        continue
                    for ri in r_inner:
                        r0 = ro + ri
                        if r0 >= sizes[1]:
                            continue
                        held = -1
                        if p_back + r_back > 0:
                            stamp += 1
                            held = stamp
                            for a in range(p0 - p_back, min(p0 - p_back + p_tile, sizes[0])):
                                for b in range(r0 - r_back, min(r0 - r_back + r_tile, sizes[1])):
                                    row = a * window[0] + b * window[1] - window[2]
                                    if 0 <= row < window[3] and marks[row] != united:
                                        marks[row] = held
                        for a in range(p0, min(p0 + p_tile, sizes[0])):
                            for b in range(r0, min(r0 + r_tile, sizes[1])):
                                row = a * window[0] + b * window[1] - window[2]
                                inside = 0 <= row < window[3]
                                if inside and marks[row] != united and marks[row] != held:
                                    marks[row] = united
                                    total += 1
        out[i] = total
    return out
