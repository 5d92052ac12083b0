"""`SharedCells`: all networks of a DARTS space in one: every operation on every edge of every cell, mixed or picked.

DARTS (Liu et al. 2018, arXiv:1806.09055), sec. 2.2: an edge is the sum of all operations, weighed; ENAS (Pham et al.
2018, arXiv:1802.03268), sec. 2.4: a network is the operations that it picks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from steelyard.design.sharing.base import SharedWeights, built, forget_statistics
from steelyard.design.spaces.base import Point
from steelyard.design.spaces.cells import CELLS, DartsSpace
from steelyard.errors import UsageError
from steelyard.layers.cell import Cell
from steelyard.layers.cell_ops import CellPool
from steelyard.layers.genotype import CellGraph, Genotype
from steelyard.zoo.darts import DARTS
from steelyard.zoo.registry import create

Mix = Mapping[str, Sequence[Sequence[tuple[int, Tensor | None]]]]
"""For each kind of cell and each step: numbers of the edges that are added up, and their weights; None: 1."""


class SharedCells(SharedWeights):
    """The network of a DARTS space with all operations on all edges.

    Args:
        space: with one number of cells and one of filters.
        learnt_norms: normalisations have weights of their own; DARTS has none while it searches, and normalises behind
            pooling (sec. 3.1.1).
        layers, filters: other than the space's, 0: the space's.

    Raises:
        UsageError: several numbers of cells or filters.
    """

    def __init__(
        self, space: DartsSpace, *, learnt_norms: bool = True, layers: int = 0, filters: int = 0
    ) -> None:
        super().__init__()
        if len(space.layers) > 1 or len(space.filters) > 1:
            raise UsageError(
                f"{space.name} has cells {list(space.layers)}, filters {list(space.filters)}",
                expected="one number of each: networks of different sizes share no weights here",
                hint="layers = 8 and filters = 16 in the space's file",
            )
        self.space: DartsSpace = replace(
            space,
            layers=(layers or space.layers[0],),
            filters=(filters or space.filters[0],),
            settings={**space.settings, "drop_path": 0.0, "aux_head": False},
        )
        self.operations = space.operations
        self.graph = full_graph(space)
        self.edges = [{edge: i for i, edge in enumerate(step)} for step in self.graph.steps]
        self.network = _whole(self.space, self.graph)
        forget_statistics(self.network)
        if not learnt_norms:
            _unlearn(self.network)

    def forward(self, images: Tensor, point: Point) -> Tensor:
        """The network of a point: (N, C, H, W) -> (N, classes)."""
        return self.mixed(images, self.picked(point))

    def picked(self, point: Point) -> Mix:
        """The edges of a point."""
        genotype = self.space.genotype(point)
        return {
            kind: [[(self.edges[i][edge], None) for edge in step] for i, step in enumerate(graph.steps)]
            for kind, graph in zip(CELLS, (genotype.normal, genotype.reduction), strict=True)
        }  # fmt: skip

    def mixed(self, images: Tensor, mix: Mix) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        previous = x = images
        for step in self.network.stem.children():
            previous, x = x, step(x)
        if self.network.stem_maps != 2:
            previous = x
        for cell, kind in self.cells():
            previous, x = x, _run(cell, previous, x, mix[kind])
        return self.network.classify(x)

    def cells(self) -> list[tuple[Cell, str]]:
        """The cells in order, and of which kind they are."""
        count = len(self.network.chain.cells)
        halving = (count // 3, 2 * count // 3)
        cells = [cell for cell in self.network.chain.cells.values() if isinstance(cell, Cell)]
        return [(cell, CELLS[i in halving]) for i, cell in enumerate(cells)]

    def extract(self, point: Point) -> nn.Module:
        """The network of a point as an ordinary one, with copies of its weights."""
        network = built(self.space, point)
        picked = self.picked(point)
        if not isinstance(network, DARTS):
            raise UsageError(f"{self.space.network} is no network of DARTS' layout")
        for name, part in network.named_children():
            if name != "chain":
                _copy(part, self.network.get_submodule(name))
        theirs = [cell for cell in network.chain.cells.values() if isinstance(cell, Cell)]
        for (ours, kind), cell in zip(self.cells(), theirs, strict=True):
            _copy(cell.previous, ours.previous)
            _copy(cell.current, ours.current)
            for i, step in enumerate(picked[kind]):
                for j, (number, _) in enumerate(step):
                    edge = ours.edges.get_submodule(f"{i}.{number}")
                    _copy(cell.edges.get_submodule(f"{i}.{j}"), edge)
        return network


def full_graph(space: DartsSpace) -> CellGraph:
    """A cell whose every step adds up all operations on all earlier states."""
    steps = tuple(
        tuple((op, state) for state in range(i + 2) for op in space.operations)
        for i in range(space.steps)
    )
    return CellGraph(steps, tuple(range(2, space.steps + 2)))


def _whole(space: DartsSpace, graph: CellGraph) -> DARTS:
    name, settings = space.zoo(tuple(0 for _ in space.choices))
    with torch.random.fork_rng(devices=[]):
        network = create(name, **{**settings, "cell": Genotype(graph, graph)})
    if not isinstance(network, DARTS):
        raise UsageError(f"{name} is no network of DARTS' layout", hint="darts_v2_cifar")
    return network


def _run(
    cell: Cell,
    previous: Tensor,
    current: Tensor,
    mix: Sequence[Sequence[tuple[int, Tensor | None]]],
) -> Tensor:
    """A cell with some of its edges."""
    states: list[Tensor] = [cell.previous(previous), cell.current(current)]
    for i, step in enumerate(mix):
        total: Tensor | None = None
        for number, weight in step:
            _, state = cell.graph.steps[i][number]
            term = cell.edges.get_submodule(f"{i}.{number}")(states[state])
            term = term if weight is None else weight * term
            total = term if total is None else total + term
        if total is None:
            raise UsageError(f"step {i} of a cell adds up nothing", expected="one edge or more")
        states.append(total)
    return torch.cat([states[s] for s in cell.graph.concat], dim=1)


def _unlearn(network: nn.Module) -> None:
    """Normalisations without weights, and one behind every pooling."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.affine = False
            module.register_parameter("weight", None)
            module.register_parameter("bias", None)
    for cell in network.modules():
        if isinstance(cell, Cell):
            for step in cell.edges.children():
                for name, op in step.named_children():
                    if isinstance(op, (nn.MaxPool2d, nn.AvgPool2d, CellPool)):
                        setattr(step, name, nn.Sequential(op, _Standard()))


class _Standard(nn.Module):
    """Batch normalisation without weights and statistics: (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return nn.functional.batch_norm(x, None, None, training=True)


def _copy(into: nn.Module, of: nn.Module) -> None:
    own = dict(of.named_parameters())
    with torch.no_grad():
        for name, parameter in into.named_parameters():
            parameter.copy_(own[name])
