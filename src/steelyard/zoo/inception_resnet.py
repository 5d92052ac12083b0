"""Inception-ResNet, v1 and v2; Szegedy, Ioffe, Vanhoucke, Alemi 2016 (arXiv:1602.07261), figs. 10 to 20.

Module names are timm's, so that its weights fit v2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.zoo.catalog.inception_resnet import InceptionResNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

Widths = tuple[tuple[int, ...], ...]
Kernels = tuple[tuple[int | tuple[int, int], ...], ...]

KERNELS: dict[str, Kernels] = {
    "A": ((1,), (1, 3), (1, 3, 3)),
    "B": ((1,), (1, (1, 7), (7, 1))),
    "C": ((1,), (1, (1, 3), (3, 1))),
    "reduce A": ((3,), (1, 3, 3)),
    "reduce B": ((1, 3), (1, 3), (1, 3, 3)),
}
"""Filters of the branches: figs. 10, 11, 13 (residual blocks), 7 and 12 (reductions)."""

WIDTHS: dict[str, dict[str, Widths]] = {
    "v1": {
        "A": ((32,), (32, 32), (32, 32, 32)),
        "B": ((128,), (128, 128, 128)),
        "C": ((192,), (192, 192, 192)),
        "reduce A": ((384,), (192, 192, 256)),
        "reduce B": ((256, 384), (256, 256), (256, 256, 256)),
    },
    "v2": {
        "A": ((32,), (32, 32), (32, 48, 64)),
        "B": ((192,), (128, 160, 192)),
        "C": ((192,), (192, 224, 256)),
        "reduce A": ((384,), (256, 256, 384)),
        "reduce B": ((256, 384), (256, 288), (256, 288, 320)),
    },
}
"""Channels of the branches: figs. 10 to 13 for v1; for v2 figs. 16 to 19 as released."""


class ResidualInception(nn.Module):
    """x + scale * 1x1(branches(x)), ReLU: (N, C, H, W) -> (N, C, H, W). Sec. 3.2 and 3.3, fig. 20.

    Args:
        channels: C.
        widths: channels of each branch.
        kernels: filters of each branch.
        scale: of the residual, 0.1 to 0.3 in the paper.
        relu: whether a ReLU follows the addition; not in the last block.
    """

    def __init__(
        self,
        channels: int,
        widths: Widths,
        kernels: Kernels,
        scale: float,
        *,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.branches = len(widths)
        for i, (row, sides) in enumerate(zip(widths, kernels, strict=True)):
            self.add_module(f"branch{i}", _chain(channels, row, sides))
        self.conv2d = nn.Conv2d(sum(row[-1] for row in widths), channels, 1)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        parts = [self.get_submodule(f"branch{i}")(x) for i in range(self.branches)]
        out: Tensor = self.relu(x + self.scale * self.conv2d(torch.cat(parts, dim=1)))
        return out


def _chain(
    in_channels: int,
    widths: Sequence[int],
    kernels: Sequence[int | tuple[int, int]],
    stride: int = 1,
) -> nn.Module:
    """Convolutions in a row; ``stride`` and no padding for the last, if it is 2."""
    chain = nn.Sequential()
    for i, (width, kernel) in enumerate(zip(widths, kernels, strict=True)):
        last = stride > 1 and i == len(widths) - 1
        step, rim = (stride, 0) if last else (1, None)
        chain.append(ConvBNReLU(in_channels, width, kernel, step, rim))
        in_channels = width
    return chain if len(chain) > 1 else chain[0]


def reduction(in_channels: int, widths: Widths, kernels: Kernels) -> Branches:
    """Chains that end with stride 2 beside a pooling: H, W -> (H - 1) // 2, (W - 1) // 2."""
    branches: dict[str, nn.Module] = {
        f"branch{i}": _chain(in_channels, row, sides, stride=2)
        for i, (row, sides) in enumerate(zip(widths, kernels, strict=True))
    }
    return Branches({**branches, f"branch{len(branches)}": nn.MaxPool2d(3, stride=2)})


def mixed_5b(in_channels: int, width: float) -> Branches:
    """The module that ends v2's stem: (N, 192, 35, 35) -> (N, 320, 35, 35) at width 1."""
    c48, c64, c96 = (scaled(c, width) for c in (48, 64, 96))
    average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return Branches(
        {
            "branch0": ConvBNReLU(in_channels, c96),
            "branch1": _chain(in_channels, (c48, c64), (1, 5)),
            "branch2": _chain(in_channels, (c64, c96, c96), (1, 3, 3)),
            "branch3": nn.Sequential(average, ConvBNReLU(in_channels, c64)),
        }
    )


class InceptionResNet(Network):
    """Stem, residual blocks A, B, C with two reductions between, pooling, classifier (fig. 15).

    (N, 3, 299, 299) -> (N, classes).
    """

    def __init__(self, config: InceptionResNetConfig) -> None:
        super().__init__()
        self.config = config
        blocks_a, blocks_b, blocks_c = config.blocks
        channels = self._stem(config.in_channels, config.width)
        self.repeat = self._blocks("A", blocks_a, channels)
        self.mixed_6a, channels = self._reduction("reduce A", channels)
        self.repeat_1 = self._blocks("B", blocks_b, channels)
        self.mixed_7a, channels = self._reduction("reduce B", channels)
        v2 = config.version == "v2"
        self.repeat_2 = self._blocks("C", blocks_c - 1 if v2 else blocks_c, channels)
        if v2:
            # the released network ends on a block without scaling and ReLU, and widens by a 1x1
            widths, last = self._widths("C"), scaled(1536, config.width)
            self.block8 = ResidualInception(channels, widths, KERNELS["C"], 1.0, relu=False)
            self.conv2d_7b = ConvBNReLU(channels, last)
            channels = last
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.head_drop = nn.Dropout(config.dropout)
        self.classif = nn.Linear(channels, config.num_classes)
        self.apply(init.variance_scaling)
        init.truncated(self.classif, std=0.01)

    def _stem(self, in_channels: int, width: float) -> int:
        c32, c64, c80, c96, c192, c256 = (scaled(c, width) for c in (32, 64, 80, 96, 192, 256))
        self.conv2d_1a = ConvBNReLU(in_channels, c32, 3, 2, 0)
        self.conv2d_2a = ConvBNReLU(c32, c32, 3, padding=0)
        self.conv2d_2b = ConvBNReLU(c32, c64, 3)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = ConvBNReLU(c64, c80)
        self.conv2d_4a = ConvBNReLU(c80, c192, 3, padding=0)
        if self.config.version == "v1":
            self.conv2d_4b = ConvBNReLU(c192, c256, 3, 2, 0)
            return c256
        self.maxpool_5a = nn.MaxPool2d(3, stride=2)
        self.mixed_5b = mixed_5b(c192, width)
        return 2 * c96 + 2 * c64

    def _widths(self, kind: str) -> Widths:
        rows = WIDTHS[self.config.version][kind]
        return tuple(tuple(scaled(c, self.config.width) for c in row) for row in rows)

    def _blocks(self, kind: str, count: int, channels: int) -> nn.Sequential:
        widths, scale = self._widths(kind), self.config.scales["ABC".index(kind)]
        blocks = [ResidualInception(channels, widths, KERNELS[kind], scale) for _ in range(count)]
        return nn.Sequential(*blocks)

    def _reduction(self, kind: str, channels: int) -> tuple[Branches, int]:
        widths = self._widths(kind)
        return reduction(channels, widths, KERNELS[kind]), channels + sum(w[-1] for w in widths)

    def trunk(self) -> list[nn.Module]:
        """Stem and blocks: (N, 3, 299, 299) -> (N, 1536 or 1792, 8, 8)."""
        return self.children_before(self.global_pool)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.classif(self.head_drop(self.global_pool(x).flatten(1)))
        return out
