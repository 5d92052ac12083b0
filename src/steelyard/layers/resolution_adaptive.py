"""Dense blocks that read, beside their own maps, those of a block at a lower resolution.

Yang et al. 2020 (arXiv:2003.07326), sec. 3.2 and fig. 3. Module names are those of yangle15/RANet-pytorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.layers.multi_scale_dense import ConvUnit


class PlainLayer(nn.Module):
    """New maps beside the old: (N, C, H, W) -> (N, C + growth, H, W)."""

    def __init__(self, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.conv_normal = ConvUnit(in_channels, growth, bottleneck=bottleneck * growth)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + growth, H, W)."""
        return torch.cat([x, self.conv_normal(x)], dim=1)


class FusionLayer(nn.Module):
    """New maps from two resolutions: (N, C, H, W), (N, C_low, H_low, W_low) -> (N, C + growth, H', W').

    Args:
        in_channels: C.
        low_channels: C_low.
        growth: new maps.
        low_growth: how many of them are made at the lower resolution, and enlarged.
        bottleneck: the 1x1 convolutions make this many times the new maps; of C, of C_low.
        stride: 2 halves the resolution.
    """

    def __init__(
        self,
        in_channels: int,
        low_channels: int,
        growth: int,
        low_growth: int,
        bottleneck: tuple[int, int],
        stride: int,
    ) -> None:
        super().__init__()
        own = growth - low_growth
        self.conv_up = ConvUnit(low_channels, low_growth, bottleneck=bottleneck[1] * low_growth)
        self.conv_normal = ConvUnit(in_channels, own, stride=stride, bottleneck=bottleneck[0] * own)

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        """(N, C, H, W), (N, C_low, H_low, W_low) -> (N, C + growth, H', W')."""
        new = self.conv_normal(x)
        return torch.cat([_resized(x, new), _resized(self.conv_up(low), new), new], dim=1)


class DenseStage(nn.Module):
    """A dense block: (N, C, H, W) -> its output, and the maps in front of and behind each layer.

    Args:
        in_channels: C.
        layers: how many.
        growth: maps that each adds.
        bottleneck: as of `PlainLayer`.
        reduction: part of the maps that a 1x1 convolution keeps at the end; None: all, without one.

    Attributes:
        channels: of the maps that come with the output, and of the output.
    """

    def __init__(
        self,
        in_channels: int,
        layers: int,
        growth: int,
        bottleneck: int,
        reduction: float | None,
    ) -> None:
        super().__init__()
        widths = [in_channels + i * growth for i in range(layers + 1)]
        self.layers = nn.ModuleList(PlainLayer(c, growth, bottleneck) for c in widths[:-1])
        self.trans, out = _transition(widths[-1], reduction)
        self.channels = (*widths, out)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W) -> (N, C', H, W), and ``layers`` + 1 maps."""
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return self.trans(maps[-1]), maps


class FusionStage(nn.Module):
    """A dense block that reads the maps of a block at a lower resolution, layer by layer.

    Args:
        in_channels: of its own input.
        low_channels: of the maps of the other block.
        growth: maps that each layer adds; at least 2.
        compression: part of new maps that is made at the lower resolution; rounded down, but one at least.
        bottleneck: of its own maps, of the lower ones.
        stride: of the last layer.
        reduction: as of `DenseStage`.

    Attributes:
        channels: as of `DenseStage`.
    """

    def __init__(
        self,
        in_channels: int,
        low_channels: Sequence[int],
        growth: int,
        compression: float,
        bottleneck: tuple[int, int],
        stride: int,
        reduction: float | None,
    ) -> None:
        super().__init__()
        layers, low_growth = len(low_channels) - 1, max(1, math.floor(growth * compression))
        widths = [in_channels + i * growth for i in range(layers + 1)]
        self.layers = nn.ModuleList(
            FusionLayer(
                widths[i],
                low_channels[i],
                growth,
                low_growth,
                bottleneck,
                stride if i == layers - 1 else 1,
            )
            for i in range(layers)
        )
        added = max(1, math.floor(widths[-1] * compression))
        self.conv_last = ConvUnit(low_channels[-1], added, 1)
        self.trans, out = _transition(widths[-1] + added, reduction)
        self.channels = (*widths, out)

    def forward(self, x: Tensor, low: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W), ``layers`` + 1 lower maps -> (N, C', H', W'), and ``layers`` + 1 maps."""
        maps = [x]
        for layer, below in zip(self.layers, low[:-1], strict=True):
            maps.append(layer(maps[-1], below))
        enlarged = _resized(self.conv_last(low[-1]), maps[-1])
        return self.trans(torch.cat([maps[-1], enlarged], dim=1)), maps


def _transition(channels: int, reduction: float | None) -> tuple[nn.Module, int]:
    if reduction is None:
        return nn.Identity(), channels
    kept = max(1, math.floor(reduction * channels))
    return ConvUnit(channels, kept, 1), kept


def _resized(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)
