"""`regnet`: RegNetX built of the zoo's residual network and its bottleneck, and its parts alone.

Radosavovic et al. 2020 (arXiv:2003.13678), fig. 3 and sec. 4: 3x3 with stride 2 to 32 channels, stages of which each
begins with stride 2, blocks of bottleneck ratio 1 with groups of one width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from steelyard.design.spaces.regnet import STEM
from steelyard.layers.residual import Bottleneck
from steelyard.zoo.resnet import ResNet, Stem


class XBlock(Bottleneck):
    """1x1, grouped 3x3, 1x1 on as many channels: (N, C, H, W) -> (N, channels, H/stride, W/stride)."""

    expansion: ClassVar[int] = 1


def block(in_channels: int, channels: int, stride: int, group_width: int) -> XBlock:
    """One block, with a projection where the shape changes."""
    groups = channels // min(group_width, channels)
    return XBlock(in_channels, channels, stride, "B", groups=groups)


def regnet(
    line: Sequence[tuple[int, int]], group_width: int, in_channels: int, num_classes: int
) -> ResNet:
    """The network: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        line: (width, blocks) of each stage.
        group_width: channels of a group.
        in_channels: of the image.
        num_classes: outputs.
    """
    begun: set[int] = set()

    def make(stage: int, before: int, channels: int, stride: int) -> XBlock:
        del stride  # the first stage begins with 2 as well
        first = stage not in begun
        begun.add(stage)
        return block(before, channels, 2 if first else 1, group_width)

    conv = nn.Conv2d(in_channels, STEM, 3, stride=2, padding=1, bias=False)
    widths, blocks = zip(*line, strict=True)
    return ResNet(Stem(conv, STEM, nn.Identity()), blocks, widths, make, num_classes)


def stem(in_channels: int) -> nn.Module:
    """The first convolution with its normalisation: (N, C, H, W) -> (N, 32, H/2, W/2)."""
    conv = nn.Conv2d(in_channels, STEM, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(STEM), nn.ReLU(inplace=True))


def tail(channels: int, num_classes: int) -> nn.Module:
    """Global average pooling and classifier: (N, C, H, W) -> (N, num_classes)."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0), nn.Linear(channels, num_classes)
    )
