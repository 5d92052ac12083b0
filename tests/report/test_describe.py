from __future__ import annotations

import pytest

from steelyard.report.describe import FAMILIES, KIND_PLURALS, family, operator, output_shape
from steelyard.workload import KINDS, Layer, LoopNest, TensorSpec, Workload


def conv(kernel=(3, 3), stride=1, dilation=1, groups=1, channels=32, transposed=False) -> Layer:
    rank = len(kernel)
    nest = LoopNest(
        N=1, G=groups, M=32, C=channels, out=(8,) * rank, kernel=kernel, input=(8,) * rank,
        stride=(stride,) * rank, dilation=(dilation,) * rank, padding=((1, 1),) * rank,
        transposed=transposed,
    )  # fmt: skip
    return Layer("c", "conv", "aten.conv2d", nests=(nest,))


@pytest.mark.parametrize(
    ("layer", "words", "group"),
    [
        (conv(stride=2), "conv 3×3 /2", "conv"),
        (conv(groups=4), "conv 3×3 g4", "convdw"),
        (conv(groups=32), "conv dw 3×3", "convdw"),
        (conv((1, 1)), "conv 1×1", "conv1x1"),
        (conv((1, 7)), "conv 1×7", "conv"),
        (conv(dilation=2), "conv 3×3 d2", "conv"),
        (conv((2, 2), stride=2, transposed=True), "conv-transposed 2×2 /2", "conv"),
        (conv((5,)), "conv 5", "conv"),
        (conv((3, 3, 3)), "conv 3×3×3", "conv"),
        (Layer("x", "linear", "aten.addmm"), "linear", "linear"),
        (Layer("x", "pool", "aten.max_pool2d"), "max_pool2d", "pool"),
        (Layer("x", "pool", "onnx.MaxPool"), "MaxPool", "pool"),
        (Layer("x", "reduce", "aten.max.dim"), "max", "pool"),
        (Layer("x", "attention", "aten.scaled_dot_product_attention"), "scaled_dot_product_attention", "matmul"),
        (Layer("x", "unknown", "mylib.magic"), "unknown: mylib.magic", "unknown"),
        (Layer("x", "copy", "aten.cat"), "cat", "move"),
    ],
)  # fmt: skip
def test_layers_in_the_words_of_engineers(layer, words, group):
    assert operator(layer) == words
    assert family(layer) == group


def test_every_kind_has_a_family_and_a_plural():
    assert set(KIND_PLURALS) == set(KINDS)
    for kind in KINDS:
        assert family(Layer("x", kind, "aten.x")) in FAMILIES


def test_several_outputs_are_said():
    layer = Layer("split", "view", "aten.split", outputs=("a", "b", "c"))
    load = Workload("w", (layer,), tuple(TensorSpec(n, (1, 8)) for n in "abc"))
    assert output_shape(layer, load) == "1×8 (+2)"
    assert output_shape(Layer("none", "view", "aten.x"), load) == ""
