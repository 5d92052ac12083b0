"""ShuffleNet V1: grouped 1x1 convolutions and shuffles; Zhang et al. 2017 (arXiv:1707.01083), table 1."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.shuffle_unit import ShuffleUnitV1
from steelyard.zoo.catalog.shufflenet_v1 import ShuffleNetV1Config
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Of the first stage, by the number of groups (table 1)."""


class ShuffleNetV1(Network):
    """3x3 with stride 2, pooling, stages of shuffle units, average, classifier: (N, 3, H, W) -> (N, classes)."""

    def __init__(self, config: ShuffleNetV1Config) -> None:
        super().__init__()
        groups = config.groups
        base = config.channels or CHANNELS.get(groups)
        if base is None:
            raise UsageError(
                f"the paper's table has no channels for groups={groups}",
                expected="groups = " + ", ".join(map(str, CHANNELS)),
                hint=f"channels={40 * groups}, the channels of the first stage",
            )
        stem = config.stem or stem_channels(config.width, groups)
        self.conv1 = nn.Sequential(
            nn.Conv2d(config.in_channels, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, out = stem, scaled(base, config.width, groups)
        if out <= stem or stem % groups:
            raise UsageError(
                f"{stem} channels before a first stage of {out} in {groups} groups are not possible",
                expected="more channels in the stage, and a multiple of the groups before it",
                hint=f"a larger width, or stem={groups}",
            )
        self.stages = []
        for i, blocks in enumerate(config.blocks):
            name = f"stage{i + 2}"
            self.add_module(name, _stage(config, channels, out, blocks, first=i == 0))
            self.stages.append(name)
            channels, out = out, 2 * out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, config.num_classes, bias=config.head_bias)
        draw_weights(self, first=self.conv1)

    def trunk(self) -> Iterator[nn.Module]:
        """Stem, pooling and every unit."""
        yield from (self.conv1, self.maxpool)
        for name in self.stages:
            yield from self.get_submodule(name).children()

    def classify(self, x: Tensor) -> Tensor:
        """(N, C, P, Q) -> (N, classes)."""
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out


def stem_channels(width: float, groups: int) -> int:
    """Channels of the first convolution: 24, doubled with the width, at least 12, a multiple of the groups.

    >>> [stem_channels(width, 3) for width in (0.25, 0.5, 1, 1.5, 2)], stem_channels(0.5, 8)
    ([12, 12, 24, 24, 48], 16)
    """
    channels = 24 * 2 ** max(0, math.floor(math.log2(width))) if width >= 1 else 12
    return math.ceil(channels / groups) * groups


def _stage(
    config: ShuffleNetV1Config, in_channels: int, out_channels: int, blocks: int, *, first: bool
) -> nn.Sequential:
    groups = config.groups
    mid = max(1, (out_channels + 2 * groups) // (4 * groups)) * groups  # the nearest multiple
    stage = nn.Sequential()
    for i in range(blocks):
        unit = ShuffleUnitV1(
            in_channels if i == 0 else out_channels,
            mid,
            out_channels,
            stride=2 if i == 0 else 1,
            groups=groups,
            # "we do not apply group convolution on the first pointwise layer" (sec. 3.2)
            first_groups=1 if first and i == 0 else groups,
            se_reduction=config.se_reduction,
        )
        stage.append(unit)
    return stage


def draw_weights(network: nn.Module, *, first: nn.Module) -> None:
    """Initial weights as in the authors' code of V1 and V2 (megvii-model/ShuffleNet-Series).

    Convolutions N(0, 1/C^2) with C the channels of a filter, the first ones N(0, 0.01^2); batch
    normalisation 1 and 0.0001; the classifier N(0, 0.01^2). Squeeze-and-excitation keeps PyTorch's.
    """
    stem = set(first.modules())
    for name, module in network.named_modules():
        if ".se." in name:
            continue
        if isinstance(module, nn.Conv2d):
            std = 0.01 if module in stem else 1 / module.weight.shape[1]
            nn.init.normal_(module.weight, std=std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.constant_(module.bias, 0.0001)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
