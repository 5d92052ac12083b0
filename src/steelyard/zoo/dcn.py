"""Residual networks whose last 3x3 convolutions are deformable; Dai et al. 2017 (arXiv:1703.06211).

As backbones of DeepLab, R-FCN and Faster R-CNN (``features_only=True``); the classifier is ResNet's, for
pretraining. v2, with modulation: Zhu et al. 2018 (arXiv:1811.11168).
"""

from __future__ import annotations

from functools import partial

from torch import nn

from steelyard.errors import UsageError
from steelyard.layers.deform_conv import DeformConv2d
from steelyard.layers.residual import Bottleneck
from steelyard.zoo.catalog.dcn import DCNConfig
from steelyard.zoo.resnet import ResNet, imagenet_stem, stage_widths


def dcn(config: DCNConfig) -> ResNet:
    """A bottleneck ResNet with ``deformable`` deformable convolutions, counted from its end.

    (N, 3, H, W) -> (N, classes). Offsets start at 0, so it starts as the dilated network (sec. 3.2).

    Raises:
        UsageError: more deformable convolutions than there are blocks, or offset groups that do not
            divide their channels.
    """
    total, last = sum(config.blocks), len(config.blocks) - 1
    if config.deformable > total:
        raise UsageError(
            f"deformable={config.deformable}, but blocks={config.blocks!r} have {total} 3x3 convolutions",
            expected=f"0 to {total}",
        )
    deformable = partial(
        DeformConv2d, offset_groups=config.offset_groups, modulated=config.modulated
    )
    numbers = iter(range(total))

    def block(stage: int, in_channels: int, channels: int, stride: int) -> Bottleneck:
        dilates = config.dilate_last and stage == last
        return Bottleneck(
            in_channels,
            channels,
            1 if dilates else stride,
            config.shortcut,
            stride_first=config.stride_at == "1x1",
            dilation=2 if dilates else 1,
            conv3x3=deformable if next(numbers) >= total - config.deformable else nn.Conv2d,
        )

    widths = stage_widths(64, len(config.blocks), config.width)
    stem = imagenet_stem(config.in_channels, widths[0])
    network = ResNet(stem, config.blocks, widths, block, config.num_classes)
    for module in network.modules():
        if isinstance(module, DeformConv2d):
            module.reset_offsets()
    return network
