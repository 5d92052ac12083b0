"""The early-exit network that benchmarks/dynamic.py trains: coarse maps first, finer ones where they are needed.

Importing it registers the network ``coarse_first`` for recipes.
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


def norm(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3x3 convolution and normalisation."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def unit(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(*norm(inputs, outputs, stride), nn.ReLU())


_OURS = Paper("(this benchmark)", "steelyard", 2026, "")
register_family(
    Family("CoarseFirst", CoarseFirst, CoarseFirstConfig, _OURS, (Model("coarse_first"),))
)
