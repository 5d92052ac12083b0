"""Shape arithmetic for sums, products, differences and quotients of tensors (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from steelyard.capture.engines.shape_common import by_element
from steelyard.capture.engines.shape_tensor import FLOATS, ShapeTensor, Strides
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.engines.trace import Counted
from steelyard.capture.layout import contiguous_strides
from steelyard.capture.rules import Operand

_UNIT = Operand((1,))
"""Any other operand; the operations are as many as the result has elements."""


def arithmetic(op: str, *, inplace: bool = False) -> Fast:
    """``x + y`` of one type, one of them as large as the result, whose layout the result takes.

    The other may be smaller, or a parameter, and is contiguous then.
    """

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs or len(args) != 2:
            return NotImplemented
        x, y = args
        if type(x) is not ShapeTensor:
            return NotImplemented if inplace else _with_parameter(engine, op, x, y)
        if type(y) is not ShapeTensor:
            if isinstance(y, torch.Tensor):
                return NotImplemented if inplace else _with_parameter(engine, op, y, x)
            return _with_number(engine, op, x, y, inplace=inplace)
        if x.root or y.root or x.dtype is not y.dtype or x.dtype not in FLOATS:
            return NotImplemented
        out = _larger(x.shape, y.shape)
        if out is None or (inplace and out != x.shape):
            return NotImplemented
        strides = None
        if not inplace and not x.strides is y.strides is None:
            strides = _kept(x)
            if strides is NotImplemented or x.strides != y.strides or x.shape != y.shape:
                return NotImplemented
        counts = by_element(engine, op, out, (_UNIT,))
        if counts is None:
            return NotImplemented
        if inplace:
            return engine.overwrite(op, counts, (x.value, y.value), x)
        larger = x if out is x.shape else y
        return _like(engine, op, counts, (x.value, y.value), larger, strides)

    return rule


def _like(
    engine: ShapeEngine,
    op: str,
    counts: Counted,
    inputs: tuple[int, ...],
    x: ShapeTensor,
    strides: Strides,
    params: tuple[int, ...] = (),
) -> ShapeTensor:
    """A result of x's type and shape."""
    made = engine.emit(op, counts, inputs, x.shape, x.dtype, params)
    if strides is None:
        return made
    return engine.make(x.shape, x.dtype, made.value, strides)


def _kept(x: ShapeTensor) -> Any:
    """Strides of what an element-wise function makes of ``x``; NotImplemented where they are not plain.

    The axes keep their order, and gaps are closed (PyTorch's TensorIterator).
    """
    if x.strides is None:
        return None
    if 0 in x.strides or len(set(x.strides)) < len(x.strides):
        return NotImplemented  # an expanded axis; or sizes decide on the order
    made = [0] * len(x.strides)
    step = 1
    for _, axis in sorted(zip(x.strides, range(len(made)), strict=True)):
        made[axis] = step
        step *= x.shape[axis]
    strides = tuple(made)
    if strides == x.strides:
        return strides
    if 1 in x.shape or 0 in x.shape:
        return NotImplemented  # an axis of one place may keep any stride
    return None if strides == contiguous_strides(x.shape) else strides


def _with_parameter(engine: ShapeEngine, op: str, tensor: Any, x: ShapeTensor) -> Any:
    """``scale * x`` with one of the network's own tensors, no larger than ``x``."""
    owned = engine.owned.get(id(tensor))
    if owned is None or type(x) is not ShapeTensor or x.root:
        return NotImplemented
    value, small, dtype, contiguous = owned
    if not contiguous or dtype is not x.dtype or dtype not in FLOATS:
        return NotImplemented
    shape = x.shape
    strides = _kept(x)
    if len(small) > len(shape) or strides is NotImplemented:
        return NotImplemented
    if any(a not in (1, b) for a, b in zip(reversed(small), reversed(shape), strict=False)):
        return NotImplemented
    if x.strides is not None and sum(size > 1 for size in small) > 1:
        return NotImplemented  # both layouts have a say
    counts = by_element(engine, op, shape, (_UNIT,))
    if counts is None:
        return NotImplemented
    return _like(engine, op, counts, (x.value,), x, strides, (value,))


def _with_number(engine: ShapeEngine, op: str, x: ShapeTensor, y: Any, *, inplace: bool) -> Any:
    """``x + 0.5``."""
    if type(y) not in (int, float) or x.root or x.dtype not in FLOATS:
        return NotImplemented
    strides = None if inplace else _kept(x)
    if strides is NotImplemented:
        return NotImplemented
    counts = by_element(engine, op, x.shape, (_UNIT,))
    if counts is None:
        return NotImplemented
    if inplace:
        return engine.overwrite(op, counts, (x.value,), x)
    return _like(engine, op, counts, (x.value,), x, strides)


def _larger(a: torch.Size, b: torch.Size) -> torch.Size | None:
    """The one of two shapes to which the other broadcasts, if there is one."""
    if a == b:
        return a
    if len(a) != len(b):
        return None
    if all(j in (1, i) for i, j in zip(a, b, strict=True)):
        return a
    if all(i in (1, j) for i, j in zip(a, b, strict=True)):
        return b
    return None
