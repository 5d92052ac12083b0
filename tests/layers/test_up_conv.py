"""Up-convolutions equal the transposed convolutions that they say, weight for weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.errors import UsageError
from steelyard.layers.up_conv import SubPixelConv2d, UpConv2d


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_zero_insertion_and_convolution_is_a_transposed_convolution(
    kernel: int, scale: int, bias: bool
) -> None:
    layer = UpConv2d(3, 4, kernel, scale, bias=bias).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer.as_transposed()(x), layer(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_sub_pixel_convolution_is_a_transposed_convolution(
    kernel: int, scale: int, bias: bool
) -> None:
    layer = SubPixelConv2d(3, 4, kernel, scale, bias=bias).double()
    if layer.conv.bias is not None:
        with torch.no_grad():
            layer.conv.bias.copy_(torch.randn(4).double().repeat_interleave(scale**2))
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    transposed = layer.as_transposed()
    torch.testing.assert_close(transposed(x), layer(x), rtol=0, atol=1e-12)
    assert transposed.weight.flatten().sort()[0].equal(layer.conv.weight.flatten().sort()[0])


def macs(layer: nn.Module) -> int:
    return sy.capture(layer, input_shape=(2, 3, 4, 5)).macs


def test_what_each_form_costs() -> None:
    """Inserted zeros cost scale^2 as much; a sub-pixel convolution costs what its transposed one does."""
    up = UpConv2d(3, 4, 3, 2)
    assert macs(up) == 4 * macs(up.as_transposed()) == 2 * 8 * 10 * 4 * 3 * 9
    sub = SubPixelConv2d(3, 4, 3, 2, bias=False)
    assert macs(sub) == macs(sub.as_transposed()) == 2 * 4 * 5 * 16 * 3 * 9


def test_what_cannot_be_says_why() -> None:
    for layer in (UpConv2d, SubPixelConv2d):
        with pytest.raises(UsageError, match="kernel_size=4 has no middle"):
            layer(3, 4, 4)
    with pytest.raises(UsageError, match="biases of their own"):
        SubPixelConv2d(3, 4).as_transposed()
