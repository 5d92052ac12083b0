"""Inception v3; Szegedy et al. 2015 (arXiv:1512.00567), table 1 and sec. 6, as released.

Module names are torchvision's and timm's, so that their weights fit.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from steelyard.layers import init
from steelyard.layers.conv_bn_relu import ConvBNReLU
from steelyard.layers.factorised_inception import (
    InceptionA,
    InceptionB,
    InceptionC,
    ReductionA,
    ReductionB,
)
from steelyard.zoo.catalog.inception_v3 import InceptionV3Config
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class InceptionV3Outputs(NamedTuple):
    """What Inception v3 with its auxiliary head returns in training: twice (N, classes)."""

    logits: Tensor
    aux: Tensor


class AuxHead(nn.Module):
    """Auxiliary classifier behind the 17x17 maps: 5x5 pooling, 1x1, 5x5, linear (fig. 8, with BN)."""

    def __init__(self, in_channels: int, config: InceptionV3Config) -> None:
        super().__init__()
        channels, features = scaled(128, config.width), scaled(768, config.width)
        self.pool = nn.AvgPool2d(5, stride=3)
        self.conv0 = ConvBNReLU(in_channels, channels)
        self.conv1 = ConvBNReLU(channels, features, 5, padding=0)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(features, config.num_classes)
        self.apply(partial(init.truncated, std=0.1))
        init.truncated(self.conv1.conv, std=0.01)
        init.truncated(self.fc, std=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 17, 17) -> (N, classes)."""
        x = self.avgpool(self.conv1(self.conv0(self.pool(x))))
        out: Tensor = self.fc(x.flatten(1))
        return out


class InceptionV3(Network):
    """Stem, 3 + 4 + 2 inception modules with two reductions between, pooling, classifier.

    (N, 3, 299, 299) -> (N, classes); in training with the auxiliary head -> `InceptionV3Outputs`.
    """

    def __init__(self, config: InceptionV3Config) -> None:
        super().__init__()
        width = config.width
        c32, c64, c80, c192 = (scaled(c, width) for c in (32, 64, 80, 192))
        self.Conv2d_1a_3x3 = ConvBNReLU(config.in_channels, c32, 3, 2, 0)
        self.Conv2d_2a_3x3 = ConvBNReLU(c32, c32, 3, padding=0)
        self.Conv2d_2b_3x3 = ConvBNReLU(c32, c64, 3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = ConvBNReLU(c64, c80)
        self.Conv2d_4a_3x3 = ConvBNReLU(c80, c192, 3, padding=0)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.names: list[str] = []
        channels = c192
        for i, pool in enumerate(config.pool_a):
            channels = self._add("5", i, InceptionA(channels, pool, width))
        channels = self._add("6", 0, ReductionA(channels, width))
        for i, inner in enumerate(config.inner_b):
            channels = self._add("6", i + 1, InceptionB(channels, inner, width))
        self.aux_at = self.names[-1]
        self.AuxLogits = AuxHead(channels, config) if config.aux_heads else None
        channels = self._add("7", 0, ReductionB(channels, width))
        for i in range(config.blocks_c):
            channels = self._add("7", i + 1, InceptionC(channels, width))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.num_classes)
        for name, module in self.named_children():
            if name != "AuxLogits":
                module.apply(partial(init.truncated, std=0.1))

    def _add(
        self,
        stage: str,
        i: int,
        module: InceptionA | InceptionB | InceptionC | ReductionA | ReductionB,
    ) -> int:
        # 5b, 5c, 5d; 6a, 6b ...: the released names
        self.names.append(f"Mixed_{stage}{chr(ord('b' if stage == '5' else 'a') + i)}")
        self.add_module(self.names[-1], module)
        return module.out_channels

    def trunk(self) -> list[nn.Module]:
        """Stem and inception modules: (N, 3, 299, 299) -> (N, 2048, 8, 8)."""
        stem = [self.Conv2d_1a_3x3, self.Conv2d_2a_3x3, self.Conv2d_2b_3x3, self.maxpool1]
        stem += [self.Conv2d_3b_1x1, self.Conv2d_4a_3x3, self.maxpool2]
        return [*stem, *(self.get_submodule(name) for name in self.names)]

    def classify(self, x: Tensor) -> Tensor:
        """(N, 2048, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out

    def forward(self, x: Tensor) -> Tensor | InceptionV3Outputs:
        """(N, 3, H, W) -> (N, classes), in training with the auxiliary head two of them."""
        if self.AuxLogits is None or not self.training:
            logits: Tensor = super().forward(x)
            return logits
        tap, aux = self.get_submodule(self.aux_at), x
        for module in self.trunk():
            x = module(x)
            if module is tap:
                aux = self.AuxLogits(x)
        return InceptionV3Outputs(self.classify(x), aux)
