"""Shape arithmetic for views, and for copies where no view exists (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from steelyard.capture.engines.recorder import DTYPE_NAMES
from steelyard.capture.engines.shape_common import by_element, one, remember
from steelyard.capture.engines.shape_strides import (
    LOOKS,
    SEVERAL,
    Look,
    View,
    is_contiguous,
    must_copy,
)
from steelyard.capture.engines.shape_tensor import ShapeTensor, Strides
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.layout import contiguous_strides
from steelyard.capture.rules import Operand

Found = tuple[tuple[int, ...], Strides]
"""Shape of a view, and its strides unless it is contiguous."""


def view(op: str, name: str) -> Fast:
    """A function that only looks at its tensor in another way: one of `LOOKS`."""
    look, several = LOOKS[name], name in SEVERAL

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not args or type(args[0]) is not ShapeTensor:
            return NotImplemented if kwargs or several else _of_parameter(engine, op, look, *args)
        x = args[0]
        if x.root:
            return NotImplemented
        rest = args[1:]
        if kwargs:  # chunk(2, dim=1)
            if len(rest) != 1 or kwargs.keys() != {"dim"}:
                return NotImplemented
            rest = (*rest, kwargs["dim"])
        if list in map(type, rest):
            rest = tuple([tuple(a) if type(a) is list else a for a in rest])
        key = (name, x.shape, x.strides, rest)
        try:
            views = engine.memo.get(key)
        except TypeError:
            return NotImplemented
        if views is None:
            views = engine.memo[key] = _views(x, name, rest)
        if views is NotImplemented:
            return views
        counts = by_element(engine, op, x.shape)
        if counts is None:
            return NotImplemented
        if views is _COPIED:
            return rule(engine, (_copied(engine, "aten.clone", x), *rest), {})
        if not several:
            shape, strides = views[0]
            return engine.emit(op, counts, (x.value,), shape, x.dtype, (), x.value, strides)
        trace, dtype = engine.trace, DTYPE_NAMES[x.dtype]
        values = tuple([trace.value(shape, dtype, alias=x.value) for shape, _ in views])
        trace.event(op, counts, (x.value,), values)
        return tuple(
            [
                engine.make(shape, x.dtype, value, strides)
                for value, (shape, strides) in zip(values, views, strict=True)
            ]
        )

    return rule


def _of_parameter(engine: ShapeEngine, op: str, look: Look, *args: Any) -> Any:
    """A view of a parameter is that parameter, looked at in another way: no layer."""
    owned = engine.owned.get(id(args[0])) if args else None
    if owned is None or not owned[3] or not all(type(a) is int for a in args[1:]):
        return NotImplemented
    value, shape, dtype, _ = owned
    views = look(tuple(shape), contiguous_strides(shape), *args[1:])
    if views is None or by_element(engine, op, shape) is None:
        return NotImplemented
    seen, strides = _found(views[0])
    role = engine.trace.values[value].role
    made = engine.trace.value(seen, DTYPE_NAMES[dtype], role, alias=value, root=value)
    return engine.make(seen, dtype, made, strides, root=True)


def _views(x: ShapeTensor, name: str, rest: tuple[Any, ...]) -> Any:
    """The views that the function makes of ``x``, or `_COPIED`, or NotImplemented."""
    if not all(type(a) in _PLAIN for a in rest) or len(rest) > _MOST.get(name, 9):
        return NotImplemented
    shape = tuple(x.shape)
    strides = contiguous_strides(shape) if x.strides is None else x.strides
    found = LOOKS[name](shape, strides, *rest)
    if found is not None:
        return tuple([_found(seen) for seen in found])
    return _COPIED if name == "reshape" and must_copy(shape, strides, *rest) else NotImplemented


_PLAIN = frozenset({int, tuple, torch.Size})
_MOST = {
    "transpose": 2, "unsqueeze": 1, "squeeze": 1, "select": 2, "unflatten": 2, "chunk": 2, "unbind": 1
}  # fmt: skip
"""How many arguments a function takes at most, where it is not as many as there are axes."""


def _found(seen: View) -> Found:
    shape, strides = seen
    return torch.Size(shape), None if is_contiguous(shape, strides) else strides


_COPIED = object()
"""Stands for a reshape that has to copy first."""


def _copied(engine: ShapeEngine, op: str, x: ShapeTensor) -> ShapeTensor:
    """A contiguous copy of the same shape."""
    known = engine.memo.get(key := (op, x.dtype, x.shape))
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape)])
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


def contiguous(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.contiguous()``."""
    if len(args) != 1 or kwargs or type(args[0]) is not ShapeTensor or args[0].root:
        return NotImplemented
    return args[0] if args[0].strides is None else _copied(engine, "aten.clone", args[0])


def roll(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``torch.roll(x, ...)``."""
    x = one(args[:1])
    return NotImplemented if x is None else _copied(engine, "aten.roll", x)
