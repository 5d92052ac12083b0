"""The units of ShuffleNet: V1, with grouped 1x1 convolutions, and V2, with a channel split.

Zhang et al. 2017 (arXiv:1707.01083), fig. 2, and Ma et al. 2018 (arXiv:1807.11164), fig. 3. Module names of
V2 are torchvision's, so that its weights fit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers.channel_shuffle import ChannelShuffle
from steelyard.layers.squeeze_excite import SqueezeExcite


class ShuffleUnitV1(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1: (N, C, H, W) -> (N, out_channels, H/stride, W/stride).

    With stride 1 the input is added, with stride 2 its 3x3 average is put before the other channels, and
    there are ``out_channels - C`` of these. The input must not be negative (a ReLU or an average of
    one comes before): then the paper's ReLU behind the concatenation equals the one behind the convolution
    that its authors' code has and that is used here.

    Args:
        in_channels: C; with stride 1 equal to ``out_channels``.
        mid_channels: of the bottleneck, a quarter of ``out_channels`` in the paper.
        stride: 1 or 2.
        groups: of the two 1x1 convolutions.
        first_groups: of the first 1x1 convolution, where it differs (1 in the network's first unit).
        se_reduction: r of squeeze-and-excitation before the addition; 0 for none.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        *,
        stride: int,
        groups: int,
        first_groups: int | None = None,
        se_reduction: int = 0,
    ) -> None:
        super().__init__()
        new = out_channels if stride == 1 else out_channels - in_channels
        first = groups if first_groups is None else first_groups
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, groups=first, bias=False)
        self.bn1 = nn.BatchNorm2d(mid_channels)
        self.shuffle = ChannelShuffle(groups)
        self.conv2 = nn.Conv2d(
            mid_channels, mid_channels, 3, stride, padding=1, groups=mid_channels, bias=False
        )
        self.bn2 = nn.BatchNorm2d(mid_channels)
        self.conv3 = nn.Conv2d(mid_channels, new, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(new)
        self.se = _squeeze_excite(new, se_reduction)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H/stride, W/stride)."""
        y = self.shuffle(self.relu(self.bn1(self.conv1(x))))
        y = self.bn3(self.conv3(self.bn2(self.conv2(y))))
        y = self.se(y)
        if self.pool is None:
            out: Tensor = self.relu(y + x)
            return out
        return torch.cat((self.pool(x), self.relu(y)), 1)


class ShuffleUnitV2(nn.Module):
    """Two branches, concatenated and shuffled: (N, C, H, W) -> (N, out_channels, H/stride, W/stride).

    The basic unit (stride 1, as many channels out as in) keeps one half of the channels and sends the
    other through 1x1, depthwise 3x3, 1x1. A unit that changes the shape sends all channels through both
    branches: depthwise 3x3, 1x1; and 1x1, depthwise 3x3, 1x1.

    Args:
        in_channels: C.
        out_channels: even.
        stride: 1 or 2.
        kept: channels of the first branch of a unit that changes the shape: ``in_channels`` in the
            authors' code, ``out_channels // 2`` in torchvision's.
        residual: adds the second branch's input to its output in basic units.
        se_reduction: r of squeeze-and-excitation at the end of the second branch; 0 for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        kept: int,
        residual: bool = False,
        se_reduction: int = 0,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.basic = stride == 1 and in_channels == out_channels
        self.residual = residual and self.basic
        first, new = (half, half) if self.basic else (in_channels, out_channels - kept)
        self.branch1 = (
            nn.Sequential() if self.basic else _reducing_branch(in_channels, kept, stride)
        )
        self.branch2 = nn.Sequential(
            nn.Conv2d(first, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, stride, padding=1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, new, 1, bias=False),
            nn.BatchNorm2d(new),
            # the ReLU of a residual branch comes after the addition
            nn.Identity() if self.residual else nn.ReLU(inplace=True),
        )
        self.se = _squeeze_excite(new, se_reduction)
        self.relu = nn.ReLU(inplace=True)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H/stride, W/stride)."""
        left, right = x.chunk(2, 1) if self.basic else (x, x)
        y = self.se(self.branch2(right))
        if self.residual:
            y = self.relu(y + right)
        out: Tensor = self.shuffle(torch.cat((self.branch1(left), y), 1))
        return out


def _reducing_branch(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Depthwise 3x3, 1x1: (N, C, H, W) -> (N, channels, H/stride, W/stride)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _squeeze_excite(channels: int, reduction: int) -> nn.Module:
    if not reduction:
        return nn.Identity()
    return SqueezeExcite(channels, max(1, channels // reduction))
