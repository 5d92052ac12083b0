"""`parallel_blocks` against paths and components found by brute force, and by hand."""

from __future__ import annotations

from hypothesis import given, settings
from workload_strategies import Net, workloads

from steelyard.cost.fragments import Block, parallel_blocks
from steelyard.workload import MAC_KINDS, Workload


def edges(load: Workload) -> dict[str, set[str]]:
    """Layer -> the layers that read what it made; "" stands for the network's inputs."""
    maker = {n: layer.name for layer in load.layers for n in layer.outputs}
    after: dict[str, set[str]] = {"": set(), **{layer.name: set() for layer in load.layers}}
    for layer in load.layers:
        for name in layer.inputs:
            after[maker.get(name, "")].add(layer.name)
    return after


def paths(load: Workload, after, node: str):
    """Every way from ``node`` to a result (or dead end) of the network."""
    results = {layer.name for layer in load.layers if set(layer.outputs) & set(load.outputs)}
    if node in results or (node == "" and set(load.inputs) & set(load.outputs)) or not after[node]:
        yield [node]
    for follower in after[node]:
        for path in paths(load, after, follower):
            yield [node, *path]


def brute_force(load: Workload) -> list[Block]:
    after = edges(load)
    order = ["", *(layer.name for layer in load.layers)]
    blocks = []
    for fork in order:
        if len(after[fork]) < 2:
            continue
        ways = list(paths(load, after, fork))
        common = set.intersection(*map(set, ways)) - {fork}
        join = min(common, key=order.index) if common else ""
        between = {n for way in ways for n in way[1 : way.index(join) if join else None]}
        parts: list[set[str]] = []
        for node in between:  # flood fill, edges taken both ways
            if any(node in part for part in parts):
                continue
            part, front = {node}, [node]
            while front:
                at = front.pop()
                near = (after[at] | {n for n in between if at in after[n]}) & between
                front += near - part
                part |= near
            parts.append(part)
        multiplies = {layer.name for layer in load.layers if layer.kind in MAC_KINDS}
        branches = [part for part in parts if part & multiplies]
        if len(branches) < 2:
            continue
        made = load.inputs if fork == "" else load.layer(fork).outputs
        reread = 0
        for name in made:
            readers = {layer.name for layer in load.layers if name in layer.inputs}
            takers = sum(bool(part & readers) for part in branches)
            reread += max(0, takers - 1) * load.tensor(name).nbytes
        operators = len(set.union(*branches) & multiplies)
        blocks.append(Block(fork, join, len(branches), operators, reread))
    return blocks


@given(workloads(max_layers=9, kinds=("conv", "relu", "add", "cat", "matmul", "conv", "pool")))
@settings(deadline=None, max_examples=300)
def test_against_brute_force(load):
    assert parallel_blocks(load) == brute_force(load)


def test_an_inception_block():
    """1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1: four branches, six convolutions."""
    net = Net()
    net.tensor("x", (1, 4, 8, 8), "input")
    stem = net.conv("x", 4)
    branches = [
        net.conv(stem, 2),
        net.conv(net.conv(stem, 2), 3, 3, pad=1),
        net.conv(net.conv(stem, 2), 3, 3, pad=1),
        net.conv(net.relu(stem), 2),
    ]
    join = net.cat(branches)
    net.relu(join)
    (block,) = parallel_blocks(net.finish())
    assert block == Block(stem, join, branches=4, operators=6, reread_bytes=3 * 4 * 64 * 4)


def test_branches_inside_branches():
    net = Net()
    net.tensor("x", (1, 4, 8, 8), "input")
    stem = net.relu("x")
    left = net.conv(stem, 4)
    inner = net.binary("add", net.conv(left, 4), net.conv(left, 4))
    net.binary("add", inner, net.conv(stem, 4))
    outer, nested = parallel_blocks(net.finish())
    assert (outer.fork, outer.branches, outer.operators) == (stem, 2, 4)
    assert (nested.fork, nested.join, nested.branches) == (left, inner, 2)
