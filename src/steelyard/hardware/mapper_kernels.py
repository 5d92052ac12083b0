"""The mapper's inner loops: dominance, trees and the branch-and-bound, compiled by numba.

Where numba is not installed the same functions run as plain Python, correct and about a hundred times slower.
"""

# The compiled functions are typed by numba, from what they are called with.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

try:
    from numba import njit

    COMPILED = True
except ImportError:
    COMPILED = False

    def njit(**options):
        """Leaves a function as it is."""
        return lambda function: function


jit = njit(cache=True, nogil=True)


@jit
def gathered(table, rows, columns):
    """A part of a table."""
    part = np.empty((len(rows), len(columns)))
    for i in range(len(rows)):
        for j in range(len(columns)):
            part[i, j] = table[rows[i], columns[j]]
    return part


@jit
def extremes(table, rows, ends):
    """Least and greatest of each column in each list of rows (lists one after another); 1 if it is empty."""
    width = table.shape[1]
    least = np.ones((len(ends), width))
    most = np.ones((len(ends), width))
    begin = 0
    for k in range(len(ends)):
        for i in range(begin, ends[k]):
            for j in range(width):
                value = table[rows[i], j]
                if i == begin or value < least[k, j]:
                    least[k, j] = value
                if i == begin or value > most[k, j]:
                    most[k, j] = value
        begin = ends[k]
    return least, most


@jit
def undominated(table, rows, columns, signs):
    """The rows no other row beats: less or equal wherever the sign is +1, greater or equal where it is -1."""
    items = gathered(table, rows, columns)
    n, width = items.shape
    keep = np.ones(n, np.bool_)
    weight = np.zeros(n)
    for i in range(n):
        for j in range(width):
            weight[i] += signs[j] * np.log(items[i, j])
    order = np.argsort(weight, kind="mergesort")
    kept = np.empty(n, np.int64)
    count = 0
    for a in range(n):
        i = order[a]
        for b in range(count):
            k = kept[b]
            beaten = True
            for j in range(width):
                # equal sums in another order must count as equal
                if signs[j] * (items[k, j] - items[i, j]) > 1e-12 * items[i, j]:
                    beaten = False
                    break
            if beaten:
                keep[i] = False
                break
        if keep[i]:
            kept[count] = i
            count += 1
    return rows[keep]


@jit
def tree(items, weights):
    """A binary tree over rows: children (-1: none), row of a leaf, least and greatest of each column, spread.

    Nodes are split where the weighted logarithm of a column reaches farthest; their spread is the sum of those.
    """
    n, width = items.shape
    nodes = 2 * n - 1
    left = np.full(nodes, -1, np.int64)
    right = np.full(nodes, -1, np.int64)
    row = np.full(nodes, -1, np.int64)
    low = np.empty((nodes, width))
    high = np.empty((nodes, width))
    wide = np.zeros(nodes)
    order = np.arange(n)
    begin = np.zeros(nodes, np.int64)
    end = np.zeros(nodes, np.int64)
    end[0] = n
    made = 1
    node = 0
    while node < made:
        b, e = begin[node], end[node]
        best = 0
        most = -1.0
        for j in range(width):
            least = np.inf
            top = 0.0
            for k in range(b, e):
                value = items[order[k], j]
                least = min(least, value)
                top = max(top, value)
            low[node, j] = least
            high[node, j] = top
            reach = weights[j] * np.log(top / least)
            wide[node] += reach
            if reach > most:
                most = reach
                best = j
        if e - b == 1:
            row[node] = order[b]
            wide[node] = -1.0
        else:
            if wide[node] <= 0:
                wide[node] = 1e-9
            part = order[b:e].copy()
            keys = np.empty(e - b)
            for k in range(e - b):
                keys[k] = items[part[k], best]
            order[b:e] = part[np.argsort(keys, kind="mergesort")]
            middle = (b + e) // 2
            left[node], right[node] = made, made + 1
            begin[made], end[made] = b, middle
            begin[made + 1], end[made + 1] = middle, e
            made += 2
        node += 1
    return left, right, row, low, high, wide


@jit
def forest(table, rows, ends, columns, weights):
    """`tree` of each list of rows, one after another (a leaf's row counts over all lists); where each begins."""
    nodes = 2 * len(rows) - len(ends)
    left = np.empty(nodes, np.int64)
    right = np.empty(nodes, np.int64)
    row = np.empty(nodes, np.int64)
    low = np.empty((nodes, len(columns)))
    high = np.empty((nodes, len(columns)))
    wide = np.empty(nodes)
    roots = np.empty(len(ends), np.int64)
    begin = 0
    at = 0
    for k in range(len(ends)):
        part = tree(gathered(table, rows[begin : ends[k]], columns), weights)
        to = at + len(part[0])
        for node in range(len(part[0])):
            inner = part[0][node] >= 0
            left[at + node] = part[0][node] + at if inner else -1
            right[at + node] = part[1][node] + at if inner else -1
            row[at + node] = -1 if inner else part[2][node] + begin
        low[at:to] = part[3]
        high[at:to] = part[4]
        wide[at:to] = part[5]
        roots[k] = at
        at = to
        begin = ends[k]
    return (left, right, row, low, high, wide), roots


@jit
def cost(low, high, system, mode):
    """The least objective of anything with products from ``low`` to ``high``; infinite if nothing fits.

    Args:
        low, high: least and greatest product of each column.
        system: (rows, fixed, limits, walls, stalls, caps). rows 0: energy; 1: compute cycles; from 2: cycles of
            ports. limits: (wall, column, weight) by wall; the sum of each wall's must not exceed it. caps: the
            most energy and the most cycles.
        mode: 0: energy, 1: cycles, 2: their product.
    """
    rows, fixed, limits, walls, stalls, caps = system
    width = len(low)
    wall = -1
    need = 0.0
    for k in range(len(limits)):
        if int(limits[k, 0]) != wall:
            wall = int(limits[k, 0])
            need = 0.0
        need += limits[k, 2] * low[int(limits[k, 1])]
        if need > walls[wall] * (1 + 1e-12):
            return np.inf
    energy = fixed[0]
    for j in range(width):
        weight = rows[0, j]
        energy += weight * (low[j] if weight >= 0 else high[j])
    if energy > caps[0]:
        return np.inf
    if mode == 0 and caps[1] == np.inf:
        return energy
    cycles = fixed[1]
    for j in range(width):
        cycles += rows[1, j] * low[j]
    for s in range(stalls.shape[0]):
        first = stalls[s, 1] * (low[int(stalls[s, 0])] if stalls[s, 0] >= 0 else 1.0)
        second = stalls[s, 3] * (low[int(stalls[s, 2])] if stalls[s, 2] >= 0 else 1.0)
        cycles += max(first, second)
    for k in range(2, len(rows)):
        busy = fixed[k]
        for j in range(width):
            busy += rows[k, j] * low[j]
        cycles = max(cycles, busy)
    if cycles > caps[1]:
        return np.inf
    if mode == 0:
        return energy
    return cycles if mode == 1 else energy * cycles


@jit
def _range(table, keep, begin, end, least, most):
    """Least and greatest of each column of the rows that are kept, written to the last two arguments."""
    least[:] = np.inf
    most[:] = 0.0
    for i in range(begin, end):
        if keep[i]:
            for j in range(table.shape[1]):
                least[j] = min(least[j], table[i, j])
                most[j] = max(most[j], table[i, j])


@jit
def costs(low, high, system, mode):
    """`cost` of each row of ``low`` and ``high``."""
    found = np.empty(len(low))
    for k in range(len(low)):
        found[k] = cost(low[k], high[k], system, mode)
    return found


@jit
def promising(table, ends, system, mode, best):
    """Which rows of each list may be part of something below ``best``; the least cost of those that may not.

    ``table`` has the lists one after another, with the system's columns. A row is judged with the least of all
    other lists, again and again as those become shorter.
    """
    keep = np.ones(len(table), np.bool_)
    lists, width = len(ends), table.shape[1]
    least = np.empty((lists, width))
    most = np.empty((lists, width))
    for g in range(lists):
        _range(table, keep, ends[g - 1] if g else 0, ends[g], least[g], most[g])
    lost = np.inf
    low = np.empty(width)
    high = np.empty(width)
    same = 0
    for step in range(4 * lists):
        g = step % lists
        begin = ends[g - 1] if g else 0
        rest = np.ones((2, width))
        for h in range(lists):
            if h != g:
                rest[0] *= least[h]
                rest[1] *= most[h]
        count = 0
        fewer = False
        for i in range(begin, ends[g]):
            if keep[i]:
                for j in range(width):
                    low[j] = rest[0, j] * table[i, j]
                    high[j] = rest[1, j] * table[i, j]
                value = cost(low, high, system, mode)
                if value >= best:
                    keep[i] = False
                    fewer = True
                    lost = min(lost, value)
                else:
                    count += 1
        if count == 0:
            keep[:] = False
            break
        same = 0 if fewer else same + 1
        if same == lists:
            break
        if fewer:
            _range(table, keep, begin, ends[g], least[g], most[g])
    return keep, lost


@jit
def child_costs(nodes, split, pair, low, high, system, mode, work):
    """`cost` of a combination of nodes with the node of group ``split`` replaced by each of a pair.

    ``work`` is (4, width) numbers to write to.
    """
    width = low.shape[1]
    least, top, below, above = work[0], work[1], work[2], work[3]
    signed = False
    for j in range(width):
        least[j] = 1.0
        top[j] = 1.0
        if system[0][0, j] < 0:
            signed = True
    for g in range(len(nodes)):
        if g != split:
            node = nodes[g]
            for j in range(width):
                least[j] *= low[node, j]
            if signed:
                for j in range(width):
                    top[j] *= high[node, j]
    for j in range(width):
        below[j] = least[j] * low[pair[0], j]
        above[j] = top[j] * high[pair[0], j]
    first = cost(below, above, system, mode)
    for j in range(width):
        below[j] = least[j] * low[pair[1], j]
        above[j] = top[j] * high[pair[1], j]
    return first, cost(below, above, system, mode)


@jit
def search(trees, system, mode, stack, bounds, state, best):
    """Depth-first branch and bound over one node of each group's tree; resumes where it stopped.

    Args:
        trees: left, right, row, low, high, wide of all groups' trees, one after another.
        system, mode: see `cost`.
        stack, bounds: open combinations of nodes and their least cost; state[0] is their number.
        state: open, nodes to visit in this call, nodes visited.
        best: cost of the incumbent, combinations that cannot be below it are dropped; least cost of those
            and of all leaves.

    Returns:
        the best combination of leaves found in this call, all -1 if none.
    """
    left, right, _, low, high, wide = trees
    groups = stack.shape[1]
    found = np.full(groups, -1, np.int64)
    work = np.empty((4, low.shape[1]))
    todo = state[1]
    while state[0] > 0 and todo > 0:
        state[0] -= 1
        depth = state[0]
        if bounds[depth] >= best[0]:
            best[1] = min(best[1], bounds[depth])
            continue
        todo -= 1
        state[2] += 1
        split = -1
        widest = -0.5
        for g in range(groups):
            if wide[stack[depth, g]] > widest:
                widest = wide[stack[depth, g]]
                split = g
        if split < 0:
            best[0] = bounds[depth]
            best[1] = min(best[1], best[0])
            found[:] = stack[depth]
            continue
        parent = stack[depth, split]
        a, b = left[parent], right[parent]
        cost_a, cost_b = child_costs(stack[depth], split, (a, b), low, high, system, mode, work)
        if cost_a < cost_b:
            a, b = b, a
            cost_a, cost_b = cost_b, cost_a
        if cost_a < best[0]:
            stack[depth + 1, :] = stack[depth]
            stack[depth, split] = a
            bounds[depth] = cost_a
            depth += 1
        else:
            best[1] = min(best[1], cost_a)
        if cost_b < best[0]:
            stack[depth, split] = b
            bounds[depth] = cost_b
            depth += 1
        else:
            best[1] = min(best[1], cost_b)
        state[0] = depth
    return found
