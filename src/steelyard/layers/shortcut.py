"""The three shortcuts of residual networks: zero padding (A), projection on change (B), projection always (C)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Option = Literal["A", "B", "C"]


class PadShortcut(nn.Module):
    """Option A: every ``stride``-th pixel, new channels filled with zeros; no parameters.

    (N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride)), M >= C. He et al. 2015
    (arXiv:1512.03385), sec. 3.3.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.extra = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/stride), ceil(W/stride))."""
        if self.training and x.is_contiguous(memory_format=torch.channels_last):
            # the gradient of a slice of rows and columns is a contiguous map: three times the time
            pixels = x.permute(0, 2, 3, 1)[:, :: self.stride, :: self.stride]
            return F.pad(pixels, (0, self.extra)).permute(0, 3, 1, 2)
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))


def shortcut(
    option: Option,
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    kernel: int = 1,
    norm: bool = True,
) -> nn.Module | None:
    """The path around a residual block; None is the identity.

    A projection is a convolution, 1x1 unless ``kernel`` says otherwise, with the block's stride, and
    batch normalisation if ``norm``.
    """
    changes = stride != 1 or in_channels != out_channels
    if not changes and option != "C":
        return None
    if option == "A" and out_channels >= in_channels:
        return PadShortcut(in_channels, out_channels, stride)
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels)) if norm else conv
