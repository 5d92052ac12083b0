"""Blocks of FE-Net: 1x1 convolutions, and shifts that only some channels need; Chen et al. 2019 (arXiv:1903.05285), sec. 4.

Names are those of the authors' code (hikvision-research/SparseShiftLayer).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.sparse_shift import SparseShift


class InvertedShift(nn.Module):
    """1x1, batch normalisation, ReLU, sparse shift, 1x1, batch normalisation (IBSSL of the authors' code).

    (N, C, H, W) -> (N, M, H, W).

    Args:
        in_channels: C.
        channels: M.
        hidden: channels that are shifted.
        residual: whether the input is added.
    """

    def __init__(
        self, in_channels: int, channels: int, hidden: int, *, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.relu = nn.ReLU(inplace=True)
        self.shift2 = SparseShift(hidden)
        self.conv2 = nn.Conv2d(hidden, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H, W)."""
        y: Tensor = self.bn2(self.conv2(self.shift2(self.relu(self.bn1(self.conv1(x))))))
        return y + x if self.residual else y


class InvertedPool(nn.Module):
    """1x1, batch normalisation, ReLU, 2x2 average pooling, 1x1, batch normalisation (IBPool).

    (N, C, H, W) -> (N, M, H // 2, W // 2).
    """

    def __init__(self, in_channels: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.relu = nn.ReLU(inplace=True)
        self.shift2 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(hidden, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H // 2, W // 2)."""
        y = self.shift2(self.relu(self.bn1(self.conv1(x))))
        out: Tensor = self.bn2(self.conv2(y))
        return out


class PartialReuse(nn.Module):
    """Half of the channels pass, the other half are made anew, a quarter of them twice, and so on (fig. 5).

    The channels are split into C/2, C/4, ..., G and G. The last G go through a residual unit, are put behind
    the G before them, both go through the next, and so on, until C/2 have. (N, C, H, W) -> (N, C, H, W).

    Args:
        channels: C, a multiple of 2^units.
        units: residual units.
        expansion: channels that each unit shifts for one that it makes.

    Raises:
        UsageError: C cannot be halved so often.
    """

    def __init__(self, channels: int, units: int, expansion: int) -> None:
        super().__init__()
        if channels % 2**units:
            raise UsageError(
                f"{channels} channels cannot be halved {units} times",
                expected=f"a multiple of {2**units}",
            )
        widths = [channels // 2 ** (units - i) for i in range(units)]
        self.split = [widths[0], *widths]
        for i, width in enumerate(widths, 1):
            unit = InvertedShift(width, width, width * expansion, residual=True)
            self.add_module(f"resibssl_{i}", unit)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        *passing, last = torch.split(x, self.split[::-1], 1)
        for i, part in enumerate(reversed(passing), 1):
            last = torch.cat((part, self.get_submodule(f"resibssl_{i}")(last)), 1)
        return last
