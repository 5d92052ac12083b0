"""TensorFlow's ``SAME`` padding: an output side is the input side over the stride, rounded up.

The padding follows from the input's size and, where it is odd, the larger half is at the bottom and at
the right. PyTorch's symmetric padding gives the same sizes from shifted windows when the stride is above
1, hence other values: weights trained in TensorFlow need this one. Rule: the TensorFlow guide, "Neural
Network", section "Convolution"; average pooling leaves the padding out of its mean.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Elements to add before and behind one dimension.

    >>> same_padding(224, 3, 2), same_padding(225, 3, 2), same_padding(224, 5)
    ((0, 1), (1, 1), (2, 2))
    """
    reach = dilation * (kernel - 1)
    total = reach - (size - 1) % stride  # the last window starts that far before the last element
    if reach < stride - 1:  # only here can it be negative; a symbolic size is not compared in vain
        total = max(0, total)
    return total // 2, total - total // 2


def _pads(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...] = (1, 1)
) -> list[int]:
    """What `torch.nn.functional.pad` takes for (N, C, H, W): left, right, top, bottom."""
    rows = same_padding(x.shape[-2], kernel[0], stride[0], dilation[0])
    columns = same_padding(x.shape[-1], kernel[1], stride[1], dilation[1])
    return [*columns, *rows]


class SameConv2d(nn.Conv2d):
    """Convolution with ``SAME`` padding by zeros: (N, C, H, W) -> (N, M, ceil(H/U), ceil(W/U)).

    Weights and names are those of ``nn.Conv2d``.
    """

    linear_in_weight: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        *,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, ceil(H/U), ceil(W/U))."""
        return super().forward(F.pad(x, _pads(x, self.kernel_size, self.stride, self.dilation)))


class _SamePool2d(nn.Module):
    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size = (kernel_size, kernel_size)
        self.stride = (stride, stride)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"kernel_size={self.kernel_size[0]}, stride={self.stride[0]}"


class SameMaxPool2d(_SamePool2d):
    """Largest element; padding never wins: (N, C, H, W) -> (N, C, ceil(H/U), ceil(W/U))."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/U), ceil(W/U))."""
        padded = F.pad(x, _pads(x, self.kernel_size, self.stride), value=float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class SameAvgPool2d(_SamePool2d):
    """Mean of the window's elements inside the map: (N, C, H, W) -> (N, C, ceil(H/U), ceil(W/U))."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ceil(H/U), ceil(W/U))."""
        pads = _pads(x, self.kernel_size, self.stride)
        inside = F.pad(torch.ones_like(x[:1, :1]), pads)
        share = F.avg_pool2d(inside, self.kernel_size, self.stride)
        return F.avg_pool2d(F.pad(x, pads), self.kernel_size, self.stride) / share
