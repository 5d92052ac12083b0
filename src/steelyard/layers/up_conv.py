"""Up-convolutions: zero insertion and a convolution, which is a transposed one, and sub-pixel convolution.

Both know the transposed convolution that equals them, weight for weight.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.unpool import insert_zeros


class UpConv2d(nn.Module):
    """Zeros between the pixels, then a convolution: (N, C, H, W) -> (N, M, H scale, W scale).

    Dosovitskiy et al. 2015 (arXiv:1411.5928), sec. 3. All but 1 in scale^2 of the multiplications are by
    the inserted zeros: `as_transposed` makes the layer that leaves those out.

    Args:
        in_channels, out_channels: C and M.
        kernel_size: side of the filters, odd.
        scale: how much larger the output is.
        bias: whether the convolution has one.

    Raises:
        UsageError: an even kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        scale: int = 2,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _check_odd(kernel_size)
        self.scale = scale
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H scale, W scale)."""
        out: Tensor = self.conv(insert_zeros(x, self.scale))
        return out

    def as_transposed(self) -> nn.ConvTranspose2d:
        """The transposed convolution with the same outputs, and 1/scale^2 of the MACs.

        Its filters are these, turned by 180 degrees, with inputs and outputs exchanged.
        """
        conv = self.conv
        same = nn.ConvTranspose2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            stride=self.scale,
            padding=conv.kernel_size[0] // 2,
            output_padding=self.scale - 1,
            bias=conv.bias is not None,
        )
        return _filled(same, conv.weight.flip(2, 3).transpose(0, 1), conv.bias)


class SubPixelConv2d(nn.Module):
    """Convolution to scale^2 times the channels, which become pixels: (N, C, H, W) -> (N, M, H scale, W scale).

    Shi et al. 2016 (arXiv:1609.05158), eq. 4. As many weights and MACs as the transposed
    convolution of kernel ``kernel_size * scale`` that `as_transposed` makes.

    Args:
        in_channels, out_channels: C and M.
        kernel_size: side of the filters, odd.
        scale: how much larger the output is.
        bias: whether the convolution has one, for each of the M scale^2 maps.

    Raises:
        UsageError: an even kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        scale: int = 2,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _check_odd(kernel_size)
        self.scale = scale
        self.conv = nn.Conv2d(
            in_channels, out_channels * scale**2, kernel_size, padding=kernel_size // 2, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, H scale, W scale)."""
        return F.pixel_shuffle(self.conv(x), self.scale)

    def as_transposed(self) -> nn.ConvTranspose2d:
        """The transposed convolution with the same outputs, from the same weights in another order.

        Filter (m, row, column) of the sub-pixel convolution holds every scale-th tap of filter m, counted
        from the far end (Shi et al. 2016, arXiv:1609.07009, sec. 3).

        Raises:
            UsageError: biases that differ between the pixels of one block, which a transposed
                convolution cannot have.
        """
        scale, conv = self.scale, self.conv
        kernel, outputs = conv.kernel_size[0], conv.out_channels // self.scale**2
        bias = None if conv.bias is None else conv.bias.view(outputs, scale**2)
        if bias is not None and bool((bias != bias[:, :1]).any()):
            raise UsageError(
                "a sub-pixel convolution whose pixels have biases of their own equals no "
                "transposed convolution",
                expected="one bias for each output channel, or bias=False",
            )
        same = nn.ConvTranspose2d(
            conv.in_channels,
            outputs,
            kernel * scale,
            stride=scale,
            padding=scale * (kernel // 2),
            bias=bias is not None,
        )
        taps = conv.weight.flip(2, 3).view(outputs, scale, scale, -1, kernel, kernel)
        taps = taps.permute(3, 0, 4, 1, 5, 2).reshape(same.weight.shape)
        return _filled(same, taps, None if bias is None else bias[:, 0])


def _check_odd(kernel_size: int) -> None:
    if kernel_size % 2 == 0:
        raise UsageError(
            f"kernel_size={kernel_size} has no middle", expected="an odd kernel_size: 1, 3, 5 ..."
        )


def _filled(layer: nn.ConvTranspose2d, weight: Tensor, bias: Tensor | None) -> nn.ConvTranspose2d:
    layer = layer.to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None and bias is not None:
            layer.bias.copy_(bias)
    return layer
