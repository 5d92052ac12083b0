"""Our reader of ONNX's bytes against the onnx package's: names, attributes, shapes and numbers are the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx_files import LIGHT

from steelyard.capture.onnx_model import DTYPES, Graph, Tensor
from steelyard.capture.onnx_read import contents, read_model
from steelyard.capture.onnx_wire import Source
from steelyard.workload import DTYPE_BITS


@contextmanager
def source(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        yield Source(file, path.name, time.monotonic() + 60)


def assert_same_attribute(ours: Any, theirs: onnx.AttributeProto) -> None:
    value = helper.get_attribute_value(theirs)
    if isinstance(value, onnx.TensorProto):
        assert isinstance(ours, Tensor)
        assert (ours.dims, ours.dtype_code) == (tuple(value.dims), value.data_type)
    elif isinstance(value, onnx.GraphProto):
        assert_same_graph(ours, value)
    elif isinstance(value, bytes):
        assert ours == value.decode()
    else:
        assert ours == value


def assert_same_graph(ours: Graph, theirs: onnx.GraphProto) -> None:
    for mine, other in zip(ours.nodes, theirs.node, strict=True):
        assert (mine.op, mine.domain, mine.name) == (other.op_type, other.domain, other.name)
        assert (mine.inputs, mine.outputs) == (list(other.input), list(other.output))
        assert list(mine.attrs) == [a.name for a in other.attribute]
        for attribute in other.attribute:
            assert_same_attribute(mine.attrs[attribute.name], attribute)
    for tensor, stored in zip(ours.initializers, theirs.initializer, strict=True):
        assert (tensor.name, tensor.dims) == (stored.name, tuple(stored.dims))
    for info, declared in zip(
        [*ours.inputs, *ours.outputs], [*theirs.input, *theirs.output], strict=True
    ):
        dims = declared.type.tensor_type.shape.dim
        wanted = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in dims
        )
        assert (info.name, info.type.dims) == (declared.name, wanted)


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_real_files(path: Path) -> None:
    theirs = onnx.load(path)
    with source(path) as src:
        ours = read_model(src)
        assert ours.opsets == {o.domain: o.version for o in theirs.opset_import}
        assert ours.ir_version == theirs.ir_version
        assert ours.graph is not None
        assert_same_graph(ours.graph, theirs.graph)
        pairs = zip(ours.graph.initializers, theirs.graph.initializer, strict=True)
        for tensor, stored in list(pairs)[:50]:
            np.testing.assert_array_equal(contents(src, tensor), numpy_helper.to_array(stored))


NUMBERS = ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"]  # fmt: skip


@given(
    kind=st.sampled_from(NUMBERS),
    values=st.lists(st.integers(-(2**63), 2**64 - 1), max_size=20),
    raw=st.booleans(),
)
def test_numbers_of_every_type(tmp_path_factory: pytest.TempPathFactory, kind: str, values: list[int], raw: bool) -> None:  # fmt: skip
    with np.errstate(over="ignore"):  # a float16 becomes infinite
        array = np.array([v % 2**64 for v in values], np.uint64).astype(kind)
    code = helper.np_dtype_to_tensor_dtype(array.dtype)
    if raw:
        tensor = numpy_helper.from_array(array, "t")
    else:
        tensor = helper.make_tensor("t", code, array.shape, array)
    graph = helper.make_graph([], "g", [], [], [tensor])
    model = helper.make_model(graph)
    path = tmp_path_factory.getbasetemp() / "numbers.onnx"
    path.write_bytes(model.SerializeToString())
    with source(path) as src:
        read = read_model(src).graph
        assert read is not None
        ours = contents(src, read.initializers[0])
    assert ours is not None
    np.testing.assert_array_equal(ours, array)
    assert DTYPES[code] == kind


def test_every_element_type_has_a_size() -> None:
    assert set(DTYPES.values()) <= set(DTYPE_BITS)
