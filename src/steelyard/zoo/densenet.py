"""Densely connected networks, for ImageNet and for CIFAR; Huang et al. 2016 (arXiv:1608.06993).

Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.dense import DenseBlock, Transition
from steelyard.zoo.catalog.densenet import DenseNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MAX_BLOCKS = 8


class DenseNet(Network):
    """Stem, dense blocks with transitions between them, global average pooling, classifier (table 1).

    (N, 3, H, W) -> (N, classes).

    Raises:
        UsageError: more than `MAX_BLOCKS` blocks.
    """

    def __init__(self, config: DenseNetConfig) -> None:
        super().__init__()
        if len(config.blocks) > MAX_BLOCKS:
            raise UsageError(
                f"blocks={config.blocks!r} gives {len(config.blocks)} dense blocks",
                expected=f"1 to {MAX_BLOCKS}",
            )
        growth = scaled(config.growth, config.width)
        plain = not config.bottleneck and config.compression == 1.0
        initial = config.initial or (16 if plain else 2 * config.growth)
        channels = scaled(initial, config.width)
        self.features = _stem(config, channels)
        for i, layers in enumerate(config.blocks):
            if i:
                kept = max(1, math.floor(channels * config.compression))
                transition = Transition(channels, kept, drop_rate=config.drop_rate)
                self.features.add_module(f"transition{i}", transition)
                channels = kept
            block = DenseBlock(
                channels,
                layers,
                growth,
                bottleneck=config.bottleneck,
                drop_rate=config.drop_rate,
                memory_efficient=config.memory_efficient,
            )
            self.features.add_module(f"denseblock{i + 1}", block)
            channels += layers * growth
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, config.num_classes)
        self.apply(init.he)
        nn.init.zeros_(self.classifier.bias)

    def trunk(self) -> Iterable[nn.Module]:
        """Stem, blocks and transitions, last normalisation, ReLU."""
        return (*self.features, self.relu)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out


def _stem(config: DenseNetConfig, channels: int) -> nn.Sequential:
    stem = nn.Sequential()
    if config.stem == "imagenet":
        conv = nn.Conv2d(config.in_channels, channels, 7, stride=2, padding=3, bias=False)
        stem.add_module("conv0", conv)
        stem.add_module("norm0", nn.BatchNorm2d(channels))
        stem.add_module("relu0", nn.ReLU(inplace=True))
        stem.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
    else:
        conv = nn.Conv2d(config.in_channels, channels, 3, padding=1, bias=False)
        stem.add_module("conv0", conv)
    return stem
