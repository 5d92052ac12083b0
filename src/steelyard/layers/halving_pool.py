"""Max pooling that halves a map as a convolution of stride 2 beside it does: Caffe's on even maps, any size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class HalvingPool(nn.Module):
    """3x3 max pooling with stride 2 that rounds up: (N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2)).

    On even maps it is the pooling without padding of Caffe's inception models, which there rounds up, too;
    on odd ones, where Caffe's would be one smaller than the convolutions beside it, it is padded by 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2))."""
        padding = (int(x.shape[-2]) % 2, int(x.shape[-1]) % 2)
        return F.max_pool2d(x, 3, 2, padding, ceil_mode=True)
