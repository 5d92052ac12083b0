"""The nine real networks in the onnx package, by published numbers and by onnx's own shape inference."""

from __future__ import annotations

import time
from math import prod
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from onnx_files import FLOAT, LIGHT, field, node, shape, varint

from steelyard.capture.onnx import capture_onnx

# ---- the nine real networks ----------------------------------------------------------------------

KNOWN_MACS = {
    # Szegedy et al. 2014 with floor pooling (56 -> 55, 27, 13, 6): the 1430.5 M of Sze et al. 2017,
    # Table II, is the convolutions' part; the classifier adds 1024 x 1000
    "inception_v1": 1_430_532_352 + 1_024_000,
    # He et al. 2015 in the form of Goyal et al. 2017 (stride in the 3x3): torchvision's resnet50
    "resnet50": 4_089_184_256,
    # Iandola et al. 2016, v1.1 at 224 pixels
    "squeezenet": 349_151_936,
    # Simonyan & Zisserman 2014, configuration E
    "vgg19": 19_632_062_464,
    # Huang et al. 2016: torchvision's densenet121
    "densenet121": 2_834_161_664,
    # Krizhevsky et al. 2012 in two groups, 724,406,816 at 227 pixels. This file takes 224, which
    # gives maps of 54, 26, 12 in place of 55, 27, 13 (counted by hand below)
    "bvlc_alexnet": (
        96 * 3 * 11**2 * 54**2
        + 256 * 48 * 5**2 * 26**2
        + (384 * 256 + 384 * 192 + 256 * 192) * 3**2 * 12**2
        + 256 * 6 * 6 * 4096
        + 4096 * 4096
        + 4096 * 1000
    ),
}

KNOWN_PARAMS = {
    "inception_v1": 6_998_552,  # Szegedy et al. 2014 without the auxiliary heads
    "resnet50": 25_557_032,  # torchvision's resnet50
    "squeezenet": 1_235_496,  # forresti/SqueezeNet, v1.1
    "vgg19": 143_667_240,  # Simonyan & Zisserman 2014
    "bvlc_alexnet": 60_965_224,  # Krizhevsky et al. 2012: 60 M
    # torchvision's 7,978,856; this file, from Caffe, scales and shifts once more after every batch
    # norm; two such pairs (64 channels) are initializers, the others constants made by nodes
    "densenet121": 7_978_856 + 2 * 2 * 64,
}

ALL_LIGHT = sorted(path.name[len("light_") : -len(".onnx")] for path in LIGHT.glob("*.onnx"))


def counted_by_onnx(path: Path) -> tuple[int, int]:
    """MACs and weights of the convolutions and Gemms, from onnx's own shape inference."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    graph = model.graph
    shapes = {
        info.name: [d.dim_value for d in info.type.tensor_type.shape.dim]
        for info in [*graph.value_info, *graph.input, *graph.output]
    }
    macs = weights = 0
    for item in graph.node:
        if item.op_type in ("Conv", "Gemm"):
            weight = shapes[item.input[1]]
            weights += prod(weight)
            macs += prod(weight) * (
                prod(shapes[item.output[0]][2:]) if item.op_type == "Conv" else 1
            )
    return macs, weights


def test_the_nine_networks_are_there() -> None:
    assert len(ALL_LIGHT) == 9


@pytest.mark.parametrize("net", ALL_LIGHT)
def test_real_network_agrees_with_onnx_shape_inference(net: str) -> None:
    path = LIGHT / f"light_{net}.onnx"
    load = capture_onnx(path)
    macs, weights = counted_by_onnx(path)
    assert load.macs == macs
    assert sum(n.weights for layer in load.layers for n in layer.nests) == weights
    assert load.coverage.fraction == 1.0
    assert load.warnings == ()
    assert load.source == "onnx"
    assert load.name == f"light_{net}"


@pytest.mark.parametrize("net", sorted(KNOWN_MACS))
def test_real_network_has_the_published_macs(net: str) -> None:
    assert capture_onnx(LIGHT / f"light_{net}.onnx").macs == KNOWN_MACS[net]


@pytest.mark.parametrize("net", sorted(KNOWN_PARAMS))
def test_real_network_has_the_published_parameters(net: str) -> None:
    assert capture_onnx(LIGHT / f"light_{net}.onnx").params == KNOWN_PARAMS[net]


def test_every_intermediate_shape_of_the_real_networks_is_onnx_s_own() -> None:
    for net in ALL_LIGHT:
        path = LIGHT / f"light_{net}.onnx"
        graph = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
        values = [*graph.value_info, *graph.output]
        theirs = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
        load = capture_onnx(path)
        wanted = [
            theirs[n.output[0]] for n in graph.node if n.op_type in ("Conv", "MaxPool", "Gemm")
        ]
        ops = ("onnx.Conv", "onnx.MaxPool", "onnx.Gemm")
        assert [shape(load, layer.outputs[0]) for layer in load.layers if layer.op in ops] == wanted


@pytest.mark.slow
def test_resnet50_is_captured_fast() -> None:
    path = LIGHT / "light_resnet50.onnx"
    capture_onnx(path)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        capture_onnx(path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_large_weights_are_never_read(tmp_path: Path) -> None:
    # the weight's 4 GiB are a hole at the end of the file: reading them would take that much memory
    image = helper.make_tensor_value_info("x", FLOAT, [1, 1024, 32, 32])
    graph = helper.make_graph(
        [node("Conv", ["x", "w"], ["y"])],
        "g",
        [image],
        [helper.make_tensor_value_info("y", FLOAT, None)],
    )
    dims = [1024, 1024, 32, 32]
    size = 4 * prod(dims)
    header = TensorProto(dims=dims, data_type=FLOAT, name="w").SerializeToString()
    header += b"\x4a" + varint(size)  # field 9, raw_data
    body = graph.SerializeToString() + b"\x2a" + varint(len(header) + size) + header  # field 5
    opset = helper.make_opsetid("", 21).SerializeToString()
    start = b"\x08\x0a" + field(8, opset)  # IR version 10
    path = tmp_path / "hole.onnx"
    with path.open("wb") as file:
        file.write(start + b"\x3a" + varint(len(body) + size) + body)  # field 7
        file.truncate(file.tell() + size)
    load = capture_onnx(path)
    assert load.macs == load.params == prod(dims)
