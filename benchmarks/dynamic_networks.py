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

    channels: int = setting(24, "maps of the stem, at half the image's size", low=1, high=1024)
    deep: int = setting(64, "maps at a quarter of the image's size", low=1, high=4096)


class CoarseFirst(nn.Module):
    """Three exits: a shallow network of stride 4, then twice a residual block at stride 2 that joins it.

    (N, 1, 28, 28) -> three times (N, classes). What an exit computed, the later ones use.
    """

    def __init__(self, config: CoarseFirstConfig) -> None:
        super().__init__()
        c, d = config.channels, config.deep
        self.exits = 3
        self.stem = unit(config.in_channels, c, 2)
        self.quick = nn.Sequential(unit(c, 2 * c, 2), unit(2 * c, 2 * c, 1))
        self.fine = nn.ModuleList(BasicBlock(c, c, 1, "B") for _ in range(2))
        self.down = nn.ModuleList(norm(c, d, 3, 2) for _ in range(2))
        self.join = norm(2 * c, d, 1, 1)
        self.deep = BasicBlock(d, d, 1, "B")
        self.heads = nn.ModuleList(nn.Linear(n, config.num_classes) for n in (2 * c, d, d))
        self.apply(init.he)

    def begin(self, images: Tensor) -> tuple[Tensor]:
        """See `EarlyExit.begin`."""
        return (images,)

    def advance(self, stage: int, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See `EarlyExit.advance`."""
        if stage == 0:
            fine = self.stem(state[0])
            coarse = self.quick(fine)
        else:
            fine, coarse = state
            fine = self.fine[stage - 1](fine)
            old = self.join(coarse) if stage == 1 else coarse
            coarse = F.relu(self.down[stage - 1](fine) + old)
            if stage == 2:
                coarse = self.deep(coarse)
        return self.heads[stage](coarse.mean((2, 3))), (fine, coarse)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 1, 28, 28) -> logits of every exit, earliest first."""
        return run_stages(self, images)


def norm(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    """Convolution and normalisation."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def unit(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(*norm(inputs, outputs, 3, stride), nn.ReLU())


_OURS = Paper("(this benchmark)", "steelyard", 2026, "")
register_family(
    Family("CoarseFirst", CoarseFirst, CoarseFirstConfig, _OURS, (Model("coarse_first"),))
)
