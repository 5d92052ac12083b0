"""Trainable subsampling: 2x2 averages with a learnt gain and bias per feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Subsampling(nn.Module):
    """Average over size x size windows, times a gain, plus a bias, one pair per map.

    (N, C, H, W) -> (N, C, H/size, W/size). LeCun et al. 1998, sec. II-B, layers S2 and S4; the paper adds
    the inputs instead of averaging them, which its gain absorbs.
    """

    def __init__(self, channels: int, size: int = 2) -> None:
        super().__init__()
        self.size = size
        self.gain = nn.Parameter(torch.empty(channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(channels, 1, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-2.4 / fan_in, as for every weight of the paper, seen from the sum of the inputs."""
        bound = 2.4 / self.size**2
        nn.init.uniform_(self.gain, -bound * self.size**2, bound * self.size**2)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H/size, W/size)."""
        return F.avg_pool2d(x, self.size) * self.gain + self.bias
