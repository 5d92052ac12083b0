"""`capture`: each of its arguments, and what it says to arguments that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peak_memory import PEAK_KB
from torch import Tensor, nn

import steelyard as sy
from steelyard.errors import (
    FileFormatError,
    InputError,
    ModelError,
    ShapeError,
    SteelyardError,
    UnknownNameError,
    UsageError,
)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())


IMAGE = (1, 3, 8, 8)
MACS = 8 * 3 * 9 * 6 * 6


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 5), nn.Linear(3, 5)

    def forward(self, a: Tensor, b: Tensor, scale: float = 1.0) -> Tensor:
        return self.left(a) + self.right(b) * scale


# ---- sources -------------------------------------------------------------------------------------


def test_no_such_network() -> None:
    with pytest.raises(UnknownNameError) as caught:
        sy.capture("resnet5O")
    assert str(caught.value).startswith("no network is named 'resnet5O'\nexpected:")
    assert "nearest: resnet50" in str(caught.value)
    assert "try: steelyard models" in str(caught.value)


def test_no_such_setting() -> None:
    with pytest.raises(UsageError, match="resnet50 has no setting 'num_clases'") as caught:
        sy.capture("resnet50:num_clases=3")
    assert "num_classes" in caught.value.expected


def test_no_such_file() -> None:
    with pytest.raises(FileFormatError, match=r"there is no file 'nonsense\.onnx'"):
        sy.capture("nonsense.onnx")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (nn.ReLU, "cannot capture the class ReLU"),
        (lambda x: x, "cannot capture a function"),
        (None, "cannot capture a NoneType"),
        (torch.ones(3), "cannot capture a Tensor"),
    ],
)
def test_what_is_no_network(source: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        sy.capture(source, input_shape=IMAGE)
    assert "an nn.Module, or text: a zoo name" in caught.value.expected


def test_a_class_is_told_to_be_called() -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(nn.ReLU, input_shape=IMAGE)  # type: ignore[arg-type]
    assert caught.value.hint == "capture(ReLU(...), ...)"


def test_a_zoo_network_knows_its_input() -> None:
    load = sy.capture("lenet5:num_classes=7")
    assert load.tensor(load.inputs[0]).shape == (1, 1, 32, 32)
    assert load.tensor(load.outputs[0]).shape == (1, 7)
    assert load.name == "lenet5:num_classes=7"


def test_a_zoo_network_takes_another_resolution_and_real_inputs() -> None:
    shapes = sy.capture("resnet20_cifar", input_shape=(1, 3, 64, 64))
    values = sy.capture("resnet20_cifar", inputs=torch.zeros(1, 3, 64, 64), method="values")
    assert shapes.macs == values.macs
    assert shapes.params == values.params == sy.capture("resnet20_cifar").params


def test_a_path_object_is_a_source(tmp_path: Path) -> None:
    load = sy.capture(net(), input_shape=IMAGE)
    (tmp_path / "net.json").write_text(load.to_json())
    assert sy.capture(tmp_path / "net.json") == load
    assert sy.capture(tmp_path / "net.json", batch=4).macs == 4 * MACS


def test_a_workload_is_rescaled_and_renamed() -> None:
    load = sy.capture(net(), input_shape=IMAGE)
    assert sy.capture(load) is load
    again = sy.capture(load, batch=3, name="three")
    assert (again.name, again.macs) == ("three", 3 * MACS)


@pytest.mark.parametrize(
    "given",
    [{"input_shape": IMAGE}, {"inputs": torch.ones(IMAGE)}, {"kwargs": {"x": 1}},
     {"dtype": "float16"}, {"training": True}, {"method": "meta"}],
    ids=lambda given: next(iter(given)),
)  # fmt: skip
def test_arguments_that_mean_nothing_for_a_workload(given: dict[str, Any]) -> None:
    load = sy.capture(net(), input_shape=IMAGE)
    with pytest.raises(UsageError, match=f"{next(iter(given))} means nothing for a Workload"):
        sy.capture(load, **given)


@pytest.mark.parametrize(
    "given",
    [{"inputs": torch.ones(IMAGE)}, {"kwargs": {"x": 1}}, {"dtype": "float16"},
     {"training": None}, {"method": "values"}],
    ids=lambda given: next(iter(given)),
)  # fmt: skip
def test_arguments_that_mean_nothing_for_a_file(given: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(sy.capture(net(), input_shape=IMAGE).to_json())
    with pytest.raises(
        UsageError, match=f"{next(iter(given))} means nothing for the file '.*net.json'"
    ):
        sy.capture(path, **given)


def test_a_stored_workload_has_fixed_sizes(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(sy.capture(net(), input_shape=IMAGE).to_json())
    with pytest.raises(
        UsageError, match=r"input_shape means nothing for .*its sizes are fixed"
    ) as caught:
        sy.capture(path, input_shape=IMAGE)
    assert caught.value.hint == "batch=8, or --batch 8"


# ---- inputs --------------------------------------------------------------------------------------


def test_no_input() -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(net())
    assert str(caught.value) == (
        "Sequential was given no input\ntry: input_shape=(1, 3, 224, 224), or --input 1x3x224x224"
    )


def test_both_inputs_and_shape() -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(net(), input_shape=IMAGE, inputs=torch.ones(IMAGE))
    assert str(caught.value) == "both inputs and input_shape were given\nexpected: one of them"


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, -3, 8, 8), "-3"), ((True, 3, 8, 8), "True"), ((1.0, 3, 8, 8), "1.0"),
     ((1, None, 8, 8), "None"), ((2**63, 3, 8, 8), "9223372036854775808"), ((1, "n", 8, 8), "'n'")],
)  # fmt: skip
def test_a_shape_with_an_impossible_size(shape: Any, size: str) -> None:
    with pytest.raises(InputError) as caught:
        sy.capture(net(), input_shape=shape)
    assert caught.value.given == f"the shape {shape!r} has the size {size}"
    assert caught.value.expected == "whole numbers from 0 to 2**63 - 1"


@pytest.mark.parametrize("shape", [(2**40, 3, 2**30, 2**30), (1, 2**62, 8, 8)])
def test_a_shape_that_no_memory_could_address(shape: Any) -> None:
    with pytest.raises(InputError) as caught:
        sy.capture(net(), input_shape=shape)
    assert caught.value.given.startswith(f"a tensor of shape {shape} cannot exist: ")
    assert caught.value.expected == "fewer than 2**63 bytes"


@pytest.mark.parametrize("shape", [224, "1x3x8x8", {1, 3}])
def test_what_is_no_shape(shape: Any) -> None:
    with pytest.raises(InputError) as caught:
        sy.capture(net(), input_shape=shape)
    assert caught.value.given == f"{shape!r} is not a shape"
    assert caught.value.expected == "sizes such as (1, 3, 224, 224)"


def test_sizes_and_shapes_mixed() -> None:
    with pytest.raises(InputError, match="mixes sizes and shapes"):
        sy.capture(net(), input_shape=[IMAGE, 5])  # type: ignore[list-item]


@pytest.mark.parametrize("shape", [list(IMAGE), torch.Size(IMAGE), [IMAGE], {"input": IMAGE}])
def test_ways_to_write_one_shape(shape: Any) -> None:
    assert sy.capture(net(), input_shape=shape).macs == MACS


def test_sizes_of_other_libraries_are_sizes() -> None:
    numpy = pytest.importorskip("numpy")
    assert sy.capture(net(), input_shape=tuple(numpy.array(IMAGE))).macs == MACS


def test_an_empty_batch_costs_nothing() -> None:
    load = sy.capture(net(), input_shape=(0, 3, 8, 8))
    assert (load.macs, load.params) == (0, 8 * 28)


@pytest.mark.parametrize(
    ("shape", "called"), [((1, 3), "(1, 3)"), ((1, 4, 8, 8), "(1, 4, 8, 8)"), ((1, 3, 2, 2), "(1, 3, 2, 2)")]
)  # fmt: skip
def test_a_wrong_rank_channels_or_map(shape: Any, called: str) -> None:
    with pytest.raises(ShapeError) as caught:
        sy.capture(net(), input_shape=shape)
    assert caught.value.given.startswith("layer '0' (Conv2d) raised RuntimeError: ")
    assert caught.value.given.endswith(f"it was called with {called}")
    assert caught.value.expected == "an input of shape (N, 3, H, W)"
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Linear(5, 2), (2, 6), "(..., 5)"),
        (nn.BatchNorm2d(5), (2, 6, 3, 3), "(N, 5, H, W)"),
        (nn.Conv1d(4, 2, 3), (2, 5, 9), "(N, 4, L)"),
        (nn.Conv3d(4, 2, 3), (2, 5, 9, 9, 9), "(N, 4, D, H, W)"),
        (nn.GroupNorm(2, 4), (2, 6, 3), "(N, 4, ...)"),
        (nn.ConvTranspose2d(4, 2, 3), (2, 6, 3, 3), "(N, 4, H, W)"),
        (nn.BatchNorm1d(5), (2, 6), "(N, 5) or (N, 5, L)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_the_layer_and_the_shape_it_expects_are_named(
    layer: nn.Module, shape: Any, expected: str
) -> None:
    model = nn.Sequential()
    model.add_module("body", nn.Sequential(nn.Identity(), layer))
    with pytest.raises(ShapeError) as caught:
        sy.capture(model, input_shape=shape)
    assert caught.value.given.startswith(f"layer 'body.1' ({type(layer).__name__}) raised")
    assert caught.value.expected == f"an input of shape {expected}"


def test_several_inputs_in_order_by_name_and_mixed() -> None:
    model, macs = Two(), 2 * 5 * (4 + 3)
    by_order = sy.capture(model, input_shape=[(2, 4), (2, 3)])
    by_name = sy.capture(model, input_shape={"b": (2, 3), "a": (2, 4)})
    real = sy.capture(model, inputs=(torch.ones(2, 4), torch.ones(2, 3)))
    mixed = sy.capture(model, inputs=torch.ones(2, 4), kwargs={"b": torch.ones(2, 3), "scale": 2.0})
    named = sy.capture(model, input_shape={"a": (2, 4)}, kwargs={"b": torch.ones(2, 3)})
    assert by_order.inputs == ("a", "b")
    for load in (by_order, by_name, real, mixed, named):
        assert load.macs == macs
        assert {name: load.tensor(name).shape for name in load.inputs} == {"a": (2, 4), "b": (2, 3)}


def test_inputs_of_another_number_or_name() -> None:
    with pytest.raises(
        ModelError, match=r"takes from 3 to 4 positional arguments|missing 1 required"
    ):
        sy.capture(Two(), input_shape=(2, 4))
    with pytest.raises(ModelError, match="unexpected keyword argument 'c'"):
        sy.capture(Two(), input_shape={"a": (2, 4), "c": (2, 3)})


def test_an_input_given_twice() -> None:
    with pytest.raises(UsageError, match="'a' is given in input_shape and in kwargs"):
        sy.capture(Two(), input_shape={"a": (2, 4), "b": (2, 3)}, kwargs={"a": torch.ones(2, 4)})


def test_names_of_inputs_are_text() -> None:
    with pytest.raises(UsageError, match="input_shape names an input 3"):
        sy.capture(net(), input_shape={3: IMAGE})  # type: ignore[dict-item]


@pytest.mark.parametrize("inputs", ["image.png", 5, {"x": 1}])
def test_what_is_no_example_input(inputs: Any) -> None:
    with pytest.raises(UsageError, match="are no example inputs") as caught:
        sy.capture(net(), inputs=inputs)
    assert "a tensor, or a sequence" in caught.value.expected


# ---- the other arguments -------------------------------------------------------------------------


def test_batch_replaces_the_first_size_of_every_shape() -> None:
    assert sy.capture(net(), input_shape=IMAGE, batch=5).macs == 5 * MACS
    assert sy.capture(Two(), input_shape=[(1, 4), (1, 3)], batch=5).macs == 5 * 35
    assert sy.capture("lenet5", batch=5).macs == 5 * sy.capture("lenet5").macs


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "2", 2**63])
def test_an_impossible_batch(batch: Any) -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(net(), input_shape=IMAGE, batch=batch)
    assert str(caught.value) == f"a batch of {batch!r}\nexpected: a whole number, at least 1"


@pytest.mark.parametrize("given", [{"batch": 2}, {"dtype": "float16"}])
def test_batch_and_dtype_do_not_change_examples(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(net(), inputs=torch.ones(IMAGE), **given)
    assert caught.value.given == f"{next(iter(given))}= changes shapes, not example inputs"


def test_the_dtype_is_that_of_the_parameters_or_the_given_one() -> None:
    def dtypes(model: nn.Module, **given: Any) -> list[str]:
        load = sy.capture(model, input_shape=IMAGE, **given)
        return [load.tensor(name).dtype for name in (*load.inputs, *load.outputs)]

    assert dtypes(net()) == ["float32"] * 2
    assert dtypes(net().to(torch.bfloat16)) == ["bfloat16"] * 2
    assert dtypes(nn.ReLU()) == ["float32"] * 2
    assert dtypes(nn.ReLU(), dtype="int8") == ["int8"] * 2


@pytest.mark.parametrize("dtype", ["float33", "string", "qint8", torch.float16, ["float32"]])
def test_an_unknown_dtype(dtype: Any) -> None:
    with pytest.raises(UnknownNameError) as caught:
        sy.capture(net(), input_shape=IMAGE, dtype=dtype)
    assert caught.value.given == f"no dtype is named {str(dtype)!r}"


def test_a_torch_dtype_is_told_its_name() -> None:
    with pytest.raises(UnknownNameError) as caught:
        sy.capture(net(), input_shape=IMAGE, dtype=torch.float16)  # type: ignore[arg-type]
    assert caught.value.hint == "float16"


def test_a_dtype_that_the_layer_does_not_take() -> None:
    with pytest.raises(ModelError) as caught:
        sy.capture(net(), input_shape=IMAGE, dtype="float64")
    assert "layer '0' (Conv2d)" in caught.value.given
    assert caught.value.expected == "an input of dtype float32"
    assert caught.value.hint == "dtype='float32'"


@pytest.mark.parametrize("method", ["auto", "meta", "values"])
@pytest.mark.parametrize("bias", [True, False])
def test_what_only_the_meta_device_lets_pass(method: Any, bias: bool) -> None:
    for layer in (nn.Linear(8, 2, bias=bias), nn.Conv2d(3, 2, 3, bias=bias)):
        with pytest.raises(ModelError) as caught:
            sy.capture(layer, input_shape=IMAGE, dtype="float16", method=method)
        assert caught.value.expected == "an input of dtype float32"
    with pytest.raises(ShapeError):
        sy.capture(nn.ConvTranspose2d(4, 2, 3, bias=bias), input_shape=IMAGE, method=method)
    load = sy.capture(nn.ConvTranspose2d(3, 2, 3, bias=bias), input_shape=IMAGE[1:], method=method)
    assert load.macs == 3 * 64 * 2 * 9


def test_training_mode() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
    model[1].eval()
    elements = 3 * 64

    def ops(training: bool | None) -> int:
        return sum(
            layer.ops for layer in sy.capture(model, input_shape=IMAGE, training=training).layers
        )

    # inference: scale and shift; training: statistics as well (7) and one count of batches, and
    # dropout's mask and scale (2)
    assert ops(False) == 2 * elements
    assert ops(None) == 7 * elements + 1
    assert ops(True) == 9 * elements + 1
    assert model[0].training
    assert not model[1].training


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"training": "yes"}, "training='yes'\nexpected: True, False or None"),
        ({"method": "fast"}, "no method 'fast'\nexpected: auto, shapes, meta or values"),
        ({"rules": {}}, "rules={} is no RuleTable\n"),
        ({"name": 5}, "name=5\nexpected: text"),
        ({"kwargs": [1]}, "kwargs=[1] are no named arguments\n"),
        ({"kwargs": {1: 2}}, "kwargs={1: 2} are no named arguments\n"),
    ],
)
def test_arguments_of_the_wrong_kind(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sy.capture(net(), input_shape=IMAGE, **given)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("method", ["auto", "shapes", "meta", "values"])
def test_every_method_counts_the_same(method: Any) -> None:
    load = sy.capture(net(), input_shape=IMAGE, method=method)
    assert (load.macs, load.params) == (MACS, 8 * 28)


def test_the_name() -> None:
    assert sy.capture(net(), input_shape=IMAGE).name == "Sequential"
    assert sy.capture(net(), input_shape=IMAGE, name="mine").name == "mine"
    assert sy.capture("lenet5", name="mine").name == "mine"


# ---- onnx ----------------------------------------------------------------------------------------


def test_a_plain_shape_fills_the_open_sizes_of_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    sizes = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"]), helper.make_node("Add", ["y", "z"], ["s"])],
        "g",
        [helper.make_tensor_value_info(name, kind, shape)
         for name, shape in (("x", sizes), ("z", ["n", 1, 1, 1]), ("w", [8, 3, 3, 3]))],
        [helper.make_tensor_value_info("s", kind, None)],
        [helper.make_tensor("w", kind, [8, 3, 3, 3], [0.0] * 216)],
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph), path)
    shapes: list[Any] = [
        (2, 3, 8, 8), [(2, 3, 8, 8)], [(2, 3, 8, 8), (2, 1, 1, 1)], {"x": (2, 3, 8, 8)},
    ]  # fmt: skip
    for shape in shapes:
        assert sy.capture(path, input_shape=shape).macs == 2 * MACS
    with pytest.raises(UsageError) as caught:
        sy.capture(path, input_shape=[(2, 3, 8, 8), (2, 1, 1, 1), (1,)])
    assert caught.value.given == "3 input shapes are given for a network with 2 inputs"
    assert caught.value.expected == "shapes of 'x', 'z'"
    with pytest.raises(ShapeError) as shape_error:
        sy.capture(path)
    assert shape_error.value.hint.startswith("input_shape={'x': ")


# ---- memory --------------------------------------------------------------------------------------

BIG = f"""
import time, torch, steelyard as sy
from torch import nn
with torch.device("meta"):
    net = nn.Sequential(*[nn.Linear(16384, 16384, bias=False) for _ in range(38)])
sy.capture(nn.ReLU(), input_shape=(1,))
before = {PEAK_KB}
start = time.process_time()
load = sy.capture(net, input_shape=(1, 16384))
print(load.params, load.macs, {PEAK_KB} - before,
      {PEAK_KB}, time.process_time() - start)
"""


def run(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak")
def test_ten_billion_parameters_fit_in_a_gigabyte() -> None:
    params, macs, grown_kb, total_kb, seconds = run(BIG)
    assert params == macs == 38 * 16384**2 > 10e9
    assert grown_kb < 50_000
    assert total_kb < 1_000_000
    assert seconds < 1


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak")
def test_a_zoo_network_allocates_no_weights() -> None:
    code = f"""
import torch, steelyard as sy
sy.capture("lenet5")
before = {PEAK_KB}
load = sy.capture("vgg16")
print(load.params, {PEAK_KB} - before)
"""
    params, grown_kb = run(code)
    assert params == 138_357_544  # Simonyan & Zisserman 2015, table 2: 138 million
    assert grown_kb < 50_000  # the weights alone are 553,430 kB


def test_the_meta_device_is_left_again() -> None:
    sy.capture("lenet5")
    assert torch.empty(1).device.type == "cpu"
    with pytest.raises(SteelyardError):
        sy.capture("lenet5", input_shape=(1, 7, 3, 3))
    assert torch.empty(1).device.type == "cpu"
