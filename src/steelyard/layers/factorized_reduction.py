"""Factorised reduction: halves the resolution with two 1x1 convolutions, one on the pixels the other skips.

Introduced with NASNet (Zoph et al. 2017, arXiv:1707.07012; tensorflow/models research/slim
nets/nasnet); also in AmoebaNet, ENAS and DARTS.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.batch_norm_folding import channels_of, fold_batch_norm


class FactorizedReduction(nn.Module):
    """Half the channels from the even pixels, half from the odd ones, then batch normalisation.

    (N, C, H, W) -> (N, M, ceil(H/2), ceil(W/2)). The odd pixel beyond an odd map is zero. Of an odd
    M the second half gets one more.

    Args:
        in_channels, out_channels: C and M, M at least 2.
        relu: ReLU before it.
        eps: of the batch normalisation.

    Raises:
        UsageError: a single output channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, relu: bool = True, eps: float = 1e-5
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise UsageError(
                f"a factorised reduction to {out_channels} channel is not possible",
                expected="2 channels or more, a half from each convolution",
            )
        half = out_channels // 2
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.path1 = nn.Conv2d(in_channels, half, 1, stride=2, bias=False)
        self.path2 = nn.Conv2d(in_channels, out_channels - half, 1, stride=2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(out_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/2), ceil(W/2))."""
        x = self.relu(x)
        odd = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        out: Tensor = self.bn(torch.cat([self.path1(x), self.path2(odd)], dim=1))
        return out

    def for_inference(self) -> FactorizedReduction:
        """The same of eval mode, with the normalisation folded into the two convolutions."""
        if not isinstance(self.bn, nn.BatchNorm2d):
            return self
        half = self.path1.out_channels
        folded = copy.deepcopy(self)
        folded.path1 = fold_batch_norm(self.path1, channels_of(self.bn, slice(half)))
        folded.path2 = fold_batch_norm(self.path2, channels_of(self.bn, slice(half, None)))
        folded.bn = nn.Identity()
        return folded
