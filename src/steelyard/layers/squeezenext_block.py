"""SqueezeNext block: two squeezing 1x1, a 3x3 as 3x1 and 1x3, an expanding 1x1, and a shortcut.

Gholami et al. 2018 (arXiv:1803.10615), fig. 1 and sec. 2, as in the authors' prototxt.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.conv_bn_relu import ConvBNReLU

Entry = Literal["identity", "parallel", "shared"]

# Caffe's variance offset
_conv = partial(ConvBNReLU, eps=1e-5)


class SqueezeNextBlock(nn.Module):
    """C/2, C/4, 3x1 and 1x3 with C/2, C; every convolution with BN and ReLU, and a ReLU behind the sum.

    (N, in_channels, H, W) -> (N, channels, H/stride, W/stride).

    Args:
        in_channels: of the input.
        channels: C, a multiple of 4.
        stride: of the first 1x1 and of the shortcut.
        tall_first: 3x1 before 1x3; the authors alternate from block to block.
        entry: what the shortcut is. ``identity``, of the same shape; ``parallel``, a 1x1 convolution beside
            the block; ``shared``, a 1x1 convolution before both the block and an identity.
        groups: of the first 1x1 and of the pair that filters ("G-SqNxt" has 2).

    Raises:
        UsageError: an identity between different shapes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        tall_first: bool = True,
        entry: Entry = "identity",
        groups: int = 1,
    ) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        if entry == "identity" and (stride > 1 or in_channels != channels):
            raise UsageError(
                f"SqueezeNext block: {in_channels} to {channels} channels with stride {stride} has no "
                "identity shortcut",
                expected="entry='parallel' or 'shared'",
            )
        projects = entry != "identity"
        self.projection = _conv(in_channels, channels, 1, stride) if projects else None
        self.shared = entry == "shared"
        if self.shared:
            in_channels, stride = channels, 1
        first, second = ((3, 1), (1, 3)) if tall_first else ((1, 3), (3, 1))
        self.body = nn.Sequential(
            _conv(in_channels, half, 1, stride, groups=groups),
            _conv(half, quarter),
            _conv(quarter, half, first, groups=groups),
            _conv(half, half, second, groups=groups),
            _conv(half, channels),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, H/stride, W/stride)."""
        shortcut = x if self.projection is None else self.projection(x)
        y = self.body(shortcut if self.shared else x)
        out: Tensor = self.relu(y + shortcut)
        return out
