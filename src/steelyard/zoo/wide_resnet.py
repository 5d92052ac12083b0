"""Wide residual networks, for CIFAR and for ImageNet; Zagoruyko and Komodakis 2016 (arXiv:1605.07146).

Module names of the ImageNet networks are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from steelyard.errors import UsageError
from steelyard.layers.preact import PreActBasic
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.zoo.catalog.wide_resnet import WideResNetCIFARConfig, WideResNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.preresnet import PreResNet, squeeze_excite
from steelyard.zoo.resnet import Block, ResNet, cifar_stem, imagenet_stem, stage_widths


def wide_resnet_cifar(config: WideResNetCIFARConfig) -> PreResNet:
    """WRN-depth-k of table 1: three stages of (depth - 4) / 6 pre-activation basic blocks.

    Raises:
        UsageError: no such depth.
    """
    blocks, rest = divmod(config.depth - 4, 6)
    if rest:
        raise UsageError(
            f"depth={config.depth} is not possible",
            expected="6 n + 4: 10, 16, 22, 28, 34, 40 ...",
            hint=f"depth={6 * blocks + 4} or depth={6 * blocks + 10}",
        )

    def block(_: int, in_channels: int, channels: int, stride: int) -> Block:
        se = squeeze_excite(channels, config.reduction)
        return PreActBasic(
            in_channels, channels, stride, config.shortcut, dropout=config.dropout, se=se
        )

    stem = cifar_stem(config.in_channels, scaled(16, config.width))
    widths = stage_widths(16, 3, config.k * config.width)
    return PreResNet(stem, False, (blocks,) * 3, widths, block, config.num_classes)


def wide_resnet(config: WideResNetConfig) -> ResNet:
    """The networks of sec. 3, ImageNet: basic blocks k times as wide, or bottlenecks with a wide 3x3.

    Raises:
        UsageError: too many stages.
    """
    basic = config.block == "basic"
    widths = stage_widths(64, len(config.blocks), config.width * (config.k if basic else 1))

    def block(stage: int, in_channels: int, channels: int, stride: int) -> Block:
        if basic:
            return BasicBlock(in_channels, channels, stride, config.shortcut)
        inner = scaled(64 * 2**stage, config.width * config.k)
        first = config.stride_at == "1x1"
        return Bottleneck(
            in_channels,
            channels,
            stride,
            config.shortcut,
            stride_first=first,
            widths=(inner, inner),
        )

    stem = imagenet_stem(config.in_channels, scaled(64, config.width))
    return ResNet(stem, config.blocks, widths, block, config.num_classes)
