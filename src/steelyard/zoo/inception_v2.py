"""BN-Inception, also called Inception v2; Ioffe and Szegedy 2015 (arXiv:1502.03167), fig. 5."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.branches import Branches
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.layers.halving_pool import HalvingPool
from steelyard.zoo.catalog.inception_v2 import InceptionV2Config
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

Row = tuple[int, tuple[int, int], tuple[int, int, int], str, int]

MODULES: dict[str, Row] = {
    "inception_3a": (64, (64, 64), (64, 96, 96), "average", 32),
    "inception_3b": (64, (64, 96), (64, 96, 96), "average", 64),
    "inception_3c": (0, (128, 160), (64, 96, 96), "stride", 0),
    "inception_4a": (224, (64, 96), (96, 128, 128), "average", 128),
    "inception_4b": (192, (96, 128), (96, 128, 128), "average", 128),
    "inception_4c": (160, (128, 160), (128, 160, 160), "average", 96),
    "inception_4d": (96, (128, 192), (160, 192, 192), "average", 96),
    "inception_4e": (0, (128, 192), (192, 256, 256), "stride", 0),
    "inception_5a": (352, (192, 320), (160, 224, 224), "average", 128),
    "inception_5b": (352, (192, 320), (192, 224, 224), "max", 128),
}
"""Fig. 5: 1x1; 1x1, 3x3; 1x1, 3x3, 3x3; kind of pooling, its 1x1. 0: no such branch, stride 2 elsewhere."""


def inception(in_channels: int, row: Row, conv: partial[ConvBNReLU]) -> tuple[Branches, int]:
    """One module of fig. 5 and its channels: (N, C, H, W) -> (N, channels, H, W), or half the size."""
    conv1, (reduce3, conv3), (reduce5, inner, outer), pooling, project = row
    stride = 2 if pooling == "stride" else 1
    branches: dict[str, nn.Module] = {"conv1": conv(in_channels, conv1)} if conv1 else {}
    branches["conv3"] = nn.Sequential(conv(in_channels, reduce3), conv(reduce3, conv3, 3, stride))
    branches["double3"] = nn.Sequential(
        conv(in_channels, reduce5), conv(reduce5, inner, 3), conv(inner, outer, 3, stride)
    )
    if pooling == "stride":
        branches["pool"] = HalvingPool()
        return Branches(branches), conv3 + outer + in_channels
    pool = nn.AvgPool2d if pooling == "average" else nn.MaxPool2d
    branches["pool"] = nn.Sequential(pool(3, stride=1, padding=1), conv(in_channels, project))
    return Branches(branches), conv1 + conv3 + outer + project


def separable(in_channels: int, channels: int, multiplier: int) -> nn.Sequential:
    """7x7 with stride 2, ``multiplier`` filters for each input channel, and 1x1: the paper's first layer."""
    inner = in_channels * multiplier
    return nn.Sequential(
        nn.Conv2d(in_channels, inner, 7, 2, 3, groups=in_channels, bias=False),
        ConvBNReLU(inner, channels),
    )


class InceptionV2(Network):
    """Stem, ten inception modules, global average pooling, classifier: (N, 3, H, W) -> (N, classes).

    Args:
        config: its settings.
        behind: makes what follows each inception module from its channels, if anything does.
    """

    def __init__(
        self, config: InceptionV2Config, behind: Callable[[int], nn.Module] | None = None
    ) -> None:
        super().__init__()
        conv = partial(ConvBNReLU, bias=config.conv_bias, eps=config.eps)
        c64, channels = scaled(64, config.width), scaled(192, config.width)
        self.conv1 = (
            conv(config.in_channels, c64, 7, 2)
            if config.stem == "dense"
            else separable(config.in_channels, c64, 8)
        )
        self.pool1 = HalvingPool()
        self.conv2_reduce = conv(c64, c64)
        self.conv2 = conv(c64, channels, 3)
        self.pool2 = HalvingPool()
        for name, row in MODULES.items():
            module, channels = inception(channels, self._row(name, row, config), conv)
            self.add_module(name, nn.Sequential(module, behind(channels)) if behind else module)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.num_classes)
        self.apply(partial(init.truncated, std=0.1))

    @staticmethod
    def _row(name: str, row: Row, config: InceptionV2Config) -> Row:
        def wide(channels: int) -> int:
            return scaled(channels, config.width) if channels else 0

        conv1, (a, b), (c, d, e), pooling, project = row
        if name in ("inception_4c", "inception_4d"):
            project = config.pool_4cd
        return wide(conv1), (wide(a), wide(b)), (wide(c), wide(d), wide(e)), pooling, wide(project)

    def trunk(self) -> list[nn.Module]:
        """Stem and inception modules: (N, 3, H, W) -> (N, 1024, H/32, W/32)."""
        return self.children_before(self.avgpool)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 1024, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out
