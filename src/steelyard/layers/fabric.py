"""The join of a neural fabric: 3x3 convolutions from three scales, summed; dense or with sparse channels.

Saxena and Verbeek 2016 (arXiv:1606.02492), sec. 3.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.batch_norm_folding import channels_of, fold_batch_norm
from steelyard.layers.unpool import insert_zeros

Source = Literal["same", "finer", "coarser"]
"""Where a map comes from: the join's own resolution, twice that, or half of it."""


class NeighbourConv2d(nn.Module):
    """3x3 convolution in which a channel sees itself and its two neighbours.

    (N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride)). The first and the last channel have one neighbour, as
    in the authors' code: 9 (3C - 2) weights. Done as three depthwise convolutions, which machines do fast.

    Raises:
        UsageError: a single channel.
    """

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        if channels < 2:
            raise UsageError("a single channel has no neighbours", expected="2 channels or more")
        self.own = _depthwise(channels, stride)
        self.lower = _depthwise(channels - 1, stride)
        self.upper = _depthwise(channels - 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/stride), ceil(W/stride))."""
        lower = F.pad(self.lower(x[:, :-1]), (0, 0, 0, 0, 1, 0))
        upper = F.pad(self.upper(x[:, 1:]), (0, 0, 0, 0, 0, 1))
        out: Tensor = self.own(x) + lower + upper
        return out

    def folded(self, bn: nn.BatchNorm2d, *, shift: bool) -> NeighbourConv2d:
        """``bn`` of eval mode behind this, or its scale alone, as one `NeighbourConv2d`."""
        result = copy.deepcopy(self)
        result.own = fold_batch_norm(self.own, bn, shift=shift)
        behind, ahead = channels_of(bn, slice(1, None)), channels_of(bn, slice(-1))
        result.lower = fold_batch_norm(self.lower, behind, shift=False)
        result.upper = fold_batch_norm(self.upper, ahead, shift=False)
        return result


def _depthwise(channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)


class FabricJoin(nn.Module):
    """Sum of one 3x3 convolution for each source, batch normalisation, ReLU: -> (N, C, H, W).

    A finer map is convolved with stride 2; a coarser one gets zeros between its pixels first, and is cut to
    size where the finer resolution is odd.

    Args:
        channels: C, of the output and of the sources.
        sources: what the maps are that `forward` takes; "coarser" only behind a first "same".
        sparse: a channel sees two neighbours only (`NeighbourConv2d`), where there are more.
        in_channels: of the sources, where not C (the image); then not sparse.

    Raises:
        UsageError: no source, or a coarser one without one whose size it takes.
    """

    def __init__(
        self,
        channels: int,
        sources: Sequence[Source],
        *,
        sparse: bool = False,
        in_channels: int | None = None,
    ) -> None:
        super().__init__()
        if not sources or ("coarser" in sources and sources[0] != "same"):
            raise UsageError(
                f"sources={tuple(sources)!r} do not tell the size of the output",
                expected="'same' first, where there is a 'coarser'",
            )
        self.sources = tuple(sources)
        before = channels if in_channels is None else in_channels
        thin = sparse and in_channels is None and channels > 3
        self.convs = nn.ModuleList()
        for source in sources:
            stride = 2 if source == "finer" else 1
            conv = (
                NeighbourConv2d(channels, stride)
                if thin
                else nn.Conv2d(before, channels, 3, stride, 1, bias=False)
            )
            self.convs.append(conv)
        self.bn: nn.Module = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """One map for each source -> (N, C, H, W)."""
        terms = []
        for x, source, conv in zip(maps, self.sources, self.convs, strict=True):
            if source == "coarser":
                x = insert_zeros(x, 2)[:, :, : maps[0].shape[2], : maps[0].shape[3]]
            terms.append(conv(x))
        out: Tensor = self.relu(self.bn(sum(terms[1:], terms[0])))
        return out

    def for_inference(self) -> FabricJoin:
        """The same of eval mode: the normalisation scales all summands and shifts the first one."""
        if not isinstance(self.bn, nn.BatchNorm2d):
            return self
        result = copy.deepcopy(self)
        for i, conv in enumerate(self.convs):
            if isinstance(conv, NeighbourConv2d):
                result.convs[i] = conv.folded(self.bn, shift=i == 0)
            else:
                result.convs[i] = fold_batch_norm(conv, self.bn, shift=i == 0)
        result.bn = nn.Identity()
        return result
