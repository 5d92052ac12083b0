"""Randomly wired networks: stages whose nodes are joined as a random graph says; Xie et al. 2019 (arXiv:1904.01569).

The paper does not say how weights begin; convolutions are initialised as in ResNet, edges with 0 (a
weight of one half).
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from random import Random

import torch
from torch import Tensor, nn

from steelyard.layers import init
from steelyard.zoo.catalog.randwire import RandWireConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network
from steelyard.zoo.random_graphs import Wiring, barabasi_albert, erdos_renyi, watts_strogatz


class RandomNode(nn.Module):
    """Weighted sum, ReLU, separable 3x3 convolution, batch normalisation (sec. 3.1, fig. 2).

    [(N, C, H, W), ...] -> (N, M, ceil(H/stride), ceil(W/stride)). The weights are positive: sigmoids of
    what is learnt.

    Args:
        in_channels, out_channels: C and M.
        edges: incoming ones; 0 for a node that takes the stage's input, unweighted.
        stride: of the depthwise convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, edges: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(edges)) if edges else None
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """[(N, C, H, W), ...] -> (N, M, ceil(H/stride), ceil(W/stride))."""
        x = maps[0]
        if self.weight is not None:
            shares = self.weight.sigmoid()
            x = reduce(torch.add, (y * shares[i] for i, y in enumerate(maps)))
        out: Tensor = self.bn(self.pointwise(self.depthwise(self.relu(x))))
        return out


class RandomStage(nn.Module):
    """A graph of nodes: (N, C, H, W) -> (N, M, ceil(H/2), ceil(W/2)).

    The stage's input goes, with stride 2, to the nodes that no node feeds; its output is the mean of the
    nodes that feed none (sec. 3.1, "Input and output nodes").

    Args:
        in_channels, out_channels: C and M.
        wiring: the graph.
    """

    def __init__(self, in_channels: int, out_channels: int, wiring: Wiring) -> None:
        super().__init__()
        self.sources = [wiring.sources(n) for n in range(wiring.nodes)]
        self.outputs = frozenset(wiring.outputs)
        self.last_reader = dict(wiring.edges)  # they are sorted: the largest reader stays
        self.nodes = nn.ModuleList(
            RandomNode(out_channels, out_channels, len(sources), 1)
            if sources
            else RandomNode(in_channels, out_channels, 0, 2)
            for sources in self.sources
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/2), ceil(W/2))."""
        live: dict[int, Tensor] = {}
        ends: list[Tensor] = []
        for n, (node, sources) in enumerate(zip(self.nodes, self.sources, strict=True)):
            y = node([live[s] for s in sources] if sources else [x])
            for s in sources:
                if self.last_reader[s] == n:
                    del live[s]
            if n in self.outputs:
                ends.append(y)
            else:
                live[n] = y
        return reduce(torch.add, ends) / len(ends)


class RandWire(Network):
    """Convolution, random stages, 1x1 convolution, pooling, classifier (table 1).

    (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, config: RandWireConfig) -> None:
        super().__init__()
        self.config = config
        c, random = scaled(config.filters, config.width), Random(config.seed)  # noqa: S311
        half, head = max(1, c // 2), scaled(1280, config.width)
        self.conv1 = nn.Sequential(
            nn.Conv2d(config.in_channels, half, 3, 2, 1, bias=False), nn.BatchNorm2d(half)
        )
        small = config.regime == "small"
        self.conv2: nn.Module
        if small:
            conv = nn.Conv2d(half, c, 3, 2, 1, bias=False)
            self.conv2 = nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(c))
        else:
            self.conv2 = RandomStage(half, c, self._wiring(max(3, config.nodes // 2), random))
        widths = (c, c, 2 * c, 4 * c) if small else (c, 2 * c, 4 * c, 8 * c)
        for i, (before, after) in enumerate(pairwise(widths), 3):
            stage = RandomStage(before, after, self._wiring(config.nodes, random))
            self.add_module(f"conv{i}", stage)
        self.conv6 = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(widths[-1], head, 1, bias=False),
            nn.BatchNorm2d(head),
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(config.dropout)
        self.fc = nn.Linear(head, config.num_classes)
        self.apply(init.he)

    def _wiring(self, nodes: int, random: Random) -> Wiring:
        config = self.config
        if config.generator == "ws":
            return watts_strogatz(nodes, config.k, config.p, random)
        if config.generator == "er":
            return erdos_renyi(nodes, config.p, random)
        return barabasi_albert(nodes, config.m, random)

    def trunk(self) -> list[nn.Module]:
        """Convolutions and stages: (N, 3, H, W) -> (N, C, H/32, W/32)."""
        return [self.get_submodule(f"conv{i}") for i in range(1, 6)]

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.drop(self.avgpool(self.conv6(x)).flatten(1)))
        return out
