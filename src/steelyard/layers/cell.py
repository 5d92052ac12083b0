"""A cell of a searched network, built from its graph: NASNet, AmoebaNet, ENAS, DARTS.

The graph is data (`steelyard.layers.genotype`). How the two incoming maps are brought to the cell's
width is the network's affair and differs between the papers.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from steelyard.layers.cell_ops import OpStyle, cell_op
from steelyard.layers.drop_path import DropPath
from steelyard.layers.factorized_reduction import FactorizedReduction
from steelyard.layers.genotype import CellGraph


class Cell(nn.Module):
    """Two maps -> one: (N, A, H', W'), (N, B, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)).

    Args:
        graph: steps and what is concatenated.
        channels: of every state that a step makes.
        previous: what is applied to the output of the cell before the last; it must give H x W.
        current: what is applied to the output of the last cell.
        widths: channels that ``previous`` and ``current`` give.
        stride: 1, or 2 in a reduction cell: then the operations on states 0 and 1 have it.
        style: details of the operations.
        drop_path: probability that, in training, a sample loses an edge that is no identity.

    Attributes:
        out_channels: channels of the output.

    Source: Zoph et al. 2017 (arXiv:1707.07012), fig. 3; tensorflow/models research/slim nets/nasnet: a
    concatenated state 0 or 1 of another size goes through a factorised reduction, of another width
    through a 1x1 convolution, both without ReLU.
    """

    def __init__(
        self,
        graph: CellGraph,
        channels: int,
        *,
        previous: nn.Module,
        current: nn.Module,
        widths: tuple[int, int],
        stride: int = 1,
        style: OpStyle | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        style = style or OpStyle()
        self.graph = graph
        joined = channels // 2 * 2 if stride > 1 else channels  # of a factorised reduction
        self.out_channels = sum(joined if s < 2 else channels for s in graph.concat)
        self.previous = previous
        self.current = current
        self.edges = nn.ModuleList(
            nn.ModuleList(
                cell_op(op, widths[s], channels, stride, style)
                if s < 2
                else cell_op(op, channels, channels, 1, style)
                for op, s in step
            )
            for step in graph.steps
        )
        self.joins = nn.ModuleDict(
            {
                str(s): _join(widths[s], joined, stride, style)
                for s in graph.concat
                if s < 2 and (stride > 1 or widths[s] != channels)
            }
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """(N, A, H', W'), (N, B, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride))."""
        states = [self.previous(previous), self.current(current)]
        for i, step in enumerate(self.graph.steps):
            terms = [self._edge(i, j, states[state]) for j, (_, state) in enumerate(step)]
            states.append(reduce(torch.add, terms))
        return torch.cat([self._joined(states[s], s) for s in self.graph.concat], dim=1)

    def _edge(self, step: int, edge: int, x: Tensor) -> Tensor:
        op = self.edges.get_submodule(f"{step}.{edge}")
        out: Tensor = op(x)
        return out if isinstance(op, nn.Identity) else self.drop_path(out)

    def _joined(self, state: Tensor, index: int) -> Tensor:
        name = str(index)
        out: Tensor = self.joins[name](state) if name in self.joins else state
        return out


def _join(in_channels: int, out_channels: int, stride: int, style: OpStyle) -> nn.Module:
    if stride > 1:
        return FactorizedReduction(in_channels, out_channels, relu=False, eps=style.eps)
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(conv, style.bn(out_channels))
