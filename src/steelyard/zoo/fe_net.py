"""FE-Net: networks in which a few shifts do all that is spatial; Chen et al. 2019 (arXiv:1903.05285), sec. 4.

Layout and module names are those of the authors' code (hikvision-research/SparseShiftLayer).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.layers.fe_block import InvertedPool, InvertedShift, PartialReuse
from steelyard.zoo.catalog.fe_net import FENetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class FENet(Network):
    """3x3 stem, two bottlenecks, blocks of partial reuse, a wide 1x1, classifier.

    (N, 3, H, W) -> (N, classes). Weights start as PyTorch's layers draw them, as in the authors' code.
    """

    def __init__(self, config: FENetConfig) -> None:
        super().__init__()
        self.expand_input = config.inner == "input"
        width = scaled(16, config.width, _multiple(config))
        self.conv1 = nn.Conv2d(config.in_channels, width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.ibssl = InvertedShift(width, width, self._hidden(width, width, 4))
        self.ibpool = InvertedPool(width, 2 * width, self._hidden(width, 2 * width, 5))
        channels = 2 * width
        self.blocks = len(config.units)
        for i, (units, stride) in enumerate(zip(config.units, config.strides, strict=True), 1):
            made = channels * stride
            hidden = self._hidden(channels, made, config.expansion)
            tail = (InvertedShift if stride == 1 else InvertedPool)(channels, made, hidden)
            block = nn.Sequential(PartialReuse(channels, units, config.expansion), tail)
            self.add_module(f"feblock{i}", block if units else nn.Sequential(tail))
            channels = made
        self.conv2 = nn.Conv2d(channels, config.head, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(config.head)
        self.relu = nn.ReLU(inplace=True)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Conv2d(config.head, config.num_classes, 1)

    def _hidden(self, in_channels: int, channels: int, expansion: int) -> int:
        return (in_channels if self.expand_input else channels) * expansion

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, bottlenecks, blocks, last 1x1: (N, 3, H, W) -> (N, head, H/32, W/32)."""
        yield from (self.conv1, self.bn1, self.ibssl, self.ibpool)
        for i in range(self.blocks):
            yield from self.get_submodule(f"feblock{i + 1}").children()
        yield from (self.conv2, self.bn2, self.relu)

    def classify(self, x: Tensor) -> Tensor:
        """(N, head, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.gap(x))).flatten(1)
        return out


def _multiple(config: FENetConfig) -> int:
    """What the stem's channels must be a multiple of, so that every block can halve its own often enough."""
    most, doublings = 1, 1
    for units, stride in zip(config.units, config.strides, strict=True):
        most = max(most, 2 ** (units - doublings) if units > doublings else 1)
        doublings += stride - 1
    return most
