"""Xception: depthwise separable convolutions with shortcuts; Chollet 2016 (arXiv:1610.02357), fig. 5.

Module names are timm's (``legacy_xception``), so that its weights fit.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.zoo.catalog.xception import XceptionConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class SeparableConv(nn.Module):
    """3x3 depthwise, 1x1, nothing between (sec. 4.7): (N, C, H, W) -> (N, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H, W)."""
        out: Tensor = self.pointwise(self.conv1(x))
        return out


class Block(nn.Module):
    """Separable convolutions and a shortcut: (N, C, H, W) -> (N, widths[-1], H/stride, W/stride).

    Args:
        in_channels: C.
        widths: channels behind each separable convolution.
        stride: 2 pools 3x3 at the end and projects the shortcut.
        relu_first: whether a ReLU comes before the first convolution, too.
    """

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], stride: int, *, relu_first: bool = True
    ) -> None:
        super().__init__()
        channels = in_channels
        self.rep = nn.Sequential()
        for i, width in enumerate(widths):
            if i or relu_first:
                # the first must not overwrite what the shortcut reads
                self.rep.append(nn.ReLU(inplace=i > 0))
            self.rep.append(SeparableConv(channels, width))
            self.rep.append(nn.BatchNorm2d(width))
            channels = width
        if stride > 1:
            self.rep.append(nn.MaxPool2d(3, stride, padding=1))
        if stride > 1 or channels != in_channels:
            self.skip: nn.Module = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.skipbn: nn.Module = nn.BatchNorm2d(channels)
        else:
            self.skip, self.skipbn = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, widths[-1], H/stride, W/stride)."""
        out: Tensor = self.rep(x)
        out += self.skipbn(self.skip(x))
        return out


class Xception(Network):
    """Entry, middle and exit flow, pooling, classifier: (N, 3, 299, 299) -> (N, classes)."""

    def __init__(self, config: XceptionConfig) -> None:
        super().__init__()
        widths = (scaled(c, config.width) for c in (32, 64, 128, 256, 728, 1024, 1536, 2048))
        c32, c64, c128, c256, c728, c1024, c1536, c2048 = widths
        self.conv1 = nn.Conv2d(config.in_channels, c32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(c32)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(c32, c64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(c64)
        self.act2 = nn.ReLU(inplace=True)
        self.block1 = Block(c64, (c128, c128), 2, relu_first=False)
        self.block2 = Block(c128, (c256, c256), 2)
        self.block3 = Block(c256, (c728, c728), 2)
        for i in range(config.middle):
            self.add_module(f"block{4 + i}", Block(c728, (c728, c728, c728), 1))
        self.add_module(f"block{4 + config.middle}", Block(c728, (c728, c1024), 2))
        self.conv3 = SeparableConv(c1024, c1536)
        self.bn3 = nn.BatchNorm2d(c1536)
        self.act3 = nn.ReLU(inplace=True)
        self.conv4 = SeparableConv(c1536, c2048)
        self.bn4 = nn.BatchNorm2d(c2048)
        self.act4 = nn.ReLU(inplace=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.head_drop = nn.Dropout(config.dropout)
        self.fc = nn.Linear(c2048, config.num_classes)
        self.apply(init.glorot)

    def trunk(self) -> list[nn.Module]:
        """The three flows: (N, 3, 299, 299) -> (N, 2048, 10, 10)."""
        return self.children_before(self.global_pool)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 2048, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.head_drop(self.global_pool(x).flatten(1)))
        return out
