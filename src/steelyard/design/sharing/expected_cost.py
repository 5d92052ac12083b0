"""`ExpectedCost`: what a network of mixed operations is expected to cost, as a function that has gradients.

As FBNet (Wu et al. 2018, arXiv:1812.03443, sec. 3.2: a table of every operation's latency, summed) and ProxylessNAS (Cai
et al. 2018, arXiv:1812.00332, "Making latency differentiable": the sum over the edges of the operations' latencies times
their probabilities). All edges count, though DARTS keeps two a step; so it is the share of what the mean of all operations
takes that matters, and 1 stands for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steelyard.capture.api import capture
from steelyard.design.sharing.cells import SharedCells
from steelyard.design.spaces.cells import CELLS
from steelyard.layers.cell_ops import OpStyle, cell_op
from steelyard.workload import Workload


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """The cost of every operation on every edge, of all cells of a kind together.

    Attributes:
        tables: for each kind of cell (edges, operations), in the cost's unit.
        mean: of all operations alike, over all edges, in that unit.
    """

    tables: Mapping[str, Tensor]
    mean: float

    def __call__(self, shares: Mapping[str, Tensor]) -> Tensor:
        """The expected cost over that of all operations alike: 1 where shares are equal.

        Args:
            shares: of the operations, for each kind of cell (edges, operations); they sum to 1 over an edge, but for
                what a connection that is none takes.
        """
        total = torch.stack([(shares[kind] * self.tables[kind]).sum() for kind in CELLS]).sum()
        return total / self.mean


def expected_cost(shared: SharedCells, cost: Callable[[Workload], float]) -> ExpectedCost:
    """Finds what the operations cost, each captured alone on the map that it has in the network.

    Args:
        shared: the network.
        cost: of a captured operation.
    """
    style: OpStyle = shared.network.chain.style
    known: dict[tuple[str, tuple[int, ...], int, int], float] = {}

    def told(op: str, shape: tuple[int, ...], channels: int, stride: int) -> float:
        key = (op, shape, channels, stride)
        if key not in known:
            with torch.random.fork_rng(devices=[]):
                module = cell_op(op, shape[1], channels, stride, style).eval()
            free = isinstance(module, nn.Identity)
            known[key] = 0.0 if free else cost(capture(module, input_shape=shape))
        return known[key]

    steps = shared.graph.steps
    edges = sum(len(step) for step in steps) // len(shared.operations)
    tables = {kind: torch.zeros(edges, len(shared.operations)) for kind in CELLS}
    for (previous, current, channels, stride), (_, kind) in zip(
        _maps(shared), shared.cells(), strict=True
    ):
        inner = (1, channels, -(-current[2] // stride), -(-current[3] // stride))
        flat = [edge for step in steps for edge in step]
        values = [
            told(op, (previous, current)[state] if state < 2 else inner, channels, stride if state < 2 else 1)
            for op, state in flat
        ]  # fmt: skip
        tables[kind] += torch.tensor(values).view(edges, -1)
    mean = sum(float(table.mean(1).sum()) for table in tables.values())
    return ExpectedCost(tables, mean or 1.0)


def _maps(
    shared: SharedCells,
) -> list[tuple[tuple[int, ...], tuple[int, ...], int, int]]:
    """Of every cell: the shapes of its two states, the channels of its others, and its stride."""
    found: list[tuple[tuple[int, ...], tuple[int, ...], int, int]] = []
    shapes: list[tuple[int, ...]] = []

    def note(_: nn.Module, __: object, out: Tensor) -> None:
        shapes.append(tuple(out.shape))

    every = [cell for cell, _ in shared.cells()]
    hooks = [
        part.register_forward_hook(note) for cell in every for part in (cell.previous, cell.current)
    ]
    point = tuple(0 for _ in shared.space.choices)
    try:
        with torch.no_grad():
            shared(torch.zeros(2, *shared.space.input_shape(point)[1:]), point)
    finally:
        for hook in hooks:
            hook.remove()
    for i, (_, kind) in enumerate(shared.cells()):
        previous, current = ((1, *shape[1:]) for shape in shapes[2 * i : 2 * i + 2])
        found.append((previous, current, current[1], 1 + (kind == CELLS[1])))
    return found
