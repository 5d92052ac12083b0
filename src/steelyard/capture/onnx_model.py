"""What is kept of an ONNX file: graphs, nodes, attributes and the headers of tensors, without weights.

The classes mirror the messages of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto);
`steelyard.capture.onnx_wire` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard.capture.builder import safe_name
from steelyard.errors import FileFormatError

NEWEST_OPSET = 28
"""The newest version of the ai.onnx operator set whose operators the rules know."""

OLDEST_OPSET = 7
"""Older operator sets broadcast in another way; their files are read by the rules of this one."""

DTYPES: dict[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8_e4m3fn",
    18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
    27: "float6_e2m3", 28: "float6_e3m2",
}  # fmt: skip
"""TensorProto.DataType -> our name."""

MAX_DIM = 2**31 - 1
MAX_ELEMENTS = 2**62

Dim = int | str | None
"""A size, the name of a symbolic size, or nothing known."""


@dataclass(slots=True)
class Tensor:
    """A TensorProto: its header, and where in the file its elements are."""

    name: str = ""
    dims: tuple[int, ...] = ()
    dtype_code: int = 0
    raw: tuple[int, int] | None = None
    packed: tuple[int, int, int] | None = None  # (field number, start, end)
    loose: list[int | float] = field(default_factory=list)
    strings: int = 0
    location: int = 0
    external: dict[str, str] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        """Our name of the element type.

        Raises:
            FileFormatError: the file names none that is known.
        """
        return dtype_name(self.dtype_code, f"tensor {quoted(self.name)}")

    @property
    def is_external(self) -> bool:
        """The elements are in another file."""
        return self.location == 1


@dataclass(slots=True)
class TypeInfo:
    """A TypeProto: ``kind`` is tensor, sequence, optional, map, sparse, opaque or "" (none given)."""

    kind: str = ""
    dtype_code: int = 0
    dims: tuple[Dim, ...] | None = None
    element: TypeInfo | None = None


@dataclass(slots=True)
class ValueInfo:
    """A ValueInfoProto: the declared type of a named value."""

    name: str = ""
    type: TypeInfo = field(default_factory=TypeInfo)


@dataclass(slots=True)
class Reference:
    """An attribute of a function's node that takes its value from the calling node."""

    name: str


@dataclass(slots=True)
class Node:
    """A NodeProto. ``attrs`` hold int, float, str, Tensor, Graph, TypeInfo, Reference or lists of them."""

    op: str = ""
    domain: str = ""
    name: str = ""
    overload: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def full_op(self) -> str:
        """The operator as rules name it: ``onnx.Conv``, ``com.microsoft.Gelu``."""
        return f"{'onnx' if self.domain in ('', 'ai.onnx') else self.domain}.{self.op}"

    @property
    def label(self) -> str:
        """The node as error messages name it."""
        first = next((name for name in self.outputs if name), "")
        who = quoted(self.name) if self.name else f"that writes {quoted(first)}"
        return f"node {who} ({safe_name(self.full_op)})"


@dataclass(slots=True)
class Graph:
    """A GraphProto; sparse initializers are listed with the dense ones."""

    name: str = ""
    nodes: list[Node] = field(default_factory=list)
    initializers: list[Tensor] = field(default_factory=list)
    inputs: list[ValueInfo] = field(default_factory=list)
    outputs: list[ValueInfo] = field(default_factory=list)
    value_info: list[ValueInfo] = field(default_factory=list)


@dataclass(slots=True)
class Function:
    """A FunctionProto: an operator defined in the file by other operators."""

    name: str = ""
    domain: str = ""
    overload: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    value_info: list[ValueInfo] = field(default_factory=list)
    opsets: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Model:
    """A ModelProto."""

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    graph: Graph | None = None
    functions: list[Function] = field(default_factory=list)

    def function_table(self) -> Mapping[tuple[str, str, str], Function]:
        """Functions by (domain, name, overload)."""
        return {(f.domain, f.name, f.overload): f for f in self.functions}


def dtype_name(code: int, who: str) -> str:
    """Our name of an element type.

    Raises:
        FileFormatError: ``code`` is none of TensorProto.DataType.
    """
    if code in DTYPES:
        return DTYPES[code]
    raise FileFormatError(
        f"{who} has element type {code}, which ONNX does not define", expected="1 to 28"
    )


def check_dims(dims: tuple[int, ...], who: str) -> tuple[int, ...]:
    """``dims`` if every size and their product can be the shape of a tensor.

    Raises:
        FileFormatError: a negative or overflowing size.
    """
    count = 1
    for size in dims:
        if not 0 <= size <= MAX_DIM:
            raise FileFormatError(
                f"{who} has dimension {size}", expected=f"sizes from 0 to {MAX_DIM}"
            )
        count *= size
        if count > MAX_ELEMENTS:
            raise FileFormatError(
                f"{who} has shape {short(dims)}: more elements than 64-bit indices can count"
            )
    if len(dims) > 64:
        raise FileFormatError(f"{who} has {len(dims)} dimensions", expected="at most 64")
    return dims


def short(dims: tuple[object, ...]) -> str:
    """A shape for a message, cut after 8 sizes."""
    text = ", ".join(safe_name(str(d)) for d in dims[:8])
    return f"({text}, ...)" if len(dims) > 8 else f"({text})"


def quoted(name: str) -> str:
    """A name from a file, safe to print, in quotes."""
    return repr(safe_name(name))
