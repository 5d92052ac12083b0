"""Joining of maps of several resolutions: the exchange unit of HRNet; Sun et al. 2019 (arXiv:1902.09212), fig. 3."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError


class MultiScaleExchange(nn.Module):
    """Every output is the rectified sum of all inputs, brought to its resolution and channels.

    Maps, each half as large as the one before: (N, C_0, H, W), (N, C_1, H/2, W/2), ... -> the same
    shapes. A smaller map comes by 1x1 convolution, BN and nearest-neighbour enlargement; a larger one by
    3x3 convolutions of stride 2 with BN, all but the last of them with ReLU, too; odd sides are
    rounded up.

    Args:
        channels: C_0, C_1, ...

    Raises:
        UsageError: fewer than two maps.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        if len(channels) < 2:
            raise UsageError(
                f"channels={tuple(channels)!r} leaves nothing to exchange", expected="two or more"
            )
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(channels, j, i) for j in range(len(channels)))
            for i in range(len(channels))
        )
        self.relu = nn.ReLU()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """[(N, C_i, H/2^i, W/2^i) for every i] -> the same shapes."""
        joined = []
        for i, paths in enumerate(self.paths):
            size = maps[i].shape[-2:]
            total: Tensor | None = None
            for j, (path, x) in enumerate(zip(paths, maps, strict=True)):  # type: ignore[call-overload]
                y = path(x)
                if j > i:
                    y = F.interpolate(y, size=size, mode="nearest")
                total = y if total is None else total + y
            joined.append(self.relu(total))
        return joined


def _path(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """What brings a map of one level to another, but for the enlargement."""
    before, behind = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(before, behind, 1, bias=False), nn.BatchNorm2d(behind))
    path = nn.Sequential()
    for level in range(source, target):
        last = level == target - 1
        path.append(conv_bn(before, behind if last else before, stride=2, relu=not last))
    return path


def conv_bn(in_channels: int, channels: int, *, stride: int, relu: bool) -> nn.Sequential:
    """3x3 convolution, BN and ReLU or none: (N, C, H, W) -> (N, channels, H/stride, W/stride)."""
    layers = nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return layers
