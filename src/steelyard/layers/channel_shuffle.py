"""Channel shuffle: the channels of every group spread over all groups.

Zhang et al. 2017 (arXiv:1707.01083), sec. 3.1. Grouped convolutions one behind the other never mix their
groups; a shuffle between them does, at the price of one copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import ShapeError


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channel ``i * C/groups + j`` becomes channel ``j * groups + i``: (N, C, H, W) -> (N, C, H, W).

    ``channel_shuffle(x, C // groups)`` undoes it. One fused copy that keeps ``channels_last``.

    Raises:
        ShapeError: the channels cannot be divided into that many groups.
    """
    if x.shape[1] % groups:
        raise ShapeError(
            f"{x.shape[1]} channels cannot be shuffled in {groups} groups",
            expected=f"a multiple of {groups} channels",
        )
    if torch.onnx.is_in_onnx_export():
        # the exporter by TorchScript does not know the fused operator
        n, c, *size = x.shape
        return x.reshape(n, groups, c // groups, *size).transpose(1, 2).flatten(1, 2)
    return F.channel_shuffle(x, groups)


class ChannelShuffle(nn.Module):
    """`channel_shuffle` as a module: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"
