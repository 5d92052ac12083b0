"""Small ONNX files for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from steelyard.capture.onnx import capture_onnx
from steelyard.workload import Workload

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

node = helper.make_node
Dims = Sequence[int | str | None]


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Dims | None],
    outputs: Sequence[str],
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
    *,
    opset: int = 21,
    domains: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
    dtype: int = FLOAT,
) -> onnx.ModelProto:
    """A model whose outputs have no declared shapes, so that nothing can be copied from them."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(k, dtype, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, FLOAT, None) for k in outputs],
        [numpy_helper.from_array(v, k) for k, v in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions))


def write(folder: Path, model: onnx.ModelProto, name: str = "net.onnx") -> Path:
    """The model as a file."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def captured(folder: Path, *args: Any, **options: Any) -> Workload:
    """`build`, `write` and capture."""
    return capture_onnx(write(folder, build(*args, **options)))


def zeros(*shape: int) -> np.ndarray[Any, Any]:
    """Float32 zeros."""
    return np.zeros(shape, np.float32)


def ints(*values: int) -> np.ndarray[Any, Any]:
    """A vector of int64."""
    return np.array(values, np.int64)


def shape(load: Workload, name: str) -> tuple[int, ...]:
    """Shape of a tensor."""
    return load.tensor(name).shape


def varint(value: int) -> bytes:
    """Protobuf's variable-length integer."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(content)) + content
