"""ResNeXt: bottlenecks whose 3x3 works in many groups; Xie et al. 2016 (arXiv:1611.05431).

Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from steelyard.layers.residual import Bottleneck
from steelyard.zoo.catalog.resnext import ResNeXtConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.resnet import Block, ResNet, cifar_stem, imagenet_stem, stage_widths


def resnext(config: ResNeXtConfig) -> ResNet:
    """The networks of tables 1, 4 and 7, and all others of any cardinality and width.

    Stage i has C groups of d 2^i channels inside its bottlenecks, and 256 2^i channels behind them.

    Raises:
        UsageError: too many stages.
    """
    make_stem = imagenet_stem if config.stem == "imagenet" else cifar_stem
    widths = stage_widths(64, len(config.blocks), config.width)

    def block(stage: int, in_channels: int, channels: int, stride: int) -> Block:
        inner = config.cardinality * scaled(config.group_width * 2**stage, config.width)
        return Bottleneck(
            in_channels,
            channels,
            stride,
            config.shortcut,
            widths=(inner, inner),
            groups=config.cardinality,
        )

    stem = make_stem(config.in_channels, widths[0])
    return ResNet(stem, config.blocks, widths, block, config.num_classes)
