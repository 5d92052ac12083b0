"""Dense layers over several scales at once, which make coarse features as early as fine ones.

Huang et al. 2017 (arXiv:1703.09844), sec. 4.1 and fig. 3. A multi-scale map is a list of maps, finest first,
each half as large as the one before it. Module names are those of kalviny/MSDNet-PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, ReLU: (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)).

    Args:
        kernel: 1 or 3.
        bottleneck: a 1x1 convolution to at most that many channels goes before, normalised and
            with ReLU; None: none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        bottleneck: int | None = None,
    ) -> None:
        super().__init__()
        self.net = nn.Sequential()
        if bottleneck is not None:
            inner = min(in_channels, bottleneck)
            self.net.append(nn.Conv2d(in_channels, inner, 1, bias=False))
            self.net.extend([nn.BatchNorm2d(inner), nn.ReLU(inplace=True)])
            in_channels = inner
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.net.append(conv)
        self.net.extend([nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        out: Tensor = self.net(x)
        return out


class ScaleJoin(nn.Module):
    """One scale of a layer: what it had, new maps from the finer scale and new maps from its own.

    [(N, C_finer, 2H, 2W), (N, C, H, W)] -> (N, C + growth, H, W), half of the growth from each; without
    a finer scale [(N, C, H, W)] -> (N, C + growth, H, W).

    Args:
        in_channels: C, with C_finer before it if there is a finer scale.
        growth: new maps; even where there is a finer scale.
        bottleneck: for each of ``in_channels``, the 1x1 convolution has that many times the new maps;
            None: no 1x1.

    Raises:
        UsageError: a growth that cannot be halved.
    """

    def __init__(
        self, in_channels: Sequence[int], growth: int, bottleneck: Sequence[int] | None
    ) -> None:
        super().__init__()
        sources = len(in_channels)
        if growth % sources:
            raise UsageError(
                f"{growth} new maps cannot come from two scales in equal parts",
                expected="an even number at every scale but the finest",
            )
        part = growth // sources
        widths = [
            None if bottleneck is None else factor * part for factor in bottleneck or in_channels
        ]
        if sources == 2:
            self.conv_down = ConvUnit(in_channels[0], part, stride=2, bottleneck=widths[0])
        self.conv_normal = ConvUnit(in_channels[-1], part, bottleneck=widths[-1])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """[(N, C_finer, 2H, 2W), (N, C, H, W)] or [(N, C, H, W)] -> (N, C + growth, H, W)."""
        finer = [self.conv_down(maps[0])] if len(maps) == 2 else []
        return torch.cat([maps[-1], *finer, self.conv_normal(maps[-1])], dim=1)


class MultiScaleLayer(nn.Module):
    """New maps at every scale from that scale and the next finer one.

    [(N, C_i, H_i, W_i), ...] -> [(N, C_i + growth_i, H_i, W_i), ...].

    Args:
        in_channels: C_i, finest first.
        growth: new maps of each scale; one fewer than ``in_channels`` drops the finest scale, which
            then is read for the last time.
        bottleneck: as of `ScaleJoin`, for each of ``in_channels``.

    Raises:
        UsageError: as `ScaleJoin`, or numbers of scales that do not fit.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        growth: Sequence[int],
        bottleneck: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.dropped = len(in_channels) - len(growth)
        if self.dropped not in (0, 1) or not growth:
            raise UsageError(
                f"{len(in_channels)} scales cannot become {len(growth)} in one layer",
                expected="as many, or one fewer and at least one",
            )
        self.layers = nn.ModuleList()
        for i, maps in enumerate(growth):
            sources = self._sources(i)
            factors = None if bottleneck is None else bottleneck[sources]
            self.layers.append(ScaleJoin(in_channels[sources], maps, factors))

    def _sources(self, scale: int) -> slice:
        """The scales of the input that a scale of the output is made from."""
        same = scale + self.dropped
        return slice(max(0, same - 1), same + 1)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """[(N, C_i, H_i, W_i), ...] -> [(N, C_i + growth_i, H_i, W_i), ...]."""
        return [layer(maps[self._sources(i)]) for i, layer in enumerate(self.layers)]


class MultiScaleStem(nn.Module):
    """From an image to all scales: (N, C, H, W) -> [(N, M_0, H', W'), (N, M_1, H'/2, W'/2), ...].

    Args:
        first: makes the finest scale of the image.
        channels: M_i; the coarser scales are 3x3 convolutions of the next finer one.
        strides: of these convolutions; None: 2.
    """

    def __init__(
        self, first: nn.Module, channels: Sequence[int], strides: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([first])
        pairs = list(pairwise(channels))
        for (finer, coarser), stride in zip(pairs, strides or [2] * len(pairs), strict=True):
            self.layers.append(ConvUnit(finer, coarser, stride=stride))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> [(N, M_0, H', W'), ...]."""
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps


class PerScale(nn.Module):
    """A module for each scale: [(N, C_i, H_i, W_i), ...] -> [m_i(map_i), ...]."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.m = nn.ModuleList(modules)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """[(N, C_i, H_i, W_i), ...] -> one map for each."""
        return [module(x) for module, x in zip(self.m, maps, strict=True)]
