"""The unit of ShuffleNetV2.Large: channel split, grouped 3x3 convolution, squeeze-and-excitation, residual.

As in the repository of ShuffleNet's authors (megvii-model/ShuffleNet-Series, ShuffleNetV2.Large); its paper is
Ma et al. 2018 (arXiv:1807.11164), which has another unit, `steelyard.layers.shuffle_unit.ShuffleUnitV2`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers.channel_shuffle import ChannelShuffle
from steelyard.layers.squeeze_excite import SqueezeExcite


class GroupedShuffleUnit(nn.Module):
    """Even channels pass, odd ones go through 1x1, grouped 3x3, 1x1, SE: (N, C, H, W) -> (N, M, H/s, W/s).

    Where the shape changes, a 3x3 convolution stands in the passing half's way and nothing is added to the
    other; with stride 2 a 1x1 convolution mixes both halves at the end.

    Args:
        in_channels: C, even.
        out_channels: M, even.
        stride: s.
        groups: of the 3x3 convolution.
        se_reduction: r of squeeze-and-excitation; 0 for none.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, groups: int, se_reduction: int
    ) -> None:
        super().__init__()
        first, half = in_channels // 2, out_channels // 2
        self.changes = stride > 1 or in_channels != out_channels
        self.split = ChannelShuffle(first)
        self.proj = (
            nn.Sequential(*_convolution(first, half, 3, stride))
            if self.changes
            else nn.Sequential()
        )
        self.branch = nn.Sequential(
            *_convolution(first, half, 1),
            nn.ReLU(inplace=True),
            *_convolution(half, half, 3, stride, groups),
            nn.ReLU(inplace=True),
            *_convolution(half, half, 1),
        )
        self.se = (
            SqueezeExcite(half, max(1, half // se_reduction)) if se_reduction else nn.Identity()
        )
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential()
        if stride > 1:
            self.down.extend((*_convolution(out_channels, out_channels, 1), nn.ReLU(inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H/s, W/s)."""
        # this shuffle puts the even channels before the odd ones
        even, odd = self.split(x).chunk(2, 1)
        y = self.se(self.branch(odd))
        if not self.changes:
            y = y + odd
        out: Tensor = self.down(self.relu(torch.cat((self.proj(even), y), 1)))
        return out


def _convolution(
    in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(
        in_channels, channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return conv, nn.BatchNorm2d(channels)
