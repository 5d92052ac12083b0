"""Residual blocks that normalise and rectify before each convolution; He et al. 2016 (arXiv:1603.05027), fig. 1b.

Nothing stands on the shortcut but, where the shape changes, a projection of the activated input. With
dropout the basic block is that of wide residual networks.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from steelyard.layers.shortcut import Option, shortcut


class PreActBasic(nn.Module):
    """BN, ReLU, 3x3 twice, shortcut: (N, C, H, W) -> (N, channels, H/stride, W/stride).

    Args:
        dropout: rate between the convolutions (Zagoruyko and Komodakis 2016, arXiv:1605.07146,
            sec. 2.4).
        se: what reweighs the branch before the addition, e.g. a `SqueezeExcite` of ``channels``.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        option: Option,
        *,
        dropout: float = 0.0,
        se: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.se = se
        self.downsample = shortcut(option, in_channels, channels, stride, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H/stride, W/stride)."""
        activated = self.relu(self.bn1(x))
        y = self.relu(self.bn2(self.conv1(activated)))
        y = self.conv2(self.dropout(y))
        return _join(self, x, activated, y)


class PreActBottleneck(nn.Module):
    """BN, ReLU, convolution, with 1x1, 3x3 and 1x1 (four times as wide), shortcut.

    (N, C, H, W) -> (N, 4 channels, H/stride, W/stride).

    Args:
        stride_first: the first 1x1 carries the stride, else the 3x3.
        se: what reweighs the branch before the addition, e.g. a `SqueezeExcite` of 4 ``channels``.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        option: Option,
        *,
        stride_first: bool = False,
        se: nn.Module | None = None,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        out_channels = channels * self.expansion
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, first, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, second, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.se = se
        self.downsample = shortcut(option, in_channels, out_channels, stride, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 4 channels, H/stride, W/stride)."""
        activated = self.relu(self.bn1(x))
        y = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        y = self.conv3(self.relu(self.bn3(y)))
        return _join(self, x, activated, y)


def _join(block: PreActBasic | PreActBottleneck, x: Tensor, activated: Tensor, y: Tensor) -> Tensor:
    """The block's input, or a projection of it activated, and what its branch made of it, reweighed, added."""
    if block.se is not None:
        y = block.se(y)
    out: Tensor = y + (x if block.downsample is None else block.downsample(activated))
    return out
