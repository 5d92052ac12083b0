"""Pre-activation residual networks, for ImageNet and for CIFAR; He et al. 2016 (arXiv:1603.05027).

`PreResNet` takes any stem and any block; wide residual networks are built from it, too. Module names
are those of the post-activation networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.preact import PreActBasic, PreActBottleneck
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.catalog.preresnet import PreResNetConfig
from steelyard.zoo.network import Network
from steelyard.zoo.resnet import (
    Block,
    MakeBlock,
    Stem,
    cifar_stem,
    imagenet_stem,
    make_stages,
    stage_widths,
)


class PreResNet(Network):
    """Stem, stages of pre-activation blocks, BN and ReLU, global average pooling, classifier.

    (N, 3, H, W) -> (N, classes).

    Args:
        stem: what stands before the stages.
        stem_norm: whether BN and ReLU follow the stem's convolution.
        blocks: residual blocks of each stage.
        widths: ``channels`` of the blocks of each stage.
        block: makes one block; all stages but the first begin with stride 2.
        num_classes: outputs.

    Raises:
        UsageError: too many stages.
    """

    def __init__(
        self,
        stem: Stem,
        stem_norm: bool,
        blocks: Sequence[int],
        widths: Sequence[int],
        block: MakeBlock,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.conv1 = stem.conv
        self.stem_norm = (
            nn.Sequential(nn.BatchNorm2d(stem.channels), nn.ReLU(inplace=True))
            if stem_norm
            else nn.Identity()
        )
        self.maxpool = stem.pool
        self.stages = len(blocks)
        stages, channels = make_stages(stem.channels, blocks, widths, block)
        for i, stage in enumerate(stages, start=1):
            self.add_module(f"layer{i}", stage)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        # as the authors' Torch code
        self.apply(init.he)
        nn.init.zeros_(self.fc.bias)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, stages and the last activation: (N, 3, H, W) -> (N, C, H/32, W/32)."""
        yield from (self.conv1, self.stem_norm, self.maxpool)
        for i in range(self.stages):
            yield self.get_submodule(f"layer{i + 1}")
        yield from (self.bn, self.relu)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out


def preresnet(config: PreResNetConfig) -> PreResNet:
    """The networks of the paper, and all others that their settings describe.

    Raises:
        UsageError: too many stages.
    """
    imagenet = config.stem == "imagenet"
    make_stem, base = (imagenet_stem, 64) if imagenet else (cifar_stem, 16)
    widths = stage_widths(base, len(config.blocks), config.width)

    def block(_: int, in_channels: int, channels: int, stride: int) -> Block:
        if config.block == "basic":
            se = squeeze_excite(channels, config.reduction)
            return PreActBasic(in_channels, channels, stride, config.shortcut, se=se)
        se = squeeze_excite(channels * PreActBottleneck.expansion, config.reduction)
        first = config.stride_at == "1x1"
        return PreActBottleneck(
            in_channels, channels, stride, config.shortcut, stride_first=first, se=se
        )

    stem = make_stem(config.in_channels, widths[0])
    return PreResNet(stem, config.stem_norm, config.blocks, widths, block, config.num_classes)


def squeeze_excite(channels: int, reduction: int | None) -> SqueezeExcite | None:
    """Squeeze-and-excitation with ``channels`` / ``reduction`` hidden channels, or none."""
    return SqueezeExcite(channels, max(1, channels // reduction)) if reduction else None
