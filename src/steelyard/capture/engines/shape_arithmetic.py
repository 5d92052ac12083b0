"""Shape arithmetic for sums, products, differences and quotients of tensors (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from steelyard.capture.engines.shape_common import by_element
from steelyard.capture.engines.shape_strides import broadcast, combined
from steelyard.capture.engines.shape_tensor import FLOATS, ShapeTensor
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Operand

_UNIT = (Operand((1,)),)
"""Any other operand; the operations are as many as the result has elements."""

_NUMBERS = frozenset({int, float})


def arithmetic(op: str, *, inplace: bool = False) -> Fast:
    """``x + y`` of activations, parameters and numbers, at least one an activation, all of one type."""

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs or len(args) != 2:
            return NotImplemented
        x, y = args
        if type(x) is not ShapeTensor:
            if inplace or type(y) is not ShapeTensor:
                return NotImplemented
        elif (
            type(y) is ShapeTensor and x.plain and y.plain and x.shape == y.shape
        ):  # the usual case
            if x.dtype is not y.dtype:
                return NotImplemented
            counts = by_element(engine, op, x.shape, _UNIT)
            if counts is None:
                return NotImplemented
            if inplace:
                return engine.overwrite(op, counts, (x.value, y.value), x)
            return engine.emit(op, counts, (x.value, y.value), x.shape, x.dtype)
        found = _operands(engine, x, y)
        if found is None:
            return NotImplemented
        shapes, strides, inputs, params, dtype = found
        out = broadcast(shapes)
        counts = None if out is None else by_element(engine, op, out, _UNIT)
        if out is None or counts is None:
            return NotImplemented
        if not inplace:
            layout = combined(out, shapes, strides)
            if layout is NotImplemented:
                return layout
            return engine.emit(op, counts, inputs, out, dtype, params, -1, layout)
        if params or out != x.shape:
            return NotImplemented
        return engine.overwrite(op, counts, inputs, x)

    return rule


def _operands(engine: ShapeEngine, *operands: Any) -> Any:
    """(shapes, strides, values of activations, values of parameters, type); None for other operands."""
    shapes: list[tuple[int, ...]] = []
    strides: list[tuple[int, ...] | None] = []
    inputs: list[int] = []
    params: list[int] = []
    dtypes: set[torch.dtype] = set()
    for operand in operands:
        if type(operand) is ShapeTensor:
            if operand.root:
                return None
            shape, dtype, layout = operand.shape, operand.dtype, operand.strides
            inputs.append(operand.value)
        elif isinstance(operand, torch.Tensor):
            owned = engine.owned.get(id(operand))
            if owned is None or not owned[3]:
                return None
            value, shape, dtype, _ = owned
            layout = None
            params.append(value)
        elif type(operand) in _NUMBERS:
            continue
        else:
            return None
        shapes.append(shape)
        strides.append(layout)
        dtypes.add(dtype)
    if len(dtypes) != 1 or not dtypes <= FLOATS:
        return None
    return shapes, strides, tuple(inputs), tuple(params), dtypes.pop()
