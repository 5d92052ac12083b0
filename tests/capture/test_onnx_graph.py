"""Inputs, constants, subgraphs, functions and operands' roles in ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_files import FLOAT, INT64, build, captured, ints, node, shape, write, zeros

from steelyard.capture.onnx import capture_onnx
from steelyard.capture.rules import Draft, default_rules
from steelyard.errors import DataDependentError, ShapeError, UnknownNameError, UsageError

RELU = [node("Relu", ["x"], ["y"])]
CONV = [node("Conv", ["x", "w"], ["y"], name="c", pads=[1, 1, 1, 1])]

# ---- inputs --------------------------------------------------------------------------------------


def test_an_open_batch_is_one_and_the_user_is_told(tmp_path: Path) -> None:
    load = captured(tmp_path, RELU, {"x": ["N", 3, 8, 8]}, ["y"])
    assert shape(load, "x") == (1, 3, 8, 8)
    assert load.warnings == ("the file leaves the batch size open; it is taken to be 1",)


def test_an_open_batch_takes_the_given_size(tmp_path: Path) -> None:
    path = write(tmp_path, build(CONV, {"x": [None, 3, 8, 8]}, ["y"], {"w": zeros(4, 3, 3, 3)}))
    load = capture_onnx(path, batch=5)
    assert load.macs == 5 * 4 * 3 * 9 * 64
    assert load.warnings == ()


def test_a_named_size_is_learned_from_one_input_for_all(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "z"], ["y"])]
    path = write(tmp_path, build(nodes, {"x": ["N", "T"], "z": ["N", "T"]}, ["y"]))
    load = capture_onnx(path, input_shapes={"x": (2, 7)})
    assert shape(load, "z") == (2, 7)


def test_open_sizes_beyond_the_batch_must_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, build(RELU, {"x": ["N", 3, "height", "width"]}, ["y"]))
    with pytest.raises(ShapeError) as caught:
        capture_onnx(path)
    assert str(caught.value) == (
        "input 'x' has the shape (N, 3, height, width), which leaves more open than the batch\n"
        "expected: every size of the input\n"
        "try: input_shape={'x': (1, 3, 224, 224)}"
    )
    load = capture_onnx(path, input_shapes={"x": (2, 3, 5, 6)})
    assert shape(load, load.outputs[0]) == (2, 3, 5, 6)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"x": (1, 4, 8, 8)}, "contradicts the file's (N, 3, 8, 8)\nexpected: 3 in place of 4"),
        ({"x": (1, 3, 8)}, "input 'x' is given the shape (1, 3, 8)\nexpected: 4 dimensions"),
    ],
)
def test_given_shapes_must_agree_with_the_file(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], words: str
) -> None:
    path = write(tmp_path, build(RELU, {"x": ["N", 3, 8, 8]}, ["y"]))
    with pytest.raises(ShapeError) as caught:
        capture_onnx(path, input_shapes=shapes)
    assert words in str(caught.value)


def test_a_shape_for_no_input(tmp_path: Path) -> None:
    path = write(tmp_path, build(RELU, {"image": [1, 3]}, ["y"]))
    path = write(tmp_path, build([node("Relu", ["image"], ["y"])], {"image": [1, 3]}, ["y"]))
    with pytest.raises(UnknownNameError, match="nearest: image"):
        capture_onnx(path, input_shapes={"imag": (1, 3)})


def test_a_fixed_batch_cannot_be_changed(tmp_path: Path) -> None:
    path = write(tmp_path, build(RELU, {"x": [1, 3]}, ["y"]))
    with pytest.raises(ShapeError, match=r"workload.with_batch\(4\)"):
        capture_onnx(path, batch=4)
    with pytest.raises(UsageError, match="expected: a batch of at least 1"):
        capture_onnx(path, batch=0)


def test_an_input_without_a_shape(tmp_path: Path) -> None:
    path = write(tmp_path, build(RELU, {"x": None}, ["y"]))
    with pytest.raises(ShapeError, match="input 'x' has no declared shape"):
        capture_onnx(path)
    assert shape(capture_onnx(path, input_shapes={"x": (2, 9)}), "x") == (2, 9)


def test_weights_listed_as_inputs_are_no_inputs(tmp_path: Path) -> None:
    model = build(CONV, {"x": [1, 3, 8, 8], "w": [4, 3, 3, 3]}, ["y"], {"w": zeros(4, 3, 3, 3)})
    load = capture_onnx(write(tmp_path, model))
    assert load.inputs == ("x",)
    assert load.params == 108


def test_zero_size_dimensions_cost_nothing(tmp_path: Path) -> None:
    load = captured(tmp_path, CONV, {"x": [0, 3, 8, 8]}, ["y"], {"w": zeros(4, 3, 3, 3)})
    assert load.macs == 0
    assert shape(load, load.outputs[0]) == (0, 4, 8, 8)


# ---- constants and shape arithmetic --------------------------------------------------------------


def test_shape_arithmetic_is_computed_not_counted(tmp_path: Path) -> None:
    # x.view(n, 2, c / 2, h * w) as exporters write it
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "i0"], ["n"]),
        node("Gather", ["s", "i1"], ["c"]),
        node("Div", ["c", "two"], ["half"]),
        node("Unsqueeze", ["n", "zero"], ["n1"]),
        node("Unsqueeze", ["half", "zero"], ["h1"]),
        node("Concat", ["n1", "twos", "h1", "rest"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["r"]),
        node("Transpose", ["r"], ["y"], perm=[0, 2, 1, 3]),
    ]
    weights = {
        "i0": np.array(0), "i1": np.array(1), "two": np.array(2), "zero": ints(0), "twos": ints(2),
        "rest": ints(-1),
    }  # fmt: skip
    load = captured(tmp_path, nodes, {"x": ["N", 6, 4, 4]}, ["y"], weights)
    assert [layer.op for layer in load.layers] == ["onnx.Reshape", "onnx.Transpose"]
    assert shape(load, load.outputs[0]) == (1, 3, 2, 16)
    assert [layer.kind for layer in load.layers] == ["view", "copy"]


def test_a_large_computed_mask_is_no_layer_either(tmp_path: Path) -> None:
    # a causal mask of 200 x 200, made from Range, Less and Where
    nodes = [
        node("Range", ["a", "n", "one"], ["r"]),
        node("Unsqueeze", ["r", "ax"], ["col"]),
        node("Less", ["col", "r"], ["later"]),
        node("Where", ["later", "inf", "nil"], ["mask"]),
        node("Add", ["x", "mask"], ["y"]),
    ]
    weights = {
        "a": np.array(0), "n": np.array(200), "one": np.array(1), "ax": ints(1),
        "inf": np.array(-1e9, np.float32), "nil": np.array(0, np.float32),
    }  # fmt: skip
    load = captured(tmp_path, nodes, {"x": [1, 200, 200]}, ["y"], weights)
    assert [layer.op for layer in load.layers] == ["onnx.Add"]
    (mask,) = load.layers[0].params
    assert load.tensor(mask).shape == (200, 200)
    assert load.tensor(mask).role == "constant"
    assert load.params == 0


def test_transpose_of_ones_is_a_view(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1])]
    assert captured(tmp_path, nodes, {"x": [2, 7, 1, 1]}, ["y"]).layers[0].kind == "view"
    assert captured(tmp_path, nodes, {"x": [2, 7, 3, 1]}, ["y"]).layers[0].kind == "copy"


def test_reshaped_and_dequantised_weights_are_still_the_parameters(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", ["q", "scale", "zp"], ["w"], axis=0),
        node("Transpose", ["w"], ["wt"]),
        node("MatMul", ["x", "wt"], ["y"]),
    ]
    weights = {
        "q": np.zeros((10, 32), np.int8), "scale": zeros(10), "zp": np.zeros(10, np.int8)
    }  # fmt: skip
    load = captured(tmp_path, nodes, {"x": [4, 32]}, ["y"], weights)
    (layer,) = load.layers
    assert (layer.kind, layer.macs) == ("linear", 4 * 32 * 10)
    assert load.params == 320
    assert {load.tensor(p).role for p in layer.params} == {"parameter", "buffer"}
    assert load.tensor("q").nbytes == 320


def test_arithmetic_on_parameters_is_counted(tmp_path: Path) -> None:
    # weight normalisation: w = g v / |v|
    nodes = [
        node("ReduceL2", ["v", "axes"], ["norm"], keepdims=1),
        node("Div", ["v", "norm"], ["unit"]),
        node("Mul", ["unit", "g"], ["w"]),
        node("Conv", ["x", "w"], ["y"]),
    ]
    weights = {"v": zeros(8, 3, 3, 3), "g": zeros(8, 1, 1, 1), "axes": ints(1, 2, 3)}
    load = captured(tmp_path, nodes, {"x": [1, 3, 8, 8]}, ["y"], weights)
    assert [layer.kind for layer in load.layers] == ["reduce", "elementwise", "elementwise", "conv"]
    assert [layer.ops for layer in load.layers[:3]] == [216, 216, 216]
    assert load.params == 216 + 8


def test_roles_of_stored_tensors(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
        node("Mul", ["n", "layer_scale"], ["s"]),
        node("Add", ["s", "half"], ["y"]),
    ]
    weights = {
        "w": zeros(4, 3, 1, 1), "b": zeros(4), "gamma": zeros(4), "beta": zeros(4),
        "mean": zeros(4), "var": zeros(4), "layer_scale": zeros(4, 1, 1),
        "half": np.array(0.5, np.float32), "head.weight": zeros(10, 4),
    }  # fmt: skip
    load = captured(tmp_path, nodes, {"x": [1, 3, 8, 8]}, ["y"], weights)
    roles = {t.name: t.role for t in load.tensors if t.name in weights}
    buffers = {"mean", "var"}
    assert {name for name, role in roles.items() if role == "buffer"} == buffers
    assert {name for name, role in roles.items() if role == "parameter"} == (
        set(weights) - buffers - {"half"}
    )
    assert load.params == 12 + 4 * 4
    assert load.unused_params == 40


def test_sizes_that_the_data_decides(tmp_path: Path) -> None:
    load = captured(tmp_path, [node("NonZero", ["x"], ["y"])], {"x": [2, 3]}, ["y"])
    assert shape(load, load.outputs[0]) == (2, 6)
    assert load.warnings == (
        "the result of onnx.NonZero is as large as the data makes it; counted at its largest size",
    )
    nodes = [node("Cast", ["x"], ["s"], to=INT64), node("Reshape", ["z", "s"], ["y"], name="fold")]
    path = write(tmp_path, build(nodes, {"x": [2], "z": [4, 4]}, ["y"]))
    with pytest.raises(DataDependentError) as caught:
        capture_onnx(path)
    assert "node 'fold' (onnx.Reshape): the size of its result depends on the data" in str(
        caught.value
    )


def test_declared_shapes_stand_in_for_sizes_from_data(tmp_path: Path) -> None:
    nodes = [node("Cast", ["x"], ["s"], to=INT64), node("Reshape", ["z", "s"], ["y"])]
    model = build(nodes, {"x": [2], "z": ["N", 4]}, ["y"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, ["N", 2, 2]))
    load = capture_onnx(write(tmp_path, model), batch=3)
    assert shape(load, load.outputs[0]) == (3, 2, 2)


# ---- operators -----------------------------------------------------------------------------------


def test_unknown_operators_are_named_not_counted(tmp_path: Path) -> None:
    nodes = [
        node("Frobnicate", ["x"], ["h"], domain="com.example"),
        node("Relu", ["h"], ["y"]),
    ]
    load = captured(tmp_path, nodes, {"x": [2, 3]}, ["y"], domains=["com.example"])
    assert load.coverage.unknown == (("com.example.Frobnicate", 1),)
    assert "no rule knows com.example.Frobnicate (1x)" in load.warnings[-1]
    assert load.warnings[0] == (
        "the shape of the result of com.example.Frobnicate is not known; taken to be its input's"
    )
    assert load.layers[1].ops == 6


def test_nothing_fails_behind_an_assumed_shape(tmp_path: Path) -> None:
    nodes = [
        node("Frobnicate", ["x"], ["h"], domain="com.example"),
        node("MatMul", ["h", "w"], ["y"]),
    ]
    weights = {"w": zeros(7, 5)}  # 3 features do not fit
    path = write(tmp_path, build(nodes, {"x": [2, 3]}, ["y"], weights, domains=["com.example"]))
    load = capture_onnx(path)
    assert load.coverage.fraction < 1


def test_a_user_s_rule_is_used(tmp_path: Path) -> None:
    nodes = [node("Frobnicate", ["x"], ["y"], domain="com.example")]
    path = write(tmp_path, build(nodes, {"x": [2, 3]}, ["y"], domains=["com.example"]))
    rules = default_rules().with_rules(
        {"com.example.Frobnicate": lambda call: Draft("elementwise", ops=7 * call.out_elements)}
    )
    load = capture_onnx(path, rules=rules)
    assert load.layers[0].ops == 42
    assert load.coverage.fraction == 1.0


def test_a_user_s_rule_that_fails_is_named(tmp_path: Path) -> None:
    nodes = [node("Frobnicate", ["x"], ["y"], domain="com.example")]
    path = write(tmp_path, build(nodes, {"x": [2, 3]}, ["y"], domains=["com.example"]))
    rules = default_rules().with_rules({"com.example.Frobnicate": lambda call: Draft("nonsense")})
    with pytest.raises(UsageError, match=r"the rule for com\.example\.Frobnicate answered"):
        capture_onnx(path, rules=rules)


# ---- subgraphs and functions ---------------------------------------------------------------------


def _branch(name: str, *nodes: onnx.NodeProto, out: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(out, FLOAT, None)])


def _if(condition: np.ndarray | None, tmp_path: Path) -> tuple[list[str], tuple[str, ...]]:
    cheap = _branch("a", node("Relu", ["x"], ["p"]), out="p")
    dear = _branch("b", node("MatMul", ["x", "w"], ["q"]), out="q")
    nodes = [node("If", ["go"], ["y"], then_branch=cheap, else_branch=dear)]
    weights = {"w": zeros(8, 8)} | ({} if condition is None else {"go": condition})
    inputs = {"x": [4, 8]}
    model = build(nodes, inputs, ["y"], weights)
    if condition is None:
        model.graph.input.append(helper.make_tensor_value_info("go", TensorProto.BOOL, []))
    load = capture_onnx(write(tmp_path, model))
    return [layer.op for layer in load.layers], load.warnings


def test_if_takes_the_branch_that_the_file_fixes(tmp_path: Path) -> None:
    assert _if(np.array(True), tmp_path) == (["onnx.Relu"], ())
    assert _if(np.array(False), tmp_path) == (["onnx.MatMul"], ())


def test_if_on_data_counts_the_heavier_branch(tmp_path: Path) -> None:
    ops, warnings = _if(None, tmp_path)
    assert ops == ["onnx.MatMul"]
    assert warnings == ("an If depends on the data; its heavier branch is counted",)


def test_weights_of_the_branch_not_counted_are_unused(tmp_path: Path) -> None:
    small = _branch("a", node("MatMul", ["x", "v"], ["p"]), out="p")
    large = _branch("b", node("MatMul", ["x", "w"], ["q"]), out="q")
    nodes = [node("If", ["go"], ["y"], then_branch=small, else_branch=large)]
    model = build(nodes, {"x": [4, 8]}, ["y"], {"v": zeros(8, 2), "w": zeros(8, 8)})
    model.graph.input.append(helper.make_tensor_value_info("go", TensorProto.BOOL, []))
    load = capture_onnx(write(tmp_path, model))
    assert (load.params, load.unused_params) == (64, 16)


def _loop(trips: int | None, tmp_path: Path, rows: int = 4) -> tuple[int, tuple[str, ...], object]:
    body = helper.make_graph(
        [
            node("MatMul", ["h", "w"], ["h2"], name="step"),
            node("Identity", ["go"], ["go2"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h2", FLOAT, None),
            helper.make_tensor_value_info("h2", FLOAT, None),
        ],
    )
    nodes = [node("Loop", ["m", "c", "x"], ["y", "all"], body=body)]
    weights = {"w": zeros(8, 8), "c": np.array(True)}
    model = build(nodes, {"x": [rows, 8]}, ["y", "all"], weights)
    if trips is None:
        model.graph.input.append(helper.make_tensor_value_info("m", INT64, []))
    else:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(trips), "m"))
    load = capture_onnx(write(tmp_path, model))
    return load.macs, load.warnings, [shape(load, name) for name in load.outputs]


def test_a_loop_is_unrolled(tmp_path: Path) -> None:
    assert _loop(5, tmp_path) == (5 * 4 * 64, (), [(4, 8), (5, 4, 8)])
    assert _loop(0, tmp_path)[0] == 0


def test_a_long_loop_is_counted_once_and_multiplied(tmp_path: Path) -> None:
    macs, warnings, shapes = _loop(1_000_000, tmp_path)
    assert macs == 1_000_000 * 4 * 64
    assert warnings == ("a Loop of 1000000 trips is counted as 1000000 times its first trip",)
    assert shapes == [(4, 8), (1_000_000, 4, 8)]


def test_a_loop_of_unknown_length_is_counted_once(tmp_path: Path) -> None:
    macs, warnings, _ = _loop(None, tmp_path)
    assert macs == 4 * 64
    assert warnings == ("the trip count of a Loop depends on the data; its body is counted once",)


@pytest.mark.parametrize("opset", [8, 21])
def test_scan_counts_every_step(tmp_path: Path, opset: int) -> None:
    body = helper.make_graph(
        [node("MatMul", ["s", "w"], ["m"]), node("Add", ["m", "e"], ["s2"])],
        "body",
        [helper.make_tensor_value_info(n, FLOAT, [1, 6]) for n in ("s", "e")],
        [helper.make_tensor_value_info(n, FLOAT, [1, 6]) for n in ("s2", "s2")],
    )
    old = opset == 8
    first = ["", "h", "x"] if old else ["h", "x"]
    nodes = [node("Scan", first, ["y", "all"], body=body, num_scan_inputs=1)]
    inputs = {"h": [2, 1, 6], "x": [2, 9, 1, 6]} if old else {"h": [1, 6], "x": [9, 1, 6]}
    load = captured(tmp_path, nodes, inputs, ["y", "all"], {"w": zeros(6, 6)}, opset=opset)
    assert load.macs == 9 * 36 * (2 if old else 1)
    expected = [(2, 1, 6), (2, 9, 1, 6)] if old else [(1, 6), (9, 1, 6)]
    assert [shape(load, name) for name in load.outputs] == expected


def test_a_subgraph_sees_the_names_around_it_and_sequences_work(tmp_path: Path) -> None:
    nodes = [
        node("SplitToSequence", ["x", "two"], ["parts"], axis=0),
        node("SequenceLength", ["parts"], ["n"]),
        node("SequenceAt", ["parts", "one"], ["p"]),
        node("ConcatFromSequence", ["parts"], ["whole"], axis=0),
        node("SequenceConstruct", ["p", "whole"], ["pair"]),
        node("SequenceAt", ["pair", "zero"], ["q"]),
        node("MatMul", ["q", "w"], ["y"]),
    ]
    weights = {
        "two": np.array(2), "one": np.array(1), "zero": np.array(0), "w": zeros(5, 3)
    }  # fmt: skip
    load = captured(tmp_path, nodes, {"x": [6, 5]}, ["y", "whole"], weights)
    assert load.macs == 2 * 5 * 3
    assert [shape(load, name) for name in load.outputs] == [(2, 3), (6, 5)]


def test_functions_are_inlined_with_their_attributes(tmp_path: Path) -> None:
    step = node("LeakyRelu", ["m"], ["b"])
    step.attribute.append(
        onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    )
    flat = node("Flatten", ["b"], ["f"])
    flat.attribute.append(
        onnx.AttributeProto(name="axis", ref_attr_name="at", type=onnx.AttributeProto.INT)
    )
    function = helper.make_function(
        "mine", "Block", ["a", "k", "bias"], ["f"],
        [node("Conv", ["a", "k", "bias"], ["m"]), step, flat],
        [helper.make_opsetid("", 21)], ["slope", "at"],
    )  # fmt: skip
    nodes = [
        node("Block", ["x", "w"], ["h"], domain="mine", at=1, name="first"),
        node("Block", ["x", "w", "b"], ["y"], domain="mine", at=2, name="second"),
    ]
    weights = {"w": zeros(4, 3, 1, 1), "b": zeros(4)}
    load = captured(
        tmp_path, nodes, {"x": [2, 3, 5, 5]}, ["h", "y"], weights,
        domains=["mine"], functions=[function],
    )  # fmt: skip
    assert load.macs == 2 * (2 * 25 * 12)
    assert [shape(load, name) for name in load.outputs] == [(2, 100), (8, 25)]
    assert load.params == 16
    # what a call is made of is the module that bears its name
    assert [layer.module for layer in load.layers] == ["first"] * 3 + ["second"] * 3
    assert [layer.name for layer in load.layers if layer.macs] == ["first", "second"]


def test_nodes_out_of_order_are_sorted(tmp_path: Path) -> None:
    nodes = [node("Relu", ["h"], ["y"]), node("Conv", ["x", "w"], ["h"])]
    load = captured(tmp_path, nodes, {"x": [1, 3, 4, 4]}, ["y"], {"w": zeros(2, 3, 1, 1)})
    assert [layer.op for layer in load.layers] == ["onnx.Conv", "onnx.Relu"]


def test_an_old_operator_set_is_read_with_a_warning(tmp_path: Path) -> None:
    load = captured(tmp_path, RELU, {"x": [1, 3]}, ["y"], opset=6)
    assert load.warnings == ("operator set 6 is read by the rules of version 7",)
