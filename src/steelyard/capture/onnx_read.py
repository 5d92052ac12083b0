"""Reads an .onnx file into `onnx_model` classes; tensor contents are left on disk.

See `steelyard.capture.onnx_wire` for why this is not done by the ``onnx`` package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.capture.onnx_model import (
    DTYPES,
    Dim,
    Function,
    Graph,
    Model,
    Node,
    Reference,
    Tensor,
    TypeInfo,
    ValueInfo,
    check_dims,
    quoted,
)
from steelyard.capture.onnx_wire import (
    Field,
    Source,
    as_float,
    as_floats,
    as_int,
    as_ints,
    as_text,
    deeper,
    fields,
    span,
    unpack_varints,
)
from steelyard.errors import FileFormatError

SMALL = 4096
"""Tensors of at most this many elements are read when a shape is computed from them."""


def read_model(src: Source) -> Model:
    """The ModelProto that is the whole of the file.

    Raises:
        FileFormatError: it is none.
        TimeLimitError: not read by ``src.deadline``.
    """
    model = Model()
    for entry in fields(src, 0, src.size):
        match entry[0]:
            case 1:
                model.ir_version = as_int(src, entry)
            case 2:
                model.producer = as_text(src, entry)
            case 7:
                model.graph = _graph(src, entry, 1)
            case 8:
                _opset(src, entry, model.opsets)
            case 25:
                model.functions.append(_function(src, entry, 1))
    return model


def _opset(src: Source, entry: Field, into: dict[str, int]) -> None:
    domain, version = "", 0
    for item in fields(src, *span(src, entry)):
        if item[0] == 1:
            domain = as_text(src, item)
        elif item[0] == 2:
            version = as_int(src, item)
    into["" if domain == "ai.onnx" else domain] = version


def _pair(src: Source, entry: Field, into: dict[str, str]) -> None:
    key = value = ""
    for item in fields(src, *span(src, entry)):
        if item[0] == 1:
            key = as_text(src, item)
        elif item[0] == 2:
            value = as_text(src, item)
    into[key] = value


def _graph(src: Source, entry: Field, depth: int) -> Graph:
    depth = deeper(src, entry, depth)
    graph = Graph()
    for item in fields(src, *span(src, entry)):
        match item[0]:
            case 1:
                graph.nodes.append(_node(src, item, depth))
            case 2:
                graph.name = as_text(src, item)
            case 5:
                graph.initializers.append(_tensor(src, item))
            case 11:
                graph.inputs.append(_value_info(src, item, depth))
            case 12:
                graph.outputs.append(_value_info(src, item, depth))
            case 13:
                graph.value_info.append(_value_info(src, item, depth))
            case 15:
                graph.initializers.append(_sparse(src, item))
    return graph


def _function(src: Source, entry: Field, depth: int) -> Function:
    depth = deeper(src, entry, depth)
    function = Function()
    for item in fields(src, *span(src, entry)):
        match item[0]:
            case 1:
                function.name = as_text(src, item)
            case 4:
                function.inputs.append(as_text(src, item))
            case 5:
                function.outputs.append(as_text(src, item))
            case 7:
                function.nodes.append(_node(src, item, depth))
            case 9:
                _opset(src, item, function.opsets)
            case 10:
                function.domain = as_text(src, item)
            case 11:
                name, value = _attribute(src, item, depth)
                function.defaults[name] = value
            case 12:
                function.value_info.append(_value_info(src, item, depth))
            case 13:
                function.overload = as_text(src, item)
    return function


def _node(src: Source, entry: Field, depth: int) -> Node:
    depth = deeper(src, entry, depth)
    node = Node()
    for item in fields(src, *span(src, entry)):
        match item[0]:
            case 1:
                node.inputs.append(as_text(src, item))
            case 2:
                node.outputs.append(as_text(src, item))
            case 3:
                node.name = as_text(src, item)
            case 4:
                node.op = as_text(src, item)
            case 5:
                name, value = _attribute(src, item, depth)
                node.attrs[name] = value
            case 7:
                node.domain = as_text(src, item)
            case 8:
                node.overload = as_text(src, item)
            case 9:
                _pair(src, item, node.metadata)
    return node


_ATTRIBUTE_KINDS = {
    1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors",
    10: "graphs", 11: "sparse", 12: "sparses", 13: "type", 14: "types",
}  # fmt: skip


def _attribute(src: Source, entry: Field, depth: int) -> tuple[str, Any]:
    depth = deeper(src, entry, depth)
    name = reference = ""
    kind = 0
    found: dict[str, Any] = {}
    for item in fields(src, *span(src, entry)):
        match item[0]:
            case 1:
                name = as_text(src, item)
            case 2:
                found["f"] = as_float(src, item)
            case 3:
                found["i"] = as_int(src, item)
            case 4:
                found["s"] = as_text(src, item)
            case 5:
                found["t"] = _tensor(src, item)
            case 6:
                found["g"] = _graph(src, item, depth)
            case 7:
                found.setdefault("floats", []).extend(as_floats(src, item))
            case 8:
                found.setdefault("ints", []).extend(as_ints(src, item))
            case 9:
                found.setdefault("strings", []).append(as_text(src, item))
            case 10:
                found.setdefault("tensors", []).append(_tensor(src, item))
            case 11:
                found.setdefault("graphs", []).append(_graph(src, item, depth))
            case 14:
                found["type"] = _type(src, item, depth)
            case 20:
                kind = as_int(src, item)
            case 21:
                reference = as_text(src, item)
            case 22:
                found["sparse"] = _sparse(src, item)
    if reference:
        return name, Reference(reference)
    return name, _chosen(kind, found)


def _chosen(kind: int, found: dict[str, Any]) -> Any:
    """The value that an attribute's type points at (before IR version 2 none did)."""
    wanted = _ATTRIBUTE_KINDS.get(kind)
    if wanted is None:
        return next(iter(found.values()), None)
    empty: dict[str, Any] = {"f": 0.0, "i": 0, "s": ""}
    return found.get(wanted, empty.get(wanted, [] if wanted.endswith("s") else None))


def _tensor(src: Source, entry: Field) -> Tensor:
    tensor = Tensor()
    dims: list[int] = []
    for item in fields(src, *span(src, entry)):
        match item[0]:
            case 1:
                dims.extend(as_ints(src, item))
            case 2:
                tensor.dtype_code = as_int(src, item)
            case 4 | 5 | 7 | 10 | 11:
                if item[1] == 2:
                    tensor.packed = (item[0], item[2], item[3])
                elif len(tensor.loose) < SMALL:
                    tensor.loose.append(as_int(src, item) if item[1] == 0 else as_float(src, item))
            case 6:
                tensor.strings += 1
            case 8:
                tensor.name = as_text(src, item)
            case 9:
                tensor.raw = span(src, item)
            case 13:
                _pair(src, item, tensor.external)
            case 14:
                tensor.location = as_int(src, item)
    tensor.dims = check_dims(tuple(dims), f"tensor {quoted(tensor.name)}")
    return tensor


def _sparse(src: Source, entry: Field) -> Tensor:
    """A SparseTensorProto as a dense tensor without contents (it is named by its values)."""
    tensor = Tensor()
    dims: list[int] = []
    for item in fields(src, *span(src, entry)):
        if item[0] == 1:
            values = _tensor(src, item)
            tensor.name, tensor.dtype_code = values.name, values.dtype_code
        elif item[0] == 3:
            dims.extend(as_ints(src, item))
    tensor.dims = check_dims(tuple(dims), f"sparse tensor {quoted(tensor.name)}")
    return tensor


def _value_info(src: Source, entry: Field, depth: int) -> ValueInfo:
    info = ValueInfo()
    for item in fields(src, *span(src, entry)):
        if item[0] == 1:
            info.name = as_text(src, item)
        elif item[0] == 2:
            info.type = _type(src, item, depth)
    return info


_TYPE_KINDS = {1: "tensor", 4: "sequence", 5: "map", 7: "opaque", 8: "sparse", 9: "optional"}


def _type(src: Source, entry: Field, depth: int) -> TypeInfo:
    depth = deeper(src, entry, depth)
    info = TypeInfo()
    for item in fields(src, *span(src, entry)):
        if item[0] not in _TYPE_KINDS:
            continue
        info = TypeInfo(_TYPE_KINDS[item[0]])
        for part in fields(src, *span(src, item)):
            if info.kind in ("tensor", "sparse") and part[0] == 1:
                info.dtype_code = as_int(src, part)
            elif info.kind in ("tensor", "sparse") and part[0] == 2:
                info.dims = _shape(src, part)
            elif info.kind in ("sequence", "optional") and part[0] == 1:
                info.element = _type(src, part, depth)
    return info


def _shape(src: Source, entry: Field) -> tuple[Dim, ...]:
    dims: list[Dim] = []
    for item in fields(src, *span(src, entry)):
        if item[0] != 1:
            continue
        size: Dim = None
        for part in fields(src, *span(src, item)):
            if part[0] == 1:
                size = as_int(src, part)
            elif part[0] == 2:
                size = as_text(src, part) or None
        dims.append(size)
    return tuple(dims)


_NUMPY = {
    "float32": "<f4", "float64": "<f8", "float16": "<f2", "int64": "<i8", "int32": "<i4",
    "int16": "<i2", "int8": "i1", "uint64": "<u8", "uint32": "<u4", "uint16": "<u2",
    "uint8": "u1", "bool": "?",
}  # fmt: skip


def contents(src: Source, tensor: Tensor) -> NDArray[Any] | None:
    """The elements of a small tensor that is stored in the file itself, else None.

    Raises:
        FileFormatError: fewer or more elements than its shape says.
    """
    kind = _NUMPY.get(DTYPES.get(tensor.dtype_code, ""))
    count = math.prod(tensor.dims)
    if kind is None or tensor.is_external or count > SMALL:
        return None
    if tensor.raw is not None:
        values = _raw(src, tensor, np.dtype(kind), count)
    elif tensor.packed is not None:
        values = _packed(src, tensor.packed)
    else:
        values = np.array(tensor.loose)
    if values.size != count:
        if not values.size:
            return None  # stripped of its contents: the shape alone is known
        raise FileFormatError(
            f"tensor {quoted(tensor.name)} has {values.size} elements", expected=str(count)
        )
    if tensor.raw is None and kind == "<f2":
        values = values.astype(np.uint16).view(np.float16)
    with np.errstate(all="ignore"):
        return values.astype(kind, copy=False).reshape(tensor.dims)


def _raw(src: Source, tensor: Tensor, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    start, end = tensor.raw or (0, 0)
    if start != end and end - start != count * kind.itemsize:
        raise FileFormatError(
            f"tensor {quoted(tensor.name)} has {end - start} bytes",
            expected=f"{count * kind.itemsize} for its shape and type",
        )
    return np.frombuffer(src.read(start, end), kind)


def _packed(src: Source, where: tuple[int, int, int]) -> NDArray[Any]:
    number, start, end = where
    if number in (4, 10):
        if (end - start) % (4 if number == 4 else 8):
            raise src.damaged(start, f"a list of floats of {end - start} bytes")
        return np.frombuffer(src.read(start, end), "<f4" if number == 4 else "<f8")
    values = unpack_varints(src, start, end)
    if number == 11:
        return np.array([v % (1 << 64) for v in values], np.uint64)
    return np.array(values, np.int64)
