"""ShuffleNetV2.Large, from the repository of ShuffleNet's authors; the paper is Ma et al. 2018 (arXiv:1807.11164)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.grouped_shuffle_unit import GroupedShuffleUnit
from steelyard.zoo.catalog.shufflenet_v2_large import ShuffleNetV2LargeConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network
from steelyard.zoo.shufflenet_v1 import draw_weights


class ShuffleNetV2Large(Network):
    """Three 3x3 convolutions, pooling, stages of units, 3x3, average, classifier: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: ShuffleNetV2LargeConfig) -> None:
        super().__init__()
        stem = [scaled(channels, config.width, 2) for channels in config.stem]
        channels, out = stem[-1], scaled(config.channels, config.width, 2 * config.groups)
        if channels >= out:
            raise UsageError(
                f"a first stage of {out} channels behind {channels} is not possible",
                expected="stages that widen",
                hint="more channels, or a narrower stem",
            )
        self.conv1 = nn.Sequential()
        for i, (before, after) in enumerate(zip([config.in_channels, *stem], stem, strict=False)):
            self.conv1.extend(_convolution(before, after, stride=2 if i == 0 else 1))
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.Sequential()
        for i, blocks in enumerate(config.blocks):
            for j in range(blocks):
                unit = GroupedShuffleUnit(
                    channels,
                    out,
                    stride=2 if i > 0 and j == 0 else 1,
                    groups=config.groups,
                    se_reduction=config.se_reduction,
                )
                self.stages.append(unit)
                channels = out
            out = 2 * out
        last = scaled(config.last_channels, config.width)
        self.conv5 = nn.Sequential(*_convolution(channels, last, stride=1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(last, config.num_classes)
        draw_weights(self, first=self.conv1)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, pooling, every unit and the last convolution."""
        yield from (self.conv1, self.maxpool, *self.stages.children(), self.conv5)

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return out


def _convolution(in_channels: int, channels: int, *, stride: int) -> list[nn.Module]:
    """3x3, normalised, ReLU: (N, C, H, W) -> (N, channels, H/stride, W/stride)."""
    return [
        nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]
