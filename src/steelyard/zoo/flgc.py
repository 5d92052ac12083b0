"""MobileNetV2 for CIFAR, and the same with fully learnable group convolution.

Wang et al. 2019 (arXiv:1904.00346); Sandler et al. 2018 (arXiv:1801.04381). Module names are those of
kuangliu/pytorch-cifar.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.flgc import FLGConv2d, UnequalGroupConv2d
from steelyard.zoo.catalog.flgc import FLGCConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MAX_STAGES = 16


class Block(nn.Module):
    """1x1 to more channels, depthwise 3x3, 1x1 without activation; a shortcut where the stride is 1.

    (N, C, H, W) -> (N, out_channels, H/stride, W/stride).
    """

    def __init__(
        self, config: FLGCConfig, in_channels: int, out_channels: int, stride: int, *, first: bool
    ) -> None:
        super().__init__()
        inner = in_channels if first else config.expansion * in_channels
        everywhere = config.where == "all"
        self.expands = config.expand_first or not first
        if self.expands:
            self.conv1 = _pointwise(config, in_channels, inner, learnt=everywhere)
            self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = _pointwise(config, inner, out_channels, learnt=True)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride == 1 and in_channels != out_channels:
            projection = _pointwise(config, in_channels, out_channels, learnt=everywhere)
            self.shortcut.extend([projection, nn.BatchNorm2d(out_channels)])
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H/stride, W/stride)."""
        y = self.relu(self.bn1(self.conv1(x))) if self.expands else x
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = y + self.shortcut(x) if self.residual else y
        return out


class MobileNetV2CIFAR(Network):
    """3x3 stem, blocks, 1x1 head, global average pooling, classifier: (N, 3, H, W) -> (N, classes).

    Raises:
        UsageError: channels, blocks and strides that are not one for each stage.
    """

    def __init__(self, config: FLGCConfig) -> None:
        super().__init__()
        _check(config)
        channels = scaled(config.stem, config.width)
        self.conv1 = nn.Conv2d(config.in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layers = nn.Sequential()
        stages = zip(config.channels, config.blocks, config.strides, strict=True)
        for i, (out_channels, blocks, first_stride) in enumerate(stages):
            width = scaled(out_channels, config.width)
            for j in range(blocks):
                stride = 1 if j else first_stride
                self.layers.append(Block(config, channels, width, stride, first=i == 0))
                channels = width
        head = scaled(config.head, config.width)
        self.conv2 = _pointwise(config, channels, head, learnt=config.where == "all")
        self.bn2 = nn.BatchNorm2d(head)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(head, config.num_classes)
        self.apply(init.he)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def trunk(self) -> Iterable[nn.Module]:
        """Stem, blocks, head."""
        stem = (self.conv1, self.bn1, self.relu)
        return (*stem, *self.layers, self.conv2, self.bn2, self.relu)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.linear(self.avgpool(x).flatten(1))
        return out


def _pointwise(
    config: FLGCConfig, in_channels: int, out_channels: int, *, learnt: bool
) -> nn.Module:
    """A 1x1 convolution; ``learnt``: with the groups of the settings, if there are any."""
    groups = config.groups
    if not learnt or groups == 1:
        return nn.Conv2d(in_channels, out_channels, 1, bias=False)
    if not config.grouped:
        return FLGConv2d(in_channels, out_channels, groups=groups)
    if min(in_channels, out_channels) < groups:
        raise UsageError(
            f"{in_channels} inputs and {out_channels} filters do not make {groups} groups",
            expected="no more groups than channels",
        )
    # inputs are dealt in turn, filters in runs: groups of neighbouring layers mix
    return UnequalGroupConv2d(
        [i % groups for i in range(in_channels)],
        [i * groups // out_channels for i in range(out_channels)],
    )


def _check(config: FLGCConfig) -> None:
    lengths = {len(config.channels), len(config.blocks), len(config.strides)}
    if len(lengths) != 1 or len(config.channels) > MAX_STAGES:
        raise UsageError(
            f"channels={config.channels!r}, blocks={config.blocks!r} and strides={config.strides!r} do "
            "not describe the same stages",
            expected=f"one of each for every stage, at most {MAX_STAGES}",
        )
