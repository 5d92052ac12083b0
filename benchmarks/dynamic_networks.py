"""The early-exit networks that benchmarks/dynamic.py trains: coarse maps first, finer ones where they are needed.

Importing it registers ``coarse_first``, ``look_twice`` and the first stage of the latter alone, ``quick_look``, for recipes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.dynamic.early_exit import run_stages
from steelyard.layers import init
from steelyard.layers.residual import BasicBlock
from steelyard.zoo.config import ImageConfig, setting
from steelyard.zoo.registry import Family, Model, Paper, register_family


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseFirstConfig(ImageConfig):
    """Settings."""

    channels: int = setting(32, "maps at half the image's size", low=1, high=1024)
    deep: int = setting(64, "maps at a quarter of the image's size", low=1, high=4096)
    last: int = setting(2, "residual blocks before the last exit", low=1, high=16)


class CoarseFirst(nn.Module):
    """Three exits: a shallow network down to stride 4; twice a finer map that is refined and joins it, then blocks.

    (N, 1, 28, 28) -> three times (N, classes). What an exit computed, the later ones use; the finer map, of stride 2,
    serves no classifier directly, so that early classifiers do not spoil it (Huang et al. 2018, section 3.1).
    """

    def __init__(self, config: CoarseFirstConfig) -> None:
        super().__init__()
        c, d = config.channels, config.deep
        self.exits = 3
        self.stem = unit(config.in_channels, c, 2)
        self.quick = nn.Sequential(unit(c, c, 2), unit(c, d, 1))
        self.fine = nn.ModuleList(unit(c, c, 1) for _ in range(2))
        self.down = nn.ModuleList(norm(c, d, 2) for _ in range(2))
        self.last = nn.Sequential(*(BasicBlock(d, d, 1, "B") for _ in range(config.last)))
        self.heads = nn.ModuleList(nn.Linear(d, config.num_classes) for _ in range(3))
        self.apply(init.he)

    def begin(self, images: Tensor) -> tuple[Tensor]:
        """See `EarlyExit.begin`."""
        return (images,)

    def advance(self, stage: int, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See `EarlyExit.advance`."""
        if stage == 0:
            fine = self.stem(state[0])
            coarse = self.quick(fine)
            later = (fine, coarse)
        elif stage == 1:
            fine = state[0] + self.fine[0](state[0])
            coarse = F.relu(self.down[0](fine) + state[1])
            later = (fine, coarse)
        else:
            fine = state[0] + self.fine[1](state[0])
            coarse = self.last(F.relu(self.down[1](fine) + state[1]))
            later = ()
        return self.heads[stage](coarse.mean((2, 3))), later

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 1, 28, 28) -> logits of every exit, earliest first."""
        return run_stages(self, images)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTwiceConfig(ImageConfig):
    """Settings."""

    first: int = setting(16, "maps of the first look at half the image's size", low=1, high=1024)
    deep: int = setting(32, "maps of the first look at a quarter of it", low=1, high=4096)
    channels: int = setting(16, "maps of the second look at the image's size", low=1, high=1024)


class QuickLook(nn.Module):
    """A shallow ResNet that begins at stride 2: (N, 1, 28, 28) -> logits (N, classes).

    Alone a network of the comparison and the first of cascades; of `LookTwice` the first stage.
    """

    def __init__(self, config: LookTwiceConfig) -> None:
        super().__init__()
        self.body = nn.Sequential(
            unit(config.in_channels, config.first, 2),
            BasicBlock(config.first, config.deep, 2, "B"),
            BasicBlock(config.deep, config.deep, 1, "B"),
        )
        self.head = nn.Linear(config.deep, config.num_classes)
        self.apply(init.he)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        return self.head(self.body(images).mean((2, 3)))


class LookTwice(nn.Module):
    """Two exits: a quick look, then a ResNet on the whole image which also reads the maps of the quick look.

    (N, 1, 28, 28) -> twice (N, classes). The ResNet is that of the comparison but for its last block, whose shortcut
    is the first look's maps. So the second exit costs hardly more than the network without exits, and the first few
    layers need not serve both a classifier and the layers behind it.
    """

    def __init__(self, config: LookTwiceConfig) -> None:
        super().__init__()
        c = config.channels
        self.exits = 2
        self.quick = QuickLook(config)
        self.fine = nn.Sequential(
            unit(config.in_channels, c, 1), BasicBlock(c, c, 1, "B"), BasicBlock(c, 2 * c, 2, "B")
        )
        self.down = norm(2 * c, 4 * c, 2)
        self.across = norm(config.deep, 4 * c, 1, kernel=1)
        self.last = Residual(4 * c)
        self.head = nn.Linear(4 * c, config.num_classes)
        self.apply(init.he)

    def begin(self, images: Tensor) -> tuple[Tensor]:
        """See `EarlyExit.begin`."""
        return (images,)

    def advance(self, stage: int, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See `EarlyExit.advance`."""
        if stage == 0:
            maps = self.quick.body(state[0])
            return self.quick.head(maps.mean((2, 3))), (state[0], maps)
        images, maps = state
        joined = F.relu(self.down(self.fine(images)) + self.across(maps))
        return self.head(self.last(joined).mean((2, 3))), ()

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 1, 28, 28) -> logits of every exit, earliest first."""
        return run_stages(self, images)


class Residual(nn.Module):
    """x + 3x3 convolution and normalisation, ReLU: of the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = norm(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return F.relu(x + self.branch(x))


def norm(inputs: int, outputs: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """Convolution, 3x3 if not said otherwise, and normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def unit(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(*norm(inputs, outputs, stride), nn.ReLU())


_OURS = Paper("(this benchmark)", "steelyard", 2026, "")
register_family(
    Family("CoarseFirst", CoarseFirst, CoarseFirstConfig, _OURS, (Model("coarse_first"),))
)
register_family(Family("QuickLook", QuickLook, LookTwiceConfig, _OURS, (Model("quick_look"),)))
register_family(Family("LookTwice", LookTwice, LookTwiceConfig, _OURS, (Model("look_twice"),)))
