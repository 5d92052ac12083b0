"""Inception modules with large filters factorised: figs. 5, 6, 7 and 10 of Szegedy et al. 2015 (arXiv:1512.00567).

Module names are torchvision's and timm's, so that their weights fit. Channels are those of Inception v3
times ``width``; all averaging counts the padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers.conv_bn_relu import ConvBNReLU


class InceptionA(nn.Module):
    """Fig. 5: a 5x5 as two 3x3. (N, C, H, W) -> (N, 224 + pool, H, W) at width 1."""

    def __init__(self, in_channels: int, pool: int, width: float = 1.0) -> None:
        super().__init__()
        c48, c64, c96, pool = (_channels(c, width) for c in (48, 64, 96, pool))
        self.branch1x1 = ConvBNReLU(in_channels, c64)
        self.branch5x5_1 = ConvBNReLU(in_channels, c48)
        self.branch5x5_2 = ConvBNReLU(c48, c64, 5)
        self.branch3x3dbl_1 = ConvBNReLU(in_channels, c64)
        self.branch3x3dbl_2 = ConvBNReLU(c64, c96, 3)
        self.branch3x3dbl_3 = ConvBNReLU(c96, c96, 3)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = ConvBNReLU(in_channels, pool)
        self.out_channels = c64 + c64 + c96 + pool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W)."""
        y5 = self.branch5x5_2(self.branch5x5_1(x))
        y3 = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), y5, y3, self.branch_pool(self.pool(x))], dim=1)


class ReductionA(nn.Module):
    """Fig. 10: convolutions and pooling of stride 2 side by side.

    (N, C, H, W) -> (N, C + 480, (H - 1) // 2, (W - 1) // 2) at width 1.
    """

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        c64, c96, c384 = (_channels(c, width) for c in (64, 96, 384))
        self.branch3x3 = ConvBNReLU(in_channels, c384, 3, 2, 0)
        self.branch3x3dbl_1 = ConvBNReLU(in_channels, c64)
        self.branch3x3dbl_2 = ConvBNReLU(c64, c96, 3)
        self.branch3x3dbl_3 = ConvBNReLU(c96, c96, 3, 2, 0)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = c384 + c96 + in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, (H - 1) // 2, (W - 1) // 2)."""
        y = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), y, self.pool(x)], dim=1)


class InceptionB(nn.Module):
    """Fig. 6: 7x7 as 1x7 and 7x1, once and twice. (N, C, H, W) -> (N, 768, H, W) at width 1."""

    def __init__(self, in_channels: int, inner: int, width: float = 1.0) -> None:
        super().__init__()
        inner, out = _channels(inner, width), _channels(192, width)
        self.branch1x1 = ConvBNReLU(in_channels, out)
        self.branch7x7_1 = ConvBNReLU(in_channels, inner)
        self.branch7x7_2 = ConvBNReLU(inner, inner, (1, 7))
        self.branch7x7_3 = ConvBNReLU(inner, out, (7, 1))
        self.branch7x7dbl_1 = ConvBNReLU(in_channels, inner)
        self.branch7x7dbl_2 = ConvBNReLU(inner, inner, (7, 1))
        self.branch7x7dbl_3 = ConvBNReLU(inner, inner, (1, 7))
        self.branch7x7dbl_4 = ConvBNReLU(inner, inner, (7, 1))
        self.branch7x7dbl_5 = ConvBNReLU(inner, out, (1, 7))
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = ConvBNReLU(in_channels, out)
        self.out_channels = 4 * out

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W)."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(self.pool(x))], dim=1)


class ReductionB(nn.Module):
    """Fig. 10 once more, with a 7x7 factorised before it.

    (N, C, H, W) -> (N, C + 512, (H - 1) // 2, (W - 1) // 2) at width 1.
    """

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        c192, c320 = (_channels(c, width) for c in (192, 320))
        self.branch3x3_1 = ConvBNReLU(in_channels, c192)
        self.branch3x3_2 = ConvBNReLU(c192, c320, 3, 2, 0)
        self.branch7x7x3_1 = ConvBNReLU(in_channels, c192)
        self.branch7x7x3_2 = ConvBNReLU(c192, c192, (1, 7))
        self.branch7x7x3_3 = ConvBNReLU(c192, c192, (7, 1))
        self.branch7x7x3_4 = ConvBNReLU(c192, c192, 3, 2, 0)
        self.pool = nn.MaxPool2d(3, stride=2)
        self.out_channels = c320 + c192 + in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, (H - 1) // 2, (W - 1) // 2)."""
        y3 = self.branch3x3_2(self.branch3x3_1(x))
        y7 = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([y3, self.branch7x7x3_4(y7), self.pool(x)], dim=1)


class InceptionC(nn.Module):
    """Fig. 7: 1x3 and 3x1 side by side. (N, C, H, W) -> (N, 2048, H, W) at width 1."""

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        c192, c320, c384, c448 = (_channels(c, width) for c in (192, 320, 384, 448))
        self.branch1x1 = ConvBNReLU(in_channels, c320)
        self.branch3x3_1 = ConvBNReLU(in_channels, c384)
        self.branch3x3_2a = ConvBNReLU(c384, c384, (1, 3))
        self.branch3x3_2b = ConvBNReLU(c384, c384, (3, 1))
        self.branch3x3dbl_1 = ConvBNReLU(in_channels, c448)
        self.branch3x3dbl_2 = ConvBNReLU(c448, c384, 3)
        self.branch3x3dbl_3a = ConvBNReLU(c384, c384, (1, 3))
        self.branch3x3dbl_3b = ConvBNReLU(c384, c384, (3, 1))
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.branch_pool = ConvBNReLU(in_channels, c192)
        self.out_channels = c320 + 4 * c384 + c192

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W)."""
        y = self.branch3x3_1(x)
        z = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch1x1(x), self.branch3x3_2a(y), self.branch3x3_2b(y)]
        parts += [self.branch3x3dbl_3a(z), self.branch3x3dbl_3b(z)]
        return torch.cat([*parts, self.branch_pool(self.pool(x))], dim=1)


def _channels(channels: int, width: float) -> int:
    return max(1, round(channels * width))
