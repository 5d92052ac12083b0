"""`parallel_blocks`: where a network forks into branches that multiply side by side (guideline G3)."""

from __future__ import annotations

from dataclasses import dataclass

from steelyard.workload import MAC_KINDS, Workload


@dataclass(frozen=True, slots=True)
class Block:
    """A fork with two or more branches that multiply and accumulate.

    Attributes:
        fork: name of the layer at which the branches part, "" for an input of the network.
        join: name of the first layer that every path from the fork passes, "" if there is none.
        branches: parts of the block, connected within, that hold a layer with multiply-accumulates.
        operators: layers with multiply-accumulates in all of them.
        reread_bytes: bytes that reading what the fork made once, not once a branch, would save.
    """

    fork: str
    join: str
    branches: int
    operators: int
    reread_bytes: int


def parallel_blocks(workload: Workload) -> list[Block]:
    """All blocks of the workload in order of their forks; blocks may lie within one another.

    The join of a fork is its immediate post-dominator in the data flow (Cooper, Harvey, Kennedy, "A
    Simple, Fast Dominance Algorithm", 2001, on the reversed graph); the branches are the connected
    components of what lies between.
    """
    layers = workload.layers
    end = len(layers)
    # node i + 1 is layer i, node 0 all inputs of the network
    producer = {name: i + 1 for i, layer in enumerate(layers) for name in layer.outputs}
    producer.update(dict.fromkeys(workload.inputs, 0))
    readers: dict[str, list[int]] = {}
    followers: list[list[int]] = [[] for _ in range(end + 1)]
    for i, layer in enumerate(layers):
        for name in dict.fromkeys(layer.inputs):
            if name in producer:
                readers.setdefault(name, []).append(i + 1)
                if i + 1 not in followers[producer[name]]:
                    followers[producer[name]].append(i + 1)
    results = {producer.get(name, 0) for name in workload.outputs}
    join = _post_dominators(followers, results)
    made = [list(workload.inputs), *(list(layer.outputs) for layer in layers)]
    blocks = []
    for node, after in enumerate(followers):
        if len(after) < 2:
            continue
        branch = _branches(after, followers, join[node])
        multiplies = {n for n in branch if layers[n - 1].kind in MAC_KINDS}
        branches = {branch[n] for n in multiplies}
        if len(branches) < 2:
            continue
        reread = 0
        for name in made[node]:
            takers = {branch[n] for n in readers.get(name, ()) if n in branch} & branches
            reread += max(0, len(takers) - 1) * workload.tensor(name).nbytes
        blocks.append(
            Block(
                fork=layers[node - 1].name if node else "",
                join=layers[join[node] - 1].name if join[node] <= end else "",
                branches=len(branches),
                operators=len(multiplies),
                reread_bytes=reread,
            )
        )
    return blocks


def _post_dominators(followers: list[list[int]], results: set[int]) -> list[int]:
    """Immediate post-dominator of each node; ``len(followers)`` stands for the end of the network."""
    end = len(followers)
    above = [end] * end
    for node in range(end - 1, -1, -1):
        after = followers[node]
        meet = end if node in results or not after else after[0]
        for other in after[1:]:
            while meet != other:
                if meet < other:
                    meet = above[meet]
                else:
                    other = above[other]
        above[node] = meet
    return above


def _branches(starts: list[int], followers: list[list[int]], join: int) -> dict[int, int]:
    """Every node from ``starts`` up to ``join`` (left out) -> a number for its connected part."""
    parent = {node: node for node in starts if node != join}

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    stack = list(parent)
    while stack:
        node = stack.pop()
        for after in followers[node]:
            if after == join:
                continue
            if after not in parent:
                parent[after] = after
                stack.append(after)
            parent[find(after)] = find(node)
    return {node: find(node) for node in parent}
