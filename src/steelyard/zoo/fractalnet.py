"""FractalNet; Larsson et al. 2016 (arXiv:1605.07648)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.fractal import FractalBlock
from steelyard.zoo.catalog.fractalnet import FractalNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class FractalNet(Network):
    """Fractal blocks, each with its pooling; global average pooling; classifier (fig. 1).

    (N, 3, H, W) -> (N, classes). In training a share of the samples goes one column only, the same in all
    blocks; the others drop paths join by join (sec. 3.1).
    """

    def __init__(self, config: FractalNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = [scaled(c, config.width) for c in config.channels]
        self.stem, first = nn.Sequential(), config.in_channels
        if config.stem == "imagenet":
            first = scaled(64, config.width)
            self.stem = nn.Sequential(
                nn.Conv2d(config.in_channels, first, 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(first),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, stride=2, padding=1),
            )
        last = max(1, len(channels) - 1)
        self.blocks = nn.ModuleList(
            FractalBlock(
                before,
                after,
                config.columns,
                config.drop_path,
                config.dropout * i / last,
                deepest=config.path == "deepest",
            )
            for i, (before, after) in enumerate(pairwise([first, *channels]))
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels[-1], config.num_classes)
        self.apply(init.caffe_xavier)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem and blocks: (N, 3, H, W) -> (N, C, P, Q)."""
        yield from self.stem
        yield from self.blocks

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        route = self._route(x) if self.training else None
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, route)
        return self.classify(x)

    def _route(self, x: Tensor) -> Tensor:
        """For each sample its one column, or -1: (N,)."""
        n, device = x.shape[0], x.device
        column = torch.randint(self.config.columns, (n,), device=device)
        whole = torch.rand(n, device=device) < self.config.global_paths
        return torch.where(whole, column, -1)
