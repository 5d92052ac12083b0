"""Residual networks, for ImageNet (v1 and v1.5) and for CIFAR; He et al. 2015 (arXiv:1512.03385).

`ResNet` takes any stem and any block: its relatives (ResNeXt, SENet, dilated and wide ones) are built
from it. Module names are torchvision's, so that its weights fit the v1.5 networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.preact import PreActBasic, PreActBottleneck
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.zoo.catalog.resnet import ResNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MAX_STAGES = 8

Block = BasicBlock | Bottleneck | PreActBasic | PreActBottleneck
MakeBlock = Callable[[int, int, int, int], Block]
"""Makes a block from (stage from 0, in_channels, channels, stride)."""


@dataclass(frozen=True, slots=True)
class Stem:
    """What stands before the first stage.

    Attributes:
        conv: the convolution, to be followed by batch normalisation and ReLU.
        channels: its output channels.
        pool: what follows.
    """

    conv: nn.Module
    channels: int
    pool: nn.Module


def imagenet_stem(in_channels: int, channels: int) -> Stem:
    """7x7 and pooling, stride 2 each (table 1)."""
    conv = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)
    return Stem(conv, channels, nn.MaxPool2d(3, stride=2, padding=1))


def cifar_stem(in_channels: int, channels: int) -> Stem:
    """3x3 at full resolution (sec. 4.2)."""
    conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    return Stem(conv, channels, nn.Identity())


class ResNet(Network):
    """Stem, stages of residual blocks, global average pooling, classifier (table 1; sec. 4.2 for CIFAR).

    (N, 3, H, W) -> (N, classes).

    Args:
        stem: what stands before the stages.
        blocks: residual blocks of each stage.
        widths: ``channels`` of the blocks of each stage.
        block: makes one block; all stages but the first begin with stride 2.
        num_classes: outputs.
        dropout: before the classifier.

    Raises:
        UsageError: more than `MAX_STAGES` stages.
    """

    def __init__(
        self,
        stem: Stem,
        blocks: Sequence[int],
        widths: Sequence[int],
        block: MakeBlock,
        num_classes: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = stem.conv
        self.bn1 = nn.BatchNorm2d(stem.channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = stem.pool
        self.stages = len(blocks)
        stages, channels = make_stages(stem.channels, blocks, widths, block)
        for i, stage in enumerate(stages, start=1):
            self.add_module(f"layer{i}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        self.apply(init.he)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem and stages: (N, 3, H, W) -> (N, C, H/32, W/32)."""
        yield from (self.conv1, self.bn1, self.relu, self.maxpool)
        for i in range(self.stages):
            yield self.get_submodule(f"layer{i + 1}")

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out


def resnet(config: ResNetConfig) -> ResNet:
    """The networks of the paper, and all others that their settings describe.

    Raises:
        UsageError: more than `MAX_STAGES` stages.
    """
    make_stem, base = (imagenet_stem, 64) if config.stem == "imagenet" else (cifar_stem, 16)
    widths = stage_widths(base, len(config.blocks), config.width)

    option = None if config.plain else config.shortcut

    def block(_: int, in_channels: int, channels: int, stride: int) -> Block:
        if config.block == "basic":
            return BasicBlock(in_channels, channels, stride, option)
        first = config.stride_at == "1x1"
        return Bottleneck(in_channels, channels, stride, option, stride_first=first)

    stem = make_stem(config.in_channels, widths[0])
    return ResNet(stem, config.blocks, widths, block, config.num_classes)


def stage_widths(base: int, stages: int, width: float) -> list[int]:
    """Channels of each stage: doubled from one to the next, times ``width``."""
    return [scaled(base * 2**i, width) for i in range(stages)]


def make_stages(
    channels: int, blocks: Sequence[int], widths: Sequence[int], block: MakeBlock
) -> tuple[list[nn.Sequential], int]:
    """The stages behind a stem of so many channels, and the channels of the last one's output.

    Raises:
        UsageError: more than `MAX_STAGES` stages.
    """
    if len(blocks) > MAX_STAGES:
        raise UsageError(
            f"blocks={tuple(blocks)!r} gives {len(blocks)} stages", expected=f"1 to {MAX_STAGES}"
        )
    stages = []
    for i, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        stage = nn.Sequential()
        for j in range(count):
            made = block(i, channels, width, 2 if i and j == 0 else 1)
            stage.append(made)
            channels = width * made.expansion
        stages.append(stage)
    return stages, channels
