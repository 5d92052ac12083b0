"""HRNet for classification: branches of all resolutions side by side; Wang et al. 2019 (arXiv:1908.07919).

Module names are timm's, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers import init
from steelyard.layers.multi_scale import MultiScaleExchange, conv_bn
from steelyard.layers.residual import BasicBlock, Bottleneck
from steelyard.zoo.catalog.hrnet import HRNetConfig
from steelyard.zoo.config import scaled
from steelyard.zoo.network import Network

MAX_STAGES = 7
"""Of exchange modules; one branch more."""


class Exchange(nn.Module):
    """Basic blocks on every branch, then the exchange between all: same shapes in as out.

    Args:
        channels: of the branches, largest map first.
        blocks: on each branch.
    """

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(c, c, 1, "B") for _ in range(blocks))) for c in channels
        )
        self.exchange = MultiScaleExchange(channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """[(N, C_i, H/2^i, W/2^i) for every i] -> the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        joined: list[Tensor] = self.exchange(maps)
        return joined


class Transition(nn.ModuleList):
    """Opens a branch of half the resolution, and changes the channels of the others where they differ.

    [(N, C_i, H/2^i, W/2^i) for i < n] -> [(N, D_i, H/2^i, W/2^i) for i <= n].

    Args:
        before: C.
        behind: D.
    """

    def __init__(self, before: Sequence[int], behind: Sequence[int]) -> None:
        super().__init__()
        for c, d in zip(before, behind[:-1], strict=True):
            self.append(nn.Identity() if c == d else conv_bn(c, d, stride=1, relu=True))
        self.append(nn.Sequential(conv_bn(before[-1], behind[-1], stride=2, relu=True)))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """[n maps] -> [n + 1 maps]; the new one comes from the smallest."""
        return [path(x) for path, x in zip(self, [*maps, maps[-1]], strict=True)]


class HRNet(Network):
    """Stem, stage of bottlenecks, stages of exchange modules, head: (N, 3, H, W) -> (N, classes).

    Fig. 2 and appendix A of the paper. Its feature maps are those of the stem and of all branches.

    Raises:
        UsageError: more than `MAX_STAGES` stages of modules.
    """

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        if len(config.modules) > MAX_STAGES:
            raise UsageError(
                f"modules={config.modules!r} gives {len(config.modules)} stages",
                expected=f"1 to {MAX_STAGES}",
            )
        stem = scaled(64, config.width)
        self.conv1 = nn.Conv2d(config.in_channels, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential()
        first, channels = scaled(config.first_channels, config.width), stem
        for _ in range(config.first_blocks):
            self.layer1.append(Bottleneck(channels, first, 1, "B"))
            channels = first * Bottleneck.expansion
        widths = [channels]
        self.stages = len(config.modules)
        for i, count in enumerate(config.modules, start=1):
            wider = [scaled(config.channels * 2**j, config.width) for j in range(i + 1)]
            self.add_module(f"transition{i}", Transition(widths, wider))
            modules = (Exchange(wider, config.blocks) for _ in range(count))
            self.add_module(f"stage{i + 1}", nn.Sequential(*modules))
            widths = wider
        self._add_head(widths, config)
        self.apply(init.he)

    def _add_head(self, widths: Sequence[int], config: HRNetConfig) -> None:
        inner = [scaled(32 * 2**i, config.width) for i in range(len(widths))]
        outer = [c * Bottleneck.expansion for c in inner]
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(c, d, 1, "B")) for c, d in zip(widths, inner, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            _with_bias(c, d, kernel=3, stride=2) for c, d in pairwise(outer)
        )
        last = scaled(2048, config.width)
        self.final_layer = _with_bias(outer[-1], last, kernel=1, stride=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, config.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        maps = self._branches(self._stem(x))
        joined: Tensor = self.incre_modules[0](maps[0])
        for i, down in enumerate(self.downsamp_modules, start=1):
            joined = self.incre_modules[i](maps[i]) + down(joined)
        return self.classify(self.final_layer(joined))

    def classify(self, x: Tensor) -> Tensor:
        """(N, 2048, P, Q) -> (N, classes)."""
        out: Tensor = self.classifier(self.avgpool(x).flatten(1))
        return out

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Stem and branches: (N, 3, H, W) -> strides 2, 4, 8, 16, 32."""
        stem = self._stem(x)
        return (stem, *self._branches(stem))

    def _stem(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        return out

    def _branches(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = [self.layer1(self.relu(self.bn2(self.conv2(x))))]
        for i in range(1, self.stages + 1):
            maps = self.get_submodule(f"transition{i}")(maps)
            maps = self.get_submodule(f"stage{i + 1}")(maps)
        return maps


def _with_bias(in_channels: int, channels: int, *, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
