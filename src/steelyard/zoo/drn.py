"""Dilated residual networks, output stride 8: DRN-A, DRN-C, DRN-D; Yu et al. 2017 (arXiv:1705.09914).

Names of levels are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.layers.shortcut import shortcut
from steelyard.zoo.catalog.drn import DRNConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network
from steelyard.zoo.resnet import Block, ResNet, imagenet_stem, stage_widths

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
"""Of levels 1 to 8 of DRN-C and DRN-D."""

STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
"""Of the first block of each level."""

DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
"""Of each level."""


def drn(config: DRNConfig) -> Network:
    """The networks of fig. 4 and table 1, and all others that their settings describe.

    Raises:
        UsageError: not as many levels as the kind has.
    """
    levels = 4 if config.kind == "A" else 8
    if len(config.blocks) != levels:
        raise UsageError(
            f"blocks={config.blocks!r} gives {len(config.blocks)} levels",
            expected=f"{levels} for kind={config.kind!r}",
        )
    return _dilated_resnet(config) if config.kind == "A" else DRN(config)


def _dilated_resnet(config: DRNConfig) -> ResNet:
    """DRN-A: stages 3 and 4 dilate by 2 and 4 in place of their strides."""
    widths = stage_widths(64, len(config.blocks), config.width)

    def block(stage: int, in_channels: int, channels: int, stride: int) -> Block:
        dilation = (1, 1, 2, 4)[stage]
        stride = stride if dilation == 1 else 1
        return _block(config, in_channels, channels, stride, dilation)

    stem = imagenet_stem(config.in_channels, widths[0])
    return ResNet(stem, config.blocks, widths, block, config.num_classes)


class DRN(Network):
    """DRN-C and DRN-D: a 7x7, eight levels, average, 1x1: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: DRNConfig) -> None:
        super().__init__()
        self.config = config
        channels = scaled(CHANNELS[0], config.width)
        self.layer0 = nn.Sequential(
            nn.Conv2d(config.in_channels, channels, 7, padding=3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        for i in range(len(CHANNELS)):
            level, channels = self._level(i, channels)
            self.add_module(f"layer{i + 1}", level)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(channels, config.num_classes, 1)
        self.apply(init.he)

    def _level(self, i: int, in_channels: int) -> tuple[nn.Sequential, int]:
        """Level i from 0, and the channels of its output."""
        config, stride, dilation = self.config, STRIDES[i], DILATIONS[i]
        channels = scaled(CHANNELS[i], config.width)
        level = nn.Sequential()
        for _ in range(config.blocks[i]):
            if 2 <= i < 6:
                block = _block(config, in_channels, channels, stride, dilation)
                level.append(block)
                in_channels = channels * block.expansion
            else:
                level.extend(self._outer(i, in_channels, channels, stride, dilation))
                in_channels = channels
            stride = 1
        return level, in_channels

    def _outer(
        self, i: int, in_channels: int, channels: int, stride: int, dilation: int
    ) -> nn.Sequential | list[nn.Module]:
        """A block of levels 1, 2 (basic in C), 7 and 8 (without shortcut); in D plain convolutions."""
        if self.config.kind == "D":
            return _conv(in_channels, channels, stride, dilation)
        if i < 2:
            return [BasicBlock(in_channels, channels, stride, "B")]
        unused = self.config.unused_projection
        return [PlainBlock(in_channels, channels, dilation, unused_projection=unused)]

    def trunk(self) -> Iterator[nn.Module]:
        """The levels: (N, 3, H, W) -> (N, 512, H/8, W/8)."""
        for i in range(len(CHANNELS) + 1):
            yield self.get_submodule(f"layer{i}")

    def classify(self, x: Tensor) -> Tensor:
        """(N, 512, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x)).flatten(1)
        return out


class PlainBlock(nn.Module):
    """A basic block without its shortcut (fig. 5c): (N, C, H, W) -> (N, channels, H, W).

    Args:
        unused_projection: where C is not ``channels``, a projection is computed and dropped, as the
            authors' code does.
    """

    def __init__(
        self, in_channels: int, channels: int, dilation: int, *, unused_projection: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, 1, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut("B", in_channels, channels, 1) if unused_projection else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H, W)."""
        if self.downsample is not None:
            self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)))
        return out


def _block(
    config: DRNConfig, in_channels: int, channels: int, stride: int, dilation: int
) -> BasicBlock | Bottleneck:
    if config.block == "basic":
        return BasicBlock(in_channels, channels, stride, "B", dilation=dilation)
    return Bottleneck(in_channels, channels, stride, "B", dilation=dilation)


def _conv(in_channels: int, channels: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
