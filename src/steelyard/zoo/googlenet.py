"""GoogLeNet (Inception v1) with true 5x5 branches; Szegedy et al. 2014 (arXiv:1409.4842), table 1.

What the table leaves open follows BVLC/caffe models/bvlc_googlenet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.inception import Inception, InceptionWidths, conv_relu
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.googlenet import GoogLeNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "pool3": None,
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "pool4": None,
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
"""Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection; None is a pooling."""

AUX_AT = ("inception4a", "inception4d")


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet with auxiliary heads returns in training: three times (N, classes)."""

    logits: Tensor
    aux2: Tensor
    aux1: Tensor


class AuxHead(nn.Module):
    """Auxiliary classifier: average pooling, 1x1, two fully connected layers.

    Args:
        pool: average pooling.
        conv: 1x1 convolution with its non-linearity.
        units: inputs, hidden units and classes of the fully connected layers.
    """

    def __init__(self, pool: nn.Module, conv: nn.Module, units: tuple[int, int, int]) -> None:
        super().__init__()
        features, hidden, classes = units
        self.pool = pool
        self.conv = conv
        self.fc1 = nn.Linear(features, hidden)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.7)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        x = self.conv(self.pool(x)).flatten(1)
        out: Tensor = self.fc2(self.drop(self.relu(self.fc1(x))))
        return out


def aux_head(in_channels: int, size: int, config: GoogLeNetConfig) -> AuxHead:
    """An auxiliary classifier: 5x5 average pooling with stride 3, 1x1, two fully connected layers."""
    channels, hidden = scaled(128, config.width), scaled(1024, config.width)
    conv = conv_relu(in_channels, channels, 1)
    features = channels * out_size(size, 5, 3) ** 2
    return AuxHead(nn.AvgPool2d(5, stride=3), conv, (features, hidden, config.num_classes))


def with_heads(
    network: Network, heads: Mapping[nn.Module, nn.Module], x: Tensor
) -> GoogLeNetOutputs:
    """(N, 3, H, W) -> three times (N, classes).

    Args:
        network: with a trunk.
        heads: auxiliary classifiers by the module of the trunk behind which they stand; two.
        x: images.
    """
    aux: list[Tensor] = []
    for module in network.trunk():
        x = module(x)
        if module in heads:
            aux.append(heads[module](x))
    return GoogLeNetOutputs(network.classify(x), aux[1], aux[0])


class GoogLeNet(Network):
    """Stem, nine inception modules, global average pooling, classifier.

    (N, 3, H, W) -> (N, classes); in training with auxiliary heads -> `GoogLeNetOutputs`.
    """

    def __init__(self, config: GoogLeNetConfig) -> None:
        super().__init__()
        stem, wide = scaled(64, config.width), scaled(192, config.width)
        self.conv1 = conv_relu(config.in_channels, stem, 7, stride=2)
        self.conv2 = nn.Sequential(conv_relu(stem, stem, 1), conv_relu(stem, wide, 3))
        # Caffe's defaults with alpha = 1e-4 over a window of 5, divided by it as PyTorch does
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.ceil = config.pool_rounding == "ceil"
        self.pool1, self.pool2 = self._pool(), self._pool()
        size = self._map_size(config)
        channels = wide
        for name, row in MODULES.items():
            if row is None:
                self.add_module(name, self._pool())
                continue
            widths = InceptionWidths(*(scaled(c, config.width) for c in row))
            self.add_module(name, Inception(channels, widths))
            channels = widths.out
            if config.aux_heads and name in AUX_AT:
                self.add_module(f"aux_{name}", aux_head(channels, size, config))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.num_classes)
        self.aux_heads = config.aux_heads
        self.apply(lambda module: init.caffe_xavier(module, bias=0.2))
        nn.init.zeros_(self.fc.bias)

    def _pool(self) -> nn.MaxPool2d:
        return nn.MaxPool2d(3, stride=2, ceil_mode=self.ceil)

    def _map_size(self, config: GoogLeNetConfig) -> int:
        """Side of the map that the auxiliary heads see."""
        size = out_size(config.resolution, 7, 2, 3)
        for _ in range(3):
            size = out_size(size, 3, 2, ceil=self.ceil)
        if config.aux_heads and size < 5:
            raise UsageError(
                f"GoogLeNet: resolution={config.resolution} gives the auxiliary heads maps of {size}",
                expected="maps of at least 5, e.g. resolution=224",
            )
        return size

    def trunk(self) -> list[nn.Module]:
        """Stem and inception modules: (N, 3, H, W) -> (N, 1024, H/32, W/32)."""
        stem = [self.conv1, self.pool1, self.norm1, self.conv2, self.norm2, self.pool2]
        return [*stem, *(self.get_submodule(name) for name in MODULES)]

    def classify(self, x: Tensor) -> Tensor:
        """(N, 1024, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.drop(self.avgpool(x).flatten(1)))
        return out

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """(N, 3, H, W) -> (N, classes), in training with auxiliary heads three of them."""
        if not (self.training and self.aux_heads):
            logits: Tensor = super().forward(x)
            return logits
        heads = {self.get_submodule(at): self.get_submodule(f"aux_{at}") for at in AUX_AT}
        return with_heads(self, heads, x)
