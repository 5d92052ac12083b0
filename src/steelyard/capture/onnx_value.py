"""`Value` (a tensor on its way through an ONNX graph) and `Site` (a node with its resolved operands)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from numpy.typing import NDArray

from steelyard.capture.onnx_model import Node, short
from steelyard.capture.rules import Operand
from steelyard.errors import ShapeError

Shape = tuple[int, ...]
Result = tuple[Shape, str]
"""Shape and dtype of one output."""


class SizeUnknownError(Exception):
    """A result's shape depends on tensor contents that the file does not fix (internal)."""


@dataclass(slots=True, eq=False)
class Stored:
    """A tensor that the file stores or makes from nothing: an initializer or a constant.

    Attributes:
        given: it is an initializer, not a constant made by a node.
        role: decided by the layers that read it.
        tensor: its name in the workload, once it has one.
    """

    name: str
    shape: Shape
    dtype: str
    given: bool
    role: str = ""
    tensor: str = ""


@dataclass(slots=True, eq=False)
class Value:
    """A tensor or sequence.

    Attributes:
        data: its elements, where they are few and fixed by the file.
        stored: the stored tensors that it is made of, if it depends on nothing else.
        fixed: it does not depend on the network's inputs.
        items: the entries of a sequence, or the content of an optional.
        sure: False where the shape was assumed for lack of a rule.
        tensor: its name in the workload, once it has one.
    """

    shape: Shape = ()
    dtype: str = "float32"
    data: NDArray[Any] | None = None
    stored: tuple[Stored, ...] = ()
    fixed: bool = False
    items: list[Value] | None = None
    sure: bool = True
    tensor: str = ""

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def operand(self) -> Operand:
        """The value as a rule sees it."""
        return Operand(self.shape, self.dtype, None, bool(self.stored))


@dataclass(slots=True)
class Site:
    """A node with its operands: what the shape and folding functions are given.

    Attributes:
        inputs: None where an optional input is left out.
        attrs: attributes with references to a function's caller resolved.
        opset: version of the operator set that holds here.
        count: number of outputs asked for.
    """

    node: Node
    inputs: list[Value | None]
    attrs: Mapping[str, Any]
    opset: int
    count: int
    declared: dict[int, Result] = field(default_factory=dict)

    def has(self, index: int) -> bool:
        """The input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """The input at ``index``.

        Raises:
            ShapeError: there is none.
        """
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise ShapeError(f"input {index} is missing")
        return found

    def shape(self, index: int, *, rank: int | None = None, at_least: int = 0) -> Shape:
        """Shape of the input at ``index``.

        Raises:
            ShapeError: missing or of another rank.
        """
        shape = self.value(index).shape
        if (rank is not None and len(shape) != rank) or len(shape) < at_least:
            wanted = f"{rank} dimensions" if rank is not None else f"at least {at_least} dimensions"
            raise ShapeError(f"input {index} has shape {short(shape)}", expected=wanted)
        return shape

    def dtype(self, index: int = 0) -> str:
        """Dtype of the input at ``index``."""
        return self.value(index).dtype

    def const(self, index: int) -> NDArray[Any] | None:
        """Elements of an optional input; None where it is left out.

        Raises:
            SizeUnknownError: it is there and its elements are not fixed by the file.
        """
        if not self.has(index):
            return None
        data = self.value(index).data
        if data is None:
            raise SizeUnknownError(f"input {index} is computed from data")
        return data

    def int_list(self, index: int, name: str) -> list[int] | None:
        """Integers given as an input (newer opsets) or as an attribute (older ones), else None."""
        data = self.const(index)
        if data is not None:
            return [int(v) for v in data.reshape(-1)]
        value = self.attrs.get(name)
        if value is None:
            return None
        if isinstance(value, int):
            return [value]
        return self.ints(name)

    def ints(self, name: str) -> list[int] | None:
        """A list attribute, None where absent.

        Raises:
            ShapeError: it is something else.
        """
        value = self.attrs.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(v, int) for v in value):
            raise ShapeError(f"attribute {name} is {str(value)[:80]}", expected="integers")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute ("" and other types give the default)."""
        value = self.attrs.get(name)
        return value if isinstance(value, str) and value else default

    def axis(self, name: str, default: int, rank: int) -> int:
        """An axis attribute, made non-negative.

        Raises:
            ShapeError: outside the rank.
        """
        return axis_of(self.int(name, default), rank)

    def int(self, name: str, default: int) -> int:
        """An integer attribute.

        Raises:
            ShapeError: it is something else.
        """
        value = self.attrs.get(name)
        if value is None:
            return default
        if not isinstance(value, int):
            raise ShapeError(f"attribute {name} is {str(value)[:80]}", expected="an integer")
        return value


def axis_of(axis: int, rank: int) -> int:
    """``axis`` counted from the front.

    Raises:
        ShapeError: outside ``rank``.
    """
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} of a tensor of {rank} dimensions")
    return axis % rank


def broadcast(*shapes: Shape) -> Shape:
    """NumPy's broadcasting.

    Raises:
        ShapeError: the shapes do not fit.
    """
    out: list[int] = []
    for i in range(1, max((len(s) for s in shapes), default=0) + 1):
        size = 1
        for shape in shapes:
            here = shape[-i] if i <= len(shape) else 1
            if size == 1:
                size = here
            elif here not in (1, size):
                given = " and ".join(short(s) for s in shapes)
                raise ShapeError(f"shapes {given} do not broadcast")
        out.append(size)
    return tuple(reversed(out))


def is_shape_operand(value: Value) -> bool:
    """A single number, or small integers: part of what the operator is, not data that it reads."""
    return value.numel == 1 or (value.data is not None and value.data.dtype.kind in "iub")


def argument(value: Value | None) -> object:
    """A node's input as rules see it."""
    if value is None:
        return None
    return [v.operand() for v in value.items] if value.items is not None else value.operand()
