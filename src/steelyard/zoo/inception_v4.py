"""Inception v4; Szegedy, Ioffe, Vanhoucke, Alemi 2016 (arXiv:1602.07261), figs. 3 to 9.

Module names are timm's, so that its weights fit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.zoo.catalog.inception_v4 import InceptionV4Config
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

Conv = ConvBNReLU


def stem(in_channels: int, width: float) -> list[nn.Module]:
    """Fig. 3: (N, in_channels, 299, 299) -> (N, 384, 35, 35) at width 1."""
    c32, c64, c96, c192 = (scaled(c, width) for c in (32, 64, 96, 192))
    wide = c64 + c96
    square = nn.Sequential(Conv(wide, c64), Conv(c64, c96, 3, padding=0))
    asymmetric = nn.Sequential(
        Conv(wide, c64),
        Conv(c64, c64, (1, 7)),
        Conv(c64, c64, (7, 1)),
        Conv(c64, c96, 3, padding=0),
    )
    return [
        Conv(in_channels, c32, 3, 2, 0),
        Conv(c32, c32, 3, padding=0),
        Conv(c32, c64, 3),
        Branches({"maxpool": nn.MaxPool2d(3, stride=2), "conv": Conv(c64, c96, 3, 2, 0)}),
        Branches({"branch0": square, "branch1": asymmetric}),
        Branches({"conv": Conv(2 * c96, c192, 3, 2, 0), "maxpool": nn.MaxPool2d(3, stride=2)}),
    ]


def pooled(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 averaging that leaves out the padding, 1x1."""
    average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Sequential(average, Conv(in_channels, out_channels))


def inception_a(in_channels: int, width: float) -> Branches:
    """Fig. 4: (N, C, H, W) -> (N, 384, H, W) at width 1."""
    c64, c96 = scaled(64, width), scaled(96, width)
    once = nn.Sequential(Conv(in_channels, c64), Conv(c64, c96, 3))
    twice = nn.Sequential(Conv(in_channels, c64), Conv(c64, c96, 3), Conv(c96, c96, 3))
    branches = {"branch0": Conv(in_channels, c96), "branch1": once, "branch2": twice}
    return Branches({**branches, "branch3": pooled(in_channels, c96)})


def reduction_a(in_channels: int, width: float) -> Branches:
    """Fig. 7 with table 1's k, l, m, n: (N, C, H, W) -> (N, C + 640, (H - 1) // 2, ...) at width 1."""
    k, l, m, n = (scaled(c, width) for c in (192, 224, 256, 384))  # noqa: E741 (the paper's letters)
    twice = nn.Sequential(Conv(in_channels, k), Conv(k, l, 3), Conv(l, m, 3, 2, 0))
    once = Conv(in_channels, n, 3, 2, 0)
    return Branches({"branch0": once, "branch1": twice, "branch2": nn.MaxPool2d(3, stride=2)})


def inception_b(in_channels: int, width: float) -> Branches:
    """Fig. 5: (N, C, H, W) -> (N, 1024, H, W) at width 1."""
    c128, c192, c224, c256, c384 = (scaled(c, width) for c in (128, 192, 224, 256, 384))
    once = nn.Sequential(
        Conv(in_channels, c192), Conv(c192, c224, (1, 7)), Conv(c224, c256, (7, 1))
    )
    twice = nn.Sequential(
        Conv(in_channels, c192),
        Conv(c192, c192, (7, 1)),
        Conv(c192, c224, (1, 7)),
        Conv(c224, c224, (7, 1)),
        Conv(c224, c256, (1, 7)),
    )
    branches = {"branch0": Conv(in_channels, c384), "branch1": once, "branch2": twice}
    return Branches({**branches, "branch3": pooled(in_channels, c128)})


def reduction_b(in_channels: int, width: float) -> Branches:
    """Fig. 8: (N, C, H, W) -> (N, C + 512, (H - 1) // 2, (W - 1) // 2) at width 1."""
    c192, c256, c320 = (scaled(c, width) for c in (192, 256, 320))
    wide = nn.Sequential(
        Conv(in_channels, c256),
        Conv(c256, c256, (1, 7)),
        Conv(c256, c320, (7, 1)),
        Conv(c320, c320, 3, 2, 0),
    )
    narrow = nn.Sequential(Conv(in_channels, c192), Conv(c192, c192, 3, 2, 0))
    return Branches({"branch0": narrow, "branch1": wide, "branch2": nn.MaxPool2d(3, stride=2)})


class InceptionC(nn.Module):
    """Fig. 6: (N, C, H, W) -> (N, 1536, H, W) at width 1."""

    def __init__(self, in_channels: int, width: float) -> None:
        super().__init__()
        c256, c384, c448, c512 = (scaled(c, width) for c in (256, 384, 448, 512))
        self.branch0 = Conv(in_channels, c256)
        self.branch1_0 = Conv(in_channels, c384)
        self.branch1_1a = Conv(c384, c256, (1, 3))
        self.branch1_1b = Conv(c384, c256, (3, 1))
        self.branch2_0 = Conv(in_channels, c384)
        self.branch2_1 = Conv(c384, c448, (3, 1))
        self.branch2_2 = Conv(c448, c512, (1, 3))
        self.branch2_3a = Conv(c512, c256, (1, 3))
        self.branch2_3b = Conv(c512, c256, (3, 1))
        self.branch3 = pooled(in_channels, c256)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 1536, H, W) at width 1."""
        y = self.branch1_0(x)
        z = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        split = [self.branch1_1a(y), self.branch1_1b(y), self.branch2_3a(z), self.branch2_3b(z)]
        return torch.cat([self.branch0(x), *split, self.branch3(x)], dim=1)


class InceptionV4(Network):
    """Stem, inception modules A, B, C with two reductions between, pooling, classifier (fig. 9).

    (N, 3, 299, 299) -> (N, classes).
    """

    def __init__(self, config: InceptionV4Config) -> None:
        super().__init__()
        width = config.width
        blocks_a, blocks_b, blocks_c = config.blocks
        c96, c128, c192, c256, c320, c384 = (
            scaled(c, width) for c in (96, 128, 192, 256, 320, 384)
        )
        modules, channels = stem(config.in_channels, width), 2 * c96 + c192
        for _ in range(blocks_a):
            modules.append(inception_a(channels, width))
            channels = 4 * c96
        modules.append(reduction_a(channels, width))
        channels += c384 + c256
        for _ in range(blocks_b):
            modules.append(inception_b(channels, width))
            channels = c384 + 2 * c256 + c128
        modules.append(reduction_b(channels, width))
        channels += c192 + c320
        for _ in range(blocks_c):
            modules.append(InceptionC(channels, width))
            channels = 6 * c256
        self.features = nn.Sequential(*modules)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.head_drop = nn.Dropout(config.dropout)
        self.last_linear = nn.Linear(channels, config.num_classes)
        self.apply(init.variance_scaling)
        init.truncated(self.last_linear, std=0.01)

    def trunk(self) -> nn.Sequential:
        """Stem and inception modules: (N, 3, 299, 299) -> (N, 1536, 8, 8)."""
        return self.features

    def classify(self, x: Tensor) -> Tensor:
        """(N, 1536, P, Q) -> (N, classes)."""
        out: Tensor = self.last_linear(self.head_drop(self.global_pool(x).flatten(1)))
        return out
