"""ShiftNet: 1x1 convolutions and shifts alone; Wu et al. 2017 (arXiv:1711.08141), sec. 4.3."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.conv_shift_conv import PreActConvShiftConv
from steelyard.zoo.catalog.shiftnet import ShiftNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network


class ShiftNet(Network):
    """7x7 stem with stride 2, stages that each begin with stride 2, classifier.

    (N, 3, H, W) -> (N, classes).

    Raises:
        UsageError: a stage that is not wider than the one before.
    """

    def __init__(self, config: ShiftNetConfig) -> None:
        super().__init__()
        channels = scaled(config.stem, config.width)
        self.conv1 = nn.Conv2d(config.in_channels, channels, 7, stride=2, padding=3, bias=False)
        self.stages = len(config.blocks)
        for i in range(self.stages):
            width = scaled(config.channels[i], config.width)
            if width <= channels:
                raise UsageError(
                    f"channels={config.channels!r} and stem={config.stem} at width {config.width} let "
                    f"stage {i + 1} have {width} channels after {channels}",
                    expected="each stage wider than what comes before",
                )
            stage = nn.Sequential()
            for j in range(config.blocks[i]):
                expansion = config.expansion[i] if j else config.first_expansion[i]
                stride = 1 if j else 2
                unit = PreActConvShiftConv(channels, width, stride, expansion, config.kernels[i])
                stage.append(unit)
                channels = width
            self.add_module(f"layer{i + 1}", stage)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, config.num_classes)
        self.apply(init.he)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, stages, normalisation: (N, 3, H, W) -> (N, C, H/32, W/32)."""
        yield self.conv1
        for i in range(self.stages):
            yield self.get_submodule(f"layer{i + 1}")
        yield from (self.bn, self.relu)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out
