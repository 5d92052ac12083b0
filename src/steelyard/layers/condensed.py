"""Gather and grouped convolution: what CondenseNet's learned layers are at inference.

Huang et al. 2017 (arXiv:1711.09224), sec. 3.2 and fig. 3. Module and buffer names are those of the authors'
converted networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.layers.channel_shuffle import channel_shuffle


class CondensedConv2d(nn.Module):
    """Input maps gathered by ``index``, grouped convolution, channel shuffle: (N, C, H, W) -> (N, M, P, Q).

    Attributes:
        index: the input maps of the first group, then of the second, ...; a buffer. A new layer takes
            all maps in turn.

    Args:
        in_channels: C.
        out_channels: M, a multiple of ``groups``.
        groups: of the convolution.
        inputs_per_group: maps that each group reads.
        kernel_size, stride, padding, bias: of the convolution.
    """

    index: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        groups: int,
        inputs_per_group: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        gathered = groups * inputs_per_group
        self.register_buffer("index", torch.arange(gathered) % in_channels)
        self.conv = nn.Conv2d(
            gathered,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups=groups,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, P, Q)."""
        return channel_shuffle(self.conv(x.index_select(1, self.index)), self.conv.groups)


class CondensedUnit(nn.Module):
    """Gather, batch normalisation, ReLU, grouped 1x1 convolution, channel shuffle.

    (N, C, H, W) -> (N, M, H, W); as `CondensedConv2d`, with the normalisation behind the gather.
    """

    index: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, *, groups: int, inputs_per_group: int
    ) -> None:
        super().__init__()
        gathered = groups * inputs_per_group
        self.register_buffer("index", torch.arange(gathered) % in_channels)
        self.norm = nn.BatchNorm2d(gathered)
        self.relu = nn.ReLU(inplace=True)
        self.dropout: nn.Module = nn.Identity()
        self.conv = nn.Conv2d(gathered, out_channels, 1, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H, W)."""
        x = self.dropout(self.relu(self.norm(x.index_select(1, self.index))))
        return channel_shuffle(self.conv(x), self.conv.groups)


class CondensedLinear(nn.Module):
    """A linear layer of some of its inputs: (N, C) -> (N, M).

    Attributes:
        index: the inputs that are read; a buffer. A new layer reads the first ones.
    """

    index: Tensor

    def __init__(self, in_features: int, kept: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("index", torch.arange(kept) % in_features)
        self.linear = nn.Linear(kept, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, M)."""
        out: Tensor = self.linear(x.index_select(1, self.index))
        return out
