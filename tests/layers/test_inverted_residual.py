"""Inverted residual and depthwise separable convolution: what their papers say of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

import steelyard as sy
from steelyard.layers.conv_norm import ConvStyle
from steelyard.layers.depthwise_separable import DepthwiseSeparable
from steelyard.layers.inverted_residual import InvertedResidual

STYLE = ConvStyle(activation="relu6")


def test_bottleneck_is_linear_and_the_rest_is_not() -> None:
    """Sandler et al. 2018, sec. 3.2: no activation behind the projection."""
    block = InvertedResidual(4, 6, hidden=24, style=STYLE)
    kinds = [type(m).__name__ for m in block.modules() if not list(m.children())]
    step = ["Conv2d", "BatchNorm2d", "ReLU6"]
    assert kinds == [*step, *step, "Conv2d", "BatchNorm2d", "DropPath"]


@pytest.mark.parametrize(
    ("outputs", "stride", "skip", "added"),
    [(4, 1, True, True), (4, 2, True, False), (6, 1, True, False), (4, 1, False, False)],
)
def test_shortcut_where_shapes_agree(outputs: int, stride: int, skip: bool, added: bool) -> None:
    torch.manual_seed(0)
    block = InvertedResidual(4, outputs, hidden=8, stride=stride, style=STYLE, skip=skip).eval()
    x = torch.randn(2, 4, 6, 6)
    expected = block.block(x) + x if added else block.block(x)
    assert torch.equal(block(x), expected)


def test_drop_path_takes_the_branch_not_the_shortcut() -> None:
    block = InvertedResidual(4, 4, hidden=8, style=STYLE, drop_path=1.0)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("kernel", "outputs"), [(3, 64), (5, 24)])
def test_separable_costs_the_stated_share_of_a_full_convolution(kernel: int, outputs: int) -> None:
    """Howard et al. 2017, sec. 3.1: 1/M + 1/(RS)."""
    full = nn.Conv2d(16, outputs, kernel, padding=kernel // 2, bias=False)
    layer = DepthwiseSeparable(16, outputs, kernel, style=STYLE)
    costs = [sy.capture(m, input_shape=(1, 16, 14, 14)).macs for m in (layer, full)]
    assert Fraction(*costs) == Fraction(1, outputs) + Fraction(1, kernel**2)
