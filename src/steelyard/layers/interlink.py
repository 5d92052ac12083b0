"""The interlinking layer: convolutions of several resolutions that read their neighbours' maps, too.

Zhou, Hu and Zhang 2015 (arXiv:1806.02479), sec. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TanhConv2d(nn.Sequential):
    """Convolution to the same size, tanh; batch normalisation between them if wanted."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, *, norm: bool) -> None:
        conv = nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2)
        super().__init__(conv, *([nn.BatchNorm2d(channels)] if norm else []), nn.Tanh())


class Interlink(nn.Module):
    """Each row convolves the finer row's maps, pooled, its own, and the coarser row's, enlarged.

    k x (N, C_i, H_i, W_i) -> the same shapes, the finest row first. Maps are halved by 2x2 max-pooling and
    doubled by repeating pixels.

    Args:
        channels: C_i of each row.
        kernel_size: of the convolutions, odd.
        norm: batch normalisation before the tanh.
    """

    def __init__(
        self, channels: Sequence[int], kernel_size: int = 5, *, norm: bool = False
    ) -> None:
        super().__init__()
        self.rows = nn.ModuleList(
            TanhConv2d(sum(channels[max(0, i - 1) : i + 2]), c, kernel_size, norm=norm)
            for i, c in enumerate(channels)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """k x (N, C_i, H_i, W_i) -> k x (N, C_i, H_i, W_i)."""
        out = []
        for i, row in enumerate(self.rows):
            finer = [F.max_pool2d(x, 2) for x in maps[max(0, i - 1) : i]]
            coarser = [enlarged(x, maps[i]) for x in maps[i + 1 : i + 2]]
            out.append(row(torch.cat([*finer, maps[i], *coarser], dim=1)))
        return out


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """``x`` with pixels repeated to the size of ``like``: (N, C, h, w) -> (N, C, H, W)."""
    return F.interpolate(x, size=like.shape[2:], mode="nearest")
