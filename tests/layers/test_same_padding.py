"""SAME padding against the rule as ONNX states it, which its reference carries out."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor
from torch.nn import functional as F

from steelyard.layers.same_padding import SameAvgPool2d, SameConv2d, SameMaxPool2d, same_padding

SIZES = [(7, 7), (8, 8), (9, 8), (10, 13)]


def by_onnx(operator: str, x: Tensor, weight: Tensor | None = None, **attributes: object) -> Tensor:
    """The operator with ``auto_pad="SAME_UPPER"``: more padding at the end where it is odd."""
    tensors = {"x": x} | ({} if weight is None else {"w": weight})
    arrays = {name: value.detach().numpy() for name, value in tensors.items()}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in arrays.items()
    ]
    node = helper.make_node(operator, [*arrays], ["y"], auto_pad="SAME_UPPER", **attributes)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)
    model = helper.make_model(
        helper.make_graph([node], "one", inputs, [output]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return torch.from_numpy(np.asarray(ReferenceEvaluator(model).run(None, arrays)[0]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kernel", "stride"), [(3, 2), (5, 2), (5, 3), (2, 2), (1, 2), (3, 1), (4, 1)]
)
def test_convolution_is_onnx_same_upper(size: tuple[int, int], kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer, x = SameConv2d(4, 6, kernel, stride, groups=2, bias=False), torch.randn(2, 4, *size)
    expected = by_onnx(
        "Conv", x, layer.weight, strides=[stride] * 2, group=2, kernel_shape=[kernel] * 2
    )
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (3, 1), (2, 1), (5, 3)])
def test_pooling_is_onnx_same_upper(size: tuple[int, int], kernel: int, stride: int) -> None:
    x = torch.randn(2, 3, *size) - 5
    window = {"strides": [stride] * 2, "kernel_shape": [kernel] * 2}
    torch.testing.assert_close(SameMaxPool2d(kernel, stride)(x), by_onnx("MaxPool", x, **window))
    average = by_onnx("AveragePool", x, count_include_pad=0, **window)
    torch.testing.assert_close(SameAvgPool2d(kernel, stride)(x), average)


def test_windows_are_shifted_against_symmetric_padding() -> None:
    """Stride 2 on an even side: TensorFlow starts at the first pixel, PyTorch one before it."""
    x = torch.arange(36.0).reshape(1, 1, 6, 6)
    layer = SameConv2d(1, 1, 3, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(9)[0].reshape(1, 1, 3, 3))
    assert layer(x).flatten().tolist() == [0, 2, 4, 12, 14, 16, 24, 26, 28]
    torch_way = F.conv2d(x, layer.weight, stride=2, padding=1)
    assert torch_way.flatten().tolist() == [0, 0, 0, 0, 7, 9, 0, 19, 21]


def test_no_padding_where_the_stride_skips_more_than_the_kernel_needs() -> None:
    assert same_padding(8, 1, 2) == (0, 0)
    assert same_padding(9, 2, 4) == (0, 1)
    assert same_padding(10, 3, 1, 4) == (4, 4)
