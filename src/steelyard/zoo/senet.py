"""Squeeze-and-excitation networks: SE-ResNet, SE-ResNeXt, SENet-154, SE-BN-Inception; Hu et al. 2017 (arXiv:1709.01507).

Module names are those of timm's residual networks, so that its weights fit.
"""

from __future__ import annotations

from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.layers.squeeze_excite import SqueezeExcite
from steelyard.zoo.catalog.senet import SEInceptionConfig, SENetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.inception_v2 import InceptionV2
from steelyard.zoo.resnet import Block, ResNet, Stem, stage_widths


def senet(config: SENetConfig) -> ResNet:
    """The residual networks of tables 1 and 2 and SENet-154, and all others that their settings describe.

    Raises:
        UsageError: too many stages, or groups in basic blocks.
    """
    if config.block == "basic" and config.cardinality != 1:
        raise UsageError(
            f"cardinality={config.cardinality} is not possible with basic blocks",
            expected="a bottleneck",
            hint="block='bottleneck' or cardinality=1",
        )
    widths = stage_widths(64, len(config.blocks), config.width)

    def block(stage: int, in_channels: int, channels: int, stride: int) -> Block:
        if config.block == "basic":
            se: nn.Module = _squeeze_excite(channels, config.reduction, config.multiple_of)
            if config.rectified:
                se = nn.Sequential(nn.ReLU(inplace=True), se)
            return BasicBlock(in_channels, channels, stride, config.shortcut, se=se)
        step = 2 if config.halved else 1
        inner = config.cardinality * scaled(config.group_width * 2**stage, config.width, step)
        return Bottleneck(
            in_channels,
            channels,
            stride,
            config.shortcut,
            stride_first=config.stride_at == "1x1",
            widths=(inner // step, inner),
            groups=config.cardinality,
            projection=1 if stride == 1 else config.projection,
            se=_squeeze_excite(
                channels * Bottleneck.expansion, config.reduction, config.multiple_of
            ),
        )

    return ResNet(_stem(config), config.blocks, widths, block, config.num_classes, config.dropout)


def se_inception(config: SEInceptionConfig) -> InceptionV2:
    """BN-Inception with squeeze-and-excitation behind every module (fig. 2)."""
    return InceptionV2(config, lambda channels: _squeeze_excite(channels, config.reduction))


def _squeeze_excite(channels: int, reduction: int, step: int = 1) -> SqueezeExcite:
    hidden = max(step, int(channels / reduction + step / 2) // step * step)
    return SqueezeExcite(channels, hidden)


def _stem(config: SENetConfig) -> Stem:
    channels = scaled(64, config.width)
    pool = (
        nn.MaxPool2d(3, stride=2, ceil_mode=True)
        if config.pool == "ceil"
        else nn.MaxPool2d(3, stride=2, padding=1)
    )
    if config.stem == "7x7":
        conv = nn.Conv2d(config.in_channels, channels, 7, stride=2, padding=3, bias=False)
        return Stem(conv, channels, pool)
    convs = nn.Sequential(
        nn.Conv2d(config.in_channels, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
    )
    return Stem(convs, 2 * channels, pool)
