"""Condensed dense networks, in the form for training and in the form for inference.

Huang et al. 2017 (arXiv:1711.09224). Module names are those of the authors' networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.condensed import CondensedLinear, CondensedUnit
from steelyard.layers.learned_group_conv import LearnedGroupUnit, LearnedLinear
from steelyard.zoo.catalog.condensenet import CondenseNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MAX_BLOCKS = 8


class DenseLayer(nn.Module):
    """Learned group 1x1, grouped 3x3, concatenation: (N, C, H, W) -> (N, C + growth, H, W) (fig. 1, right)."""

    def __init__(self, config: CondenseNetConfig, in_channels: int, growth: int) -> None:
        super().__init__()
        inner = config.bottleneck * growth
        groups = config.groups_3x3 or config.groups
        self.conv_1 = _unit(config, in_channels, inner)
        self.conv_2 = nn.Sequential()
        self.conv_2.add_module("norm", nn.BatchNorm2d(inner))
        self.conv_2.add_module("relu", nn.ReLU(inplace=True))
        conv = nn.Conv2d(inner, growth, 3, padding=1, groups=groups, bias=False)
        self.conv_2.add_module("conv", conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + growth, H, W)."""
        return torch.cat([x, self.conv_2(self.conv_1(x))], dim=1)


class CondenseNet(Network):
    """3x3 stem, dense blocks of growing growth with average pooling between them, classifier (table 1).

    (N, 3, H, W) -> (N, classes).

    Raises:
        UsageError: growth rates that are not one for each block, or channels that the groups do
            not divide.
    """

    def __init__(self, config: CondenseNetConfig) -> None:
        super().__init__()
        _check(config)
        growths = [_scaled_growth(config, growth) for growth in config.growth]
        channels = 2 * growths[0]
        stride = 2 if config.stem == "imagenet" else 1
        self.features = nn.Sequential()
        stem = nn.Conv2d(config.in_channels, channels, 3, stride, padding=1, bias=False)
        self.features.add_module("init_conv", stem)
        for i, (layers, growth) in enumerate(zip(config.blocks, growths, strict=True)):
            if i:
                self.features.add_module(f"transition_{i}", nn.AvgPool2d(2))
            block = nn.Sequential()
            for j in range(layers):
                block.add_module(f"denselayer_{j + 1}", DenseLayer(config, channels, growth))
                channels += growth
            self.features.add_module(f"denseblock_{i + 1}", block)
        self.features.add_module("norm_last", nn.BatchNorm2d(channels))
        self.features.add_module("relu_last", nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = _classifier(config, channels)
        self.apply(init.he)
        for module in self.classifier.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def trunk(self) -> Iterable[nn.Module]:
        """Stem, blocks, poolings, last normalisation and ReLU."""
        return tuple(self.features)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out


def _unit(config: CondenseNetConfig, in_channels: int, out_channels: int) -> nn.Module:
    condensation = config.condensation or config.groups
    if config.condensed:
        return CondensedUnit(
            in_channels,
            out_channels,
            groups=config.groups,
            inputs_per_group=in_channels // condensation,
        )
    return LearnedGroupUnit(
        in_channels,
        out_channels,
        groups=config.groups,
        condensation=condensation,
        drop_rate=config.drop_rate,
    )


def _classifier(config: CondenseNetConfig, channels: int) -> nn.Module:
    layer = LearnedLinear(channels, config.num_classes, condensation=config.linear_condensation)
    if not config.condensed:
        return layer
    return CondensedLinear(channels, channels // config.linear_condensation, config.num_classes)


def _scaled_growth(config: CondenseNetConfig, growth: int) -> int:
    """The growth times the width, divided as often as the growth itself by what the groups need."""
    divisor = math.gcd(growth, math.lcm(config.groups, config.condensation or config.groups))
    return scaled(growth, config.width, divisor)


def _check(config: CondenseNetConfig) -> None:
    if len(config.growth) != len(config.blocks) or len(config.blocks) > MAX_BLOCKS:
        raise UsageError(
            f"blocks={config.blocks!r} with growth={config.growth!r} is not possible",
            expected=f"1 to {MAX_BLOCKS} blocks and a growth for each, e.g. blocks=(14, 14, 14) and "
            "growth=(8, 16, 32)",
        )
    groups, kept = config.groups, config.condensation or config.groups
    inner = [config.bottleneck * growth for growth in config.growth]
    outer, needed = config.groups_3x3 or groups, math.lcm(groups, config.groups_3x3 or groups)
    fits = not any(growth % math.lcm(kept, outer) for growth in config.growth)
    if not fits or any(maps % needed for maps in inner):
        raise UsageError(
            f"growth={config.growth!r} does not fit groups={groups}, condensation={kept}, "
            f"groups_3x3={outer} and bottleneck={config.bottleneck}",
            expected=f"growth rates that are multiples of {math.lcm(kept, outer)}, and times the bottleneck "
            f"of {needed}",
        )
