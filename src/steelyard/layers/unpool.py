"""Both unpoolings: zeros between the values, and max-unpooling, which puts values back where they came from.

A dilated convolution needs no layer here, ``nn.Conv2d(dilation=...)`` is one.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def insert_zeros(x: Tensor, scale: int) -> Tensor:
    """Each value becomes the upper left of a block of zeros: (N, C, H, W) -> (N, C, H scale, W scale).

    Dosovitskiy et al. 2015 (arXiv:1411.5928), sec. 3: unpooling without stored locations.
    """
    n, c, h, w = x.shape
    blocks = F.pad(x.view(n, c, h, 1, w, 1), (0, scale - 1, 0, 0, 0, scale - 1))
    return blocks.reshape(n, c, h * scale, w * scale)


class ZeroUnpool2d(nn.Module):
    """`insert_zeros` as a module: (N, C, H, W) -> (N, C, H scale, W scale)."""

    def __init__(self, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H scale, W scale)."""
        return insert_zeros(x, self.scale)


def max_unpool(x: Tensor, locations: Tensor, size: tuple[int, int]) -> Tensor:
    """Values where their maxima were, zeros elsewhere: (N, C, P, Q) -> (N, C, H, W).

    Zeiler and Fergus 2014 (arXiv:1311.2901), sec. 2.1. Windows that overlap can share a maximum, which
    is put there once.

    Args:
        x: values of the windows, as pooled or as later layers changed them.
        locations: what ``F.max_pool2d(..., return_indices=True)`` stored: row W + column, (N, C, P, Q).
        size: (H, W) of the map that was pooled.
    """
    n, c = x.shape[:2]
    height, width = size
    flat = x.new_zeros(n, c, height * width)
    return flat.scatter(2, locations.flatten(2), x.flatten(2)).view(n, c, height, width)


class MaxUnpool2d(nn.Module):
    """`max_unpool` as a module, the counterpart of ``nn.MaxPool2d(return_indices=True)``."""

    def forward(self, x: Tensor, locations: Tensor, size: tuple[int, int]) -> Tensor:
        """(N, C, P, Q) and their locations -> (N, C, H, W)."""
        return max_unpool(x, locations, size)
