"""ShuffleNet V2: channel split and shuffle; Ma et al. 2018 (arXiv:1807.11164), table 5.

Module names are torchvision's, so that its weights fit the networks that split equally.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.shuffle_unit import ShuffleUnitV2
from steelyard.zoo.catalog.shufflenet_v2 import ShuffleNetV2Config
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network
from steelyard.zoo.shufflenet_v1 import draw_weights

CHANNELS = {0.5: 48, 1.0: 116, 1.5: 176, 2.0: 244}
"""Of the first stage, by width; each later stage has twice as many (table 5)."""


class ShuffleNetV2(Network):
    """3x3 with stride 2, pooling, stages of shuffle units, 1x1, average, classifier.

    (N, 3, H, W) -> (N, classes).
    """

    def __init__(self, config: ShuffleNetV2Config) -> None:
        super().__init__()
        self.conv1 = _stem(config)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = config.stem[-1]
        self.stages = []
        for i, (blocks, out) in enumerate(zip(config.blocks, _stage_channels(config), strict=True)):
            name = f"stage{i + 2}"
            stride = config.first_stride if i == 0 else 2
            self.add_module(name, _stage(config, channels, out, blocks, stride))
            self.stages.append(name)
            channels = out
        last = config.last_channels or (2048 if config.width >= 2 else 1024)
        self.conv5 = nn.Sequential(
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(last, config.num_classes, bias=config.head_bias)
        draw_weights(self, first=self.conv1)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, pooling, every unit and the last convolution."""
        yield from (self.conv1, self.maxpool)
        for name in self.stages:
            yield from self.get_submodule(name).children()
        yield self.conv5

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.dropout(x.mean((2, 3))))
        return out


def _stem(config: ShuffleNetV2Config) -> nn.Sequential:
    """3x3 convolutions, the first with stride 2: (N, in_channels, H, W) -> (N, stem[-1], H/2, W/2)."""
    stem, channels, stride = nn.Sequential(), config.in_channels, 2
    for out in config.stem:
        conv = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        stem.extend((conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)))
        channels, stride = out, 1
    return stem


def _stage_channels(config: ShuffleNetV2Config) -> list[int]:
    """Channels of every stage at the chosen width.

    Raises:
        UsageError: not one for each stage.
    """
    if config.channels is None:
        first = CHANNELS.get(config.width) or scaled(CHANNELS[1.0], config.width, 4)
        return [first * 2**i for i in range(len(config.blocks))]
    if len(config.channels) != len(config.blocks):
        raise UsageError(
            f"{len(config.channels)} channel counts for {len(config.blocks)} stages",
            expected="as many in channels as in blocks",
        )
    return [scaled(channels, config.width, 2) for channels in config.channels]


def _stage(
    config: ShuffleNetV2Config, in_channels: int, out_channels: int, blocks: int, stride: int
) -> nn.Sequential:
    kept = in_channels if config.split == "released" else out_channels // 2
    if kept >= out_channels:
        raise UsageError(
            f"a stage of {out_channels} channels behind {in_channels} is not possible",
            expected="stages that widen, unless both branches make half",
            hint="split='equal', a larger width, or a narrower stem",
        )
    stage = nn.Sequential()
    for i in range(blocks):
        unit = ShuffleUnitV2(
            in_channels if i == 0 else out_channels,
            out_channels,
            stride=stride if i == 0 else 1,
            kept=kept,
            residual=config.residual,
            se_reduction=config.se_reduction,
        )
        stage.append(unit)
    return stage
