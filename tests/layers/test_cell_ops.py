"""Operations of cells: the pools pixel by pixel, and what the larger ones are made of."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from steelyard.layers.cell_ops import CellPool, OpStyle, cell_op
from steelyard.layers.genotype import OPERATIONS


def pooled(x: Tensor, kind: str, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME pooling of (H, W), window by window."""
    height, width = x.shape
    out = torch.empty(math.ceil(height / stride), math.ceil(width / stride))
    starts = [
        [i * stride - max(0, (n - 1) * stride + kernel - size) // 2 for i in range(n)]
        for n, size in ((out.shape[0], height), (out.shape[1], width))
    ]
    for p, top in enumerate(starts[0]):
        for q, left in enumerate(starts[1]):
            window = x[max(0, top) : top + kernel, max(0, left) : left + kernel]
            if kind == "max":
                out[p, q] = window.max()
            else:
                out[p, q] = window.sum() / (kernel**2 if kind == "avg_zeros" else window.numel())
    return out


@pytest.mark.parametrize(
    ("kind", "kernel"),
    [("max", 2), *((kind, k) for kind in ("max", "avg", "avg_zeros") for k in (3, 5, 7))],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_against_windows(kind: str, kernel: int, stride: int) -> None:
    for size in [(1, 1), (2, 3), (5, 6), (8, 8), (9, 4)]:
        x = torch.randn(size)
        layer = CellPool(kind, kernel, stride)  # type: ignore[arg-type]
        torch.testing.assert_close(layer(x[None, None])[0, 0], pooled(x, kind, kernel, stride))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_exists(name: str, stride: int) -> None:
    for style in (OpStyle(), OpStyle("symmetric", "factorized", 1e-5)):
        layer = cell_op(name, 8, 8, stride, style).eval()
        assert layer(torch.randn(1, 8, 7, 10)).shape == (1, 8, -(-7 // stride), -(-10 // stride))


@pytest.mark.parametrize(("name", "times", "dilation"), [
    ("sep_conv_5x5", 2, 1), ("dil_conv_5x5", 1, 2), ("dil_sep_conv_5x5", 2, 2),
])  # fmt: skip
def test_separable_convolutions(name: str, times: int, dilation: int) -> None:
    """Stride in the first depthwise convolution only; ReLU, depthwise, 1x1, normalisation each time."""
    layer = cell_op(name, 4, 8, 2, OpStyle())
    convs = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
    depthwise, pointwise = convs[::2], convs[1::2]
    assert [c.groups for c in depthwise] == [4, 8][:times]
    assert [c.stride for c in depthwise] == [(2, 2), (1, 1)][:times]
    assert all(c.dilation == (dilation, dilation) for c in depthwise)
    assert [(c.in_channels, c.out_channels) for c in pointwise] == [(4, 8), (8, 8)][:times]
    leaves = [type(m).__name__ for m in layer.modules() if not list(m.children())]
    one = ["ReLU", "Conv2d", "Conv2d", "BatchNorm2d"]
    assert [n.replace("SameConv2d", "Conv2d") for n in leaves] == one * times


def test_factorised_convolution_is_one_row_then_one_column() -> None:
    layer = cell_op("conv_1x7_7x1", 16, 16, 2, OpStyle())
    convs = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size, c.stride, c.out_channels) for c in convs] == [
        ((1, 1), (1, 1), 4), ((1, 7), (1, 2), 4), ((7, 1), (2, 1), 4), ((1, 1), (1, 1), 16),
    ]  # fmt: skip


def test_no_connection_has_no_gradient() -> None:
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    out = cell_op("none", 2, 2, 2, OpStyle())(x)
    out.sum().backward()
    assert not out.any()
    assert x.grad is not None
    assert not x.grad.any()
