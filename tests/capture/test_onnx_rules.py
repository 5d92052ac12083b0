"""Kinds, loops and operations of ONNX operators, against formulas written out here and onnx itself."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_files import build, captured, ints, node, shape, write, zeros

from steelyard.capture.onnx import capture_onnx
from steelyard.capture.onnx_control import CONTROL
from steelyard.capture.onnx_model import DTYPES, NEWEST_OPSET
from steelyard.capture.onnx_shapes_table import SHAPES
from steelyard.capture.rules import default_rules
from steelyard.workload import Layer


def one(tmp_path: Path, item: onnx.NodeProto, x: list[int], weights: dict[str, Any] | None = None, **options: Any) -> Layer:  # fmt: skip
    """The last layer of a graph with one node."""
    return captured(tmp_path, [item], {"x": x}, list(item.output), weights, **options).layers[-1]


def test_every_operator_of_the_newest_operator_set_is_known() -> None:
    names = {f"onnx.{s.name}" for s in onnx.defs.get_all_schemas() if s.domain == ""}
    assert len(names) > 190
    known = {name for name in names if name in default_rules()}
    assert names - known - set(CONTROL) == set()


def test_every_shape_function_belongs_to_a_rule() -> None:
    assert (
        set(SHAPES) - set(default_rules()) - {"onnx.ScaledTanh", "onnx.ParametricSoftplus"} == set()
    )


def test_the_tables_know_what_onnx_knows() -> None:
    assert onnx.defs.onnx_opset_version() <= NEWEST_OPSET
    theirs = {v for k, v in TensorProto.DataType.items() if k != "UNDEFINED"}
    assert theirs <= set(DTYPES)


# ---- convolutions --------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("auto", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("stride", "dilation", "kernel"), [(1, 1, 3), (2, 1, 3), (3, 2, 2), (2, 1, 5)]
)
def test_convolution(tmp_path: Path, rank: int, auto: str, stride: int, dilation: int, kernel: int) -> None:  # fmt: skip
    size = [13, 10, 7][:rank]
    attrs: dict[str, Any] = {"strides": [stride] * rank, "dilations": [dilation] * rank, "group": 2}
    if auto == "NOTSET":
        attrs["pads"] = [1, 2, 0][:rank] + [2, 0, 1][:rank]
    else:
        attrs["auto_pad"] = auto
    item = node("Conv", ["x", "w"], ["y"], **attrs)
    weight = zeros(6, 2, *[kernel] * rank)
    model = build([item], {"x": [2, 4, *size]}, ["y"], {"w": weight})
    load = capture_onnx(write(tmp_path, model))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    theirs = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim]
    assert list(shape(load, load.outputs[0])) == theirs
    (nest,) = load.layers[0].nests
    assert load.layers[0].kind == "conv"
    assert load.macs == prod(theirs) * 2 * kernel**rank
    assert (nest.N, nest.G, nest.C, nest.M) == (2, 2, 4, 6)
    # the padded map is just as large as the last window needs, or larger by less than a stride
    extent = dilation * (kernel - 1) + 1
    for i in range(rank):
        used = (nest.out[i] - 1) * stride + extent
        assert 0 <= size[i] + sum(nest.padding[i]) - used < max(stride, extent)
    if auto == "SAME_UPPER":
        assert all(0 <= after - before <= 1 for before, after in nest.padding)
    if auto == "SAME_LOWER":
        assert all(0 <= before - after <= 1 for before, after in nest.padding)


@pytest.mark.parametrize(
    ("attrs", "out"),
    [
        ({"strides": [2, 2]}, (11, 11)),
        ({"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, (10, 10)),
        ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (10, 10)),
        ({"strides": [2, 2], "output_shape": [9, 9]}, (9, 9)),
        ({"strides": [3, 1], "dilations": [1, 2]}, (15, 9)),
    ],
)
def test_transposed_convolution(
    tmp_path: Path, attrs: dict[str, Any], out: tuple[int, int]
) -> None:
    # stride (size - 1) + dilation (kernel - 1) + 1 + output_padding - pads; each input meets each tap
    item = node("ConvTranspose", ["x", "w"], ["y"], group=2, **attrs)
    load = captured(tmp_path, [item], {"x": [2, 4, 5, 5]}, ["y"], {"w": zeros(4, 3, 3, 3)})
    assert shape(load, load.outputs[0]) == (2, 6, *out)
    assert load.macs == 2 * 4 * 25 * 3 * 9


def test_quantised_and_deformable_convolutions(tmp_path: Path) -> None:
    u8, one_, zero = np.uint8, np.array(1, np.float32), np.array(0, np.uint8)
    weights: dict[str, Any] = {"w": np.zeros((8, 3, 3, 3), u8), "s": one_, "z": zero}
    macs = 8 * 3 * 9 * 36
    item = node("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ["y"])
    load = captured(tmp_path, [item], {"x": [1, 3, 8, 8]}, ["y"], weights, dtype=TensorProto.UINT8)
    assert (load.layers[0].kind, load.macs, load.params) == ("conv", macs, 216)
    assert load.tensor(load.outputs[0]).dtype == "uint8"
    item = node("ConvInteger", ["x", "w"], ["y"])
    load = captured(tmp_path, [item], {"x": [1, 3, 8, 8]}, ["y"], weights, dtype=TensorProto.UINT8)
    assert (load.macs, load.tensor(load.outputs[0]).dtype) == (macs, "int32")
    item = node("DeformConv", ["x", "w", "o"], ["y"])
    weights = {"w": zeros(8, 3, 3, 3), "o": zeros(1, 18, 6, 6)}
    layer = one(tmp_path, item, [1, 3, 8, 8], weights)
    assert (layer.kind, layer.macs, layer.ops) == ("conv", macs, 7 * 3 * 36 * 9)


# ---- matrix products -----------------------------------------------------------------------------


def test_products_with_weights_and_of_activations(tmp_path: Path) -> None:
    layer = one(tmp_path, node("MatMul", ["x", "w"], ["y"]), [2, 5, 7], {"w": zeros(7, 3)})
    assert (layer.kind, layer.macs, layer.params) == ("linear", 2 * 5 * 7 * 3, ("w",))
    layer = one(tmp_path, node("MatMul", ["x", "x"], ["y"]), [4, 6, 6])
    assert (layer.kind, layer.macs, layer.nests[0].G) == ("matmul", 4 * 216, 4)
    item = node("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1)
    layer = one(tmp_path, item, [7, 5], {"w": zeros(3, 7), "b": zeros(3)})
    assert (layer.kind, layer.macs, layer.params) == ("linear", 105, ("w", "b"))
    layer = one(tmp_path, node("MatMul", ["x", "x"], ["y"]), [9])
    assert layer.macs == 9
    layer = one(
        tmp_path, node("Einsum", ["x", "x"], ["y"], equation="bhid,bhjd->bhij"), [2, 3, 5, 4]
    )
    assert (layer.kind, layer.macs) == ("matmul", 2 * 3 * 5 * 5 * 4)


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent(tmp_path: Path, op: str, gates: int, directions: int) -> None:
    item = node(
        op, ["x", "w", "r"], ["y", "h"], hidden_size=6,
        direction="bidirectional" if directions == 2 else "forward",
    )  # fmt: skip
    weights = {"w": zeros(directions, gates * 6, 5), "r": zeros(directions, gates * 6, 6)}
    load = captured(tmp_path, [item], {"x": [7, 3, 5]}, ["y", "h"], weights)
    # every gate of every unit sees every feature and every state, at every step
    assert load.macs == directions * 7 * 3 * gates * 6 * (5 + 6)
    assert [shape(load, name) for name in load.outputs] == [
        (7, directions, 3, 6),
        (directions, 3, 6),
    ]
    assert load.params == directions * gates * 6 * 11


def test_attention(tmp_path: Path) -> None:
    item = node("Attention", ["x", "x", "x"], ["y"], q_num_heads=4, kv_num_heads=4)
    layer = one(tmp_path, item, [2, 9, 32], opset=23)
    assert (layer.kind, layer.macs) == ("attention", 2 * 4 * (9 * 9 * 8) * 2)
    item = node("MultiHeadAttention", ["x", "x", "x"], ["y"], domain="com.microsoft", num_heads=4)
    layer = one(tmp_path, item, [2, 9, 32], domains=["com.microsoft"])
    assert layer.macs == 2 * 4 * (9 * 9 * 8) * 2
    item = node("Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=4)
    weights = {"w": zeros(32, 96), "b": zeros(96)}
    layer = one(tmp_path, item, [2, 9, 32], weights, domains=["com.microsoft"])
    assert layer.macs == 2 * 9 * 32 * 96 + 2 * 4 * (9 * 9 * 8) * 2


@pytest.mark.parametrize(
    ("op", "inputs", "macs", "kind"),
    [
        ("FusedConv", ["x", "k"], 6 * 4 * 9 * 36, "conv"),
        ("FusedMatMul", ["x", "m"], 4 * 8 * 8 * 5, "linear"),
        ("Gelu", ["x"], 0, "activation"),
        ("QuickGelu", ["x"], 0, "activation"),
        ("BiasGelu", ["x", "v"], 0, "activation"),
        ("LayerNormalization", ["x", "v"], 0, "norm"),
        ("SkipLayerNormalization", ["x", "x", "v"], 0, "norm"),
    ],
)
def test_fused_operators_of_onnx_runtime(
    tmp_path: Path, op: str, inputs: list[str], macs: int, kind: str
) -> None:
    weights = {"k": zeros(6, 4, 3, 3), "m": zeros(8, 5), "v": zeros(8)}
    item = node(op, inputs, ["y"], domain="com.microsoft")
    layer = one(tmp_path, item, [1, 4, 8, 8], weights, domains=["com.microsoft"])
    assert (layer.kind, layer.macs) == (kind, macs)


# ---- the rest ------------------------------------------------------------------------------------


CHEAP = [
    (node("Relu", ["x"], ["y"]), "activation", 384),
    (node("Add", ["x", "x"], ["y"]), "elementwise", 384),
    (node("Sum", ["x", "x", "x"], ["y"]), "elementwise", 2 * 384),
    (node("Softmax", ["x"], ["y"]), "softmax", 5 * 384),
    (node("Sigmoid", ["x"], ["y"]), "activation", 4 * 384),
    (node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2]), "pool", 4 * 96),
    (node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3]), "pool", 9 * 6 * 36),
    (node("GlobalAveragePool", ["x"], ["y"]), "pool", 384),
    (node("ReduceMean", ["x"], ["y"]), "reduce", 384),
    (node("BatchNormalization", ["x", "v", "v", "v", "v"], ["y"]), "norm", 2 * 384),
    (node("LRN", ["x"], ["y"], size=5), "norm", 9 * 384),
    (node("Flatten", ["x"], ["y"]), "view", 0),
    (node("Dropout", ["x"], ["y"]), "view", 0),
    (node("Identity", ["x"], ["y"]), "view", 0),
    (node("Cast", ["x"], ["y"], to=1), "view", 0),
    (node("Cast", ["x"], ["y"], to=10), "copy", 0),
    (node("Concat", ["x", "x"], ["y"], axis=1), "copy", 0),
    (node("Gather", ["table", "index"], ["y"]), "embedding", 0),
    (node("Gather", ["x", "index"], ["y"], axis=1), "copy", 0),
    (node("Gather", ["x", "first"], ["y"], axis=1), "view", 0),
]


@pytest.mark.parametrize(
    ("item", "kind", "ops"),
    CHEAP,
    ids=[f"{i}-{case[0].op_type}" for i, case in enumerate(CHEAP)],
)
def test_layers_that_hardly_multiply(
    tmp_path: Path, item: onnx.NodeProto, kind: str, ops: int
) -> None:
    # x has 1 x 6 x 8 x 8 = 384 elements
    nodes = [item]
    if item.input[0] == "table":
        nodes = [node("Cast", ["x"], ["i"], to=7), node("Gather", ["table", "i"], ["y"])]
    weights = {"v": zeros(6), "table": zeros(9, 4), "index": ints(1, 0), "first": np.array(0)}
    load = captured(tmp_path, nodes, {"x": [1, 6, 8, 8]}, ["y"], weights)
    layer = load.layers[-1]
    assert (layer.kind, layer.ops, layer.macs) == (kind, ops, 0)


def test_resize_of_every_operator_set(tmp_path: Path) -> None:
    scales = {"s": np.array([1, 1, 2, 3], np.float32), "z": ints(1, 2, 8, 12), "r": zeros(0)}
    forms = [
        (node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 3.0]), 7),
        (node("Upsample", ["x", "s"], ["y"]), 9),
        (node("Resize", ["x", "s"], ["y"]), 10),
        (node("Resize", ["x", "r", "s"], ["y"]), 11),
        (node("Resize", ["x", "", "", "z"], ["y"]), 13),
        (node("Resize", ["x", "", "s2"], ["y"], axes=[2, 3]), 18),
    ]
    scales["s2"] = np.array([2, 3], np.float32)
    for item, opset in forms:
        load = captured(tmp_path, [item], {"x": [1, 2, 4, 4]}, ["y"], scales, opset=opset)
        assert shape(load, load.outputs[0]) == (1, 2, 8, 12)
        assert load.layers[0].kind == "resize"


def test_attribute_and_input_forms_agree(tmp_path: Path) -> None:
    weights = {"ax": ints(1), "st": ints(1), "en": ints(3), "k": ints(2), "p": ints(0, 1, 0, 1), "sp": ints(1, 3)}  # fmt: skip
    pairs = [
        (node("Squeeze", ["x"], ["y"], axes=[1]), node("Squeeze", ["x", "ax"], ["y"]), [4, 1]),
        (node("Unsqueeze", ["x"], ["y"], axes=[1]), node("Unsqueeze", ["x", "ax"], ["y"]), [4, 4]),
        (node("Slice", ["x"], ["y"], axes=[1], starts=[1], ends=[3]), node("Slice", ["x", "st", "en", "ax"], ["y"]), [4, 4]),
        (node("ReduceSum", ["x"], ["y"], axes=[1]), node("ReduceSum", ["x", "ax"], ["y"]), [4, 4]),
        (node("TopK", ["x"], ["y", "i"], k=2), node("TopK", ["x", "k"], ["y", "i"]), [4, 4]),
        (node("Pad", ["x"], ["y"], pads=[0, 1, 0, 1]), node("Pad", ["x", "p"], ["y"]), [4, 4]),
        (node("Split", ["x"], ["y", "z"], split=[1, 3]), node("Split", ["x", "sp"], ["y", "z"]), [4, 4]),
    ]  # fmt: skip
    for old, new, x in pairs:
        shapes = []
        for item, opset in ((old, 9), (new, 21)):
            load = captured(tmp_path, [item], {"x": x}, list(item.output), weights, opset=opset)
            shapes.append([shape(load, name) for name in load.outputs])
        assert shapes[0] == shapes[1]
        model = build([new], {"x": x}, list(new.output), weights)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
        theirs = tuple(d.dim_value for d in inferred[0].type.tensor_type.shape.dim)
        assert shapes[0][0] == theirs


def test_ceil_mode_leaves_out_windows_that_start_in_the_padding(tmp_path: Path) -> None:
    # 8 + 2 wide, window 2, step 3: starts 0, 3, 6, and 9, which lies in the padding behind the map
    item = node("MaxPool", ["x"], ["y"], kernel_shape=[2], strides=[3], pads=[1, 1], ceil_mode=1)
    load = captured(tmp_path, [item], {"x": [1, 1, 8]}, ["y"])
    assert shape(load, load.outputs[0]) == (1, 1, 3)


def test_training_mode_of_batch_normalisation_costs_its_statistics(tmp_path: Path) -> None:
    item = helper.make_node(
        "BatchNormalization", ["x", "v", "v", "v", "v"], ["y", "m", "s"], training_mode=1
    )
    layer = one(tmp_path, item, [2, 6, 4, 4], {"v": zeros(6)}, opset=15)
    assert layer.ops == 7 * 192
