"""Random mutants of three ONNX files: only errors of ours, each within 5 s, all within 1 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_onnx import mutant
from onnx import TensorProto, helper
from onnx_files import FLOAT, INT64, LIGHT, build, ints, node, write, zeros

from steelyard.capture.onnx import capture_onnx

PROGRAM = Path(__file__).with_name("fuzz_onnx.py")


def control(folder: Path) -> Path:
    """If, Loop, Scan, sequences, a function, and shape arithmetic."""
    info = helper.make_tensor_value_info
    boolean = TensorProto.BOOL
    cheap = helper.make_graph([node("Relu", ["c"], ["p"])], "a", [], [info("p", FLOAT, None)])
    dear = helper.make_graph([node("MatMul", ["c", "w"], ["q"])], "b", [], [info("q", FLOAT, None)])
    body = helper.make_graph(
        [node("MatMul", ["h", "w"], ["h2"]), node("Identity", ["go"], ["go2"])],
        "loop",
        [info("i", INT64, []), info("go", boolean, []), info("h", FLOAT, None)],
        [info("go2", boolean, []), info("h2", FLOAT, None), info("h2", FLOAT, None)],
    )
    step = helper.make_graph(
        [node("Add", ["s", "e"], ["s2"])],
        "scan",
        [info("s", FLOAT, [8]), info("e", FLOAT, [8])],
        [info("s2", FLOAT, [8]), info("s2", FLOAT, [8])],
    )
    opset = [helper.make_opsetid("", 21)]
    inner = [node("Gelu", ["a"], ["b"]), node("Softmax", ["b"], ["z"])]
    function = helper.make_function("mine", "Block", ["a"], ["z"], inner, opset)
    nodes = [
        node("Shape", ["x"], ["dims"]),
        node("Gather", ["dims", "i0"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Concat", ["n1", "minus"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["c"]),
        node("ReduceMax", ["c", "axis"], ["top"], keepdims=0),
        node("ReduceMax", ["top"], ["all"], keepdims=0),
        node("Cast", ["all"], ["choice"], to=boolean),
        node("If", ["choice"], ["f"], then_branch=cheap, else_branch=dear),
        node("Loop", ["three", "yes", "f"], ["l", "steps"], body=body),
        node("Scan", ["start", "l"], ["last", "every"], body=step, num_scan_inputs=1),
        node("SplitToSequence", ["every", "two"], ["parts"], axis=0),
        node("SequenceAt", ["parts", "zero"], ["part"]),
        node("Block", ["part"], ["block"], domain="mine"),
        node("Slice", ["block", "axis", "minus", "axis"], ["y"]),
    ]
    weights = {
        "i0": np.array(0), "axis": ints(0), "minus": ints(-1), "w": zeros(8, 8), "start": zeros(8),
        "three": np.array(3), "yes": np.array(True), "two": np.array(2), "zero": np.array(0),
    }  # fmt: skip
    model = build(
        nodes, {"x": [4, 2, 4]}, ["y", "steps", "last"], weights, domains=["mine"],
        functions=[function],
    )  # fmt: skip
    return write(folder, model, "control.onnx")


def layers(folder: Path) -> Path:
    """One of many kinds of layer, quantised ones among them."""
    nodes = [
        node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2], dilations=[1, 1]),
        node("BatchNormalization", ["a", "v4", "v4", "v4", "v4"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("ConvTranspose", ["c", "t"], ["d"], strides=[2, 2], group=2),
        node("Resize", ["d", "", "scales"], ["e"], mode="linear"),
        node("QuantizeLinear", ["e", "one", "z8"], ["q"]),
        node("QLinearConv", ["q", "one", "z8", "w8", "one", "z8", "one", "z8"], ["q2"]),
        node("DequantizeLinear", ["q2", "one", "z8"], ["f"]),
        node("Pad", ["f", "pads"], ["g"]),
        node("Flatten", ["g"], ["h"], axis=2),
        node("Unsqueeze", ["h", "axis"], ["i"]),
        node("LSTM", ["i", "lw", "lr"], ["j"], hidden_size=5),
        node("Squeeze", ["j", "axis"], ["k"]),
        node("Einsum", ["k", "k"], ["l"], equation="nbh,nbk->nhk"),
        node("TopK", ["l", "k2"], ["m", "idx"]),
        node("LayerNormalization", ["m", "v2"], ["n"]),
        node("Expand", ["n", "wide"], ["o"]),
        node("Attention", ["o", "o", "o"], ["p"], q_num_heads=1, kv_num_heads=1),
        node("Gemm", ["p2", "fc"], ["r"], transB=1),
        node("OneHot", ["idx", "five", "v2"], ["y"]),
    ]
    nodes.insert(18, node("Reshape", ["p", "flat"], ["p2"]))
    u8 = np.uint8
    weights = {
        "w": zeros(4, 3, 3, 3), "v4": zeros(4), "t": zeros(4, 2, 2, 2), "v2": zeros(2),
        "scales": np.array([1, 1, 2, 2], np.float32), "one": np.array(1, np.float32),
        "z8": np.array(0, u8), "w8": np.zeros((2, 4, 1, 1), u8), "k2": ints(2), "fc": zeros(3, 2),
        "pads": ints(0, 0, 1, 1, 0, 0, 1, 1), "lw": zeros(1, 20, 324), "lr": zeros(1, 20, 5),
        "axis": ints(1), "wide": ints(1, 5, 2), "flat": ints(-1, 2), "five": np.array(5),
    }  # fmt: skip
    model = build(nodes, {"x": [1, 3, 15, 15]}, ["r", "y"], weights, opset=23)
    return write(folder, model, "layers.onnx")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("originals")
    return [LIGHT / "light_squeezenet.onnx", control(folder), layers(folder)]


def _fuzz(original: Path, folder: Path, first: int, count: int) -> dict[str, Any]:
    data = original.read_bytes()
    for seed in range(first, first + count):
        (folder / f"{seed}.onnx").write_bytes(mutant(data, seed))
    before = sorted(folder.iterdir())
    command = [sys.executable, str(PROGRAM), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["read"] + result["refused"] == count
    # mutants that all fail, or all pass, would prove little
    assert result["read"] > count // 20 and result["refused"] > count // 5
    assert result["slowest"] < 5
    assert result["peak"] < 10**9
    assert sorted(folder.iterdir()) == before
    return result


def test_the_originals_are_read(originals: list[Path]) -> None:
    for path in originals:
        assert capture_onnx(path).coverage.fraction == 1.0


@pytest.mark.parametrize("which", [0, 1, 2])
def test_mutants(originals: list[Path], tmp_path: Path, which: int) -> None:
    assert _fuzz(originals[which], tmp_path, first=0, count=60)["wrong"] == []


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1, 2])
def test_many_mutants(originals: list[Path], tmp_path: Path, which: int) -> None:
    assert _fuzz(originals[which], tmp_path, first=1000, count=700)["wrong"] == []
