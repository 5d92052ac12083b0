"""OverFeat, the fast and the accurate network; Sermanet et al. 2013 (arXiv:1312.6229), tables 1 and 3."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.sizes import out_size
from steelyard.zoo.catalog.overfeat import OverFeatConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class Conv(NamedTuple):
    """A convolution with ReLU and, behind it, a non-overlapping pooling (0: none)."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: int = 0


FAST = (
    Conv(96, 11, stride=4, pool=2),
    Conv(256, 5, pool=2),
    Conv(512, 3, padding=1),
    Conv(1024, 3, padding=1),
    Conv(1024, 3, padding=1, pool=2),
)
ACCURATE = (
    Conv(96, 7, stride=2, pool=3),
    Conv(256, 7, pool=2),
    Conv(512, 3, padding=1),
    Conv(512, 3, padding=1),
    Conv(1024, 3, padding=1),
    Conv(1024, 3, padding=1, pool=3),
)


class OverFeat(Network):
    """Convolutions, non-overlapping pooling, three fully connected layers; no response normalisation.

    (N, 3, H, W) -> (N, classes), H = W = 231 (fast) or 221 (accurate).
    """

    one_size = True

    def __init__(self, config: OverFeatConfig) -> None:
        super().__init__()
        fast = config.variant == "fast"
        self.features = nn.Sequential()
        channels, size = config.in_channels, config.resolution
        for conv in FAST if fast else ACCURATE:
            out_channels = scaled(conv.channels, config.width)
            self.features.append(
                nn.Conv2d(channels, out_channels, conv.kernel, conv.stride, conv.padding)
            )
            self.features.append(nn.ReLU(inplace=True))
            channels, size = out_channels, out_size(size, conv.kernel, conv.stride, conv.padding)
            if conv.pool:
                self.features.append(nn.MaxPool2d(conv.pool))
                size //= conv.pool
        if size < 1:
            raise UsageError(
                f"OverFeat: resolution={config.resolution} leaves no feature map",
                expected="231 for the fast network, 221 for the accurate one",
            )
        hidden1, hidden2 = (scaled(c, config.width) for c in (3072 if fast else 4096, 4096))
        self.classifier = nn.Sequential(
            nn.Linear(channels * size**2, hidden1),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden1, hidden2),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(hidden2, config.num_classes),
        )
        # sec. 3.1: weights drawn from N(0, 0.01^2)
        self.apply(init.gaussian)

    def trunk(self) -> nn.Sequential:
        """The convolutions: (N, 3, H, W) -> (N, 1024, P, Q)."""
        return self.features

    def classify(self, x: Tensor) -> Tensor:
        """The three fully connected layers: (N, 1024, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(x.flatten(1))
        return out
