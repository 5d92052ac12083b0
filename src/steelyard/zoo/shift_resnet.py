"""ShiftResNet: ResNet for CIFAR with shifts in the place of 3x3 convolutions; Wu et al. 2017 (arXiv:1711.08141), sec. 4.1.

Module names are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.layers.conv_shift_conv import ConvShiftConv
from steelyard.zoo.catalog.shift_resnet import ShiftResNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class ShiftResNet(Network):
    """3x3 stem, stages of conv-shift-conv units, global average pooling, classifier.

    (N, 3, H, W) -> (N, classes). Weights start as PyTorch's layers draw them, as in the authors' code.
    """

    def __init__(self, config: ShiftResNetConfig) -> None:
        super().__init__()
        channels = scaled(16, config.width)
        self.conv1 = nn.Conv2d(config.in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.stages = len(config.blocks)
        for i, blocks in enumerate(config.blocks):
            width = scaled(16 * 2**i, config.width)
            hidden = max(1, int(width * config.expansion))
            stage = nn.Sequential()
            for j in range(blocks):
                stride = 2 if i and j == 0 else 1
                stage.append(ConvShiftConv(channels, width, stride, hidden, config.kernel_size))
                channels = width
            self.add_module(f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, config.num_classes)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem and stages: (N, 3, H, W) -> (N, C, H/4, W/4)."""
        yield from (self.conv1, self.bn1, self.relu)
        for i in range(self.stages):
            yield self.get_submodule(f"layer{i + 1}")

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.linear(self.avgpool(x).flatten(1))
        return out
