"""C.ReLU: a map and its negative share one convolution, half of the filters for the same channels.

Shang et al. 2016 (arXiv:1603.05201); with the learnt scale and bias behind the negation that PVANet adds,
Hong et al. 2016 (arXiv:1611.08588), fig. 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CReLU(nn.Module):
    """``relu(gain * [x, -x] + bias)``: (N, C, H, W) -> (N, 2C, H, W).

    Args:
        channels: C.
        affine: learn a gain and a bias for each of the 2C maps, so that a map and its negative may be
            cut at different places; otherwise plain ``relu([x, -x])`` without parameters.
    """

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2 * channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(2 * channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 2C, H, W)."""
        both = torch.cat([x, -x], dim=1)
        if self.gain is not None and self.bias is not None:
            both = both * self.gain[:, None, None] + self.bias[:, None, None]
        return F.relu(both)
