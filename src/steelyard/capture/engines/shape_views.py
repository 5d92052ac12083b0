"""Shape arithmetic for views, and for copies where no view exists (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from steelyard.capture.engines.recorder import DTYPE_NAMES, apply_rule
from steelyard.capture.engines.shape_common import one, remember
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.engines.trace import counted
from steelyard.capture.rules import Call, Operand


def view(op: str) -> Callable[[Any], Fast]:
    """A function that only looks at its tensor in another way; PyTorch itself says which, on meta."""

    def make(func: Any) -> Fast:
        def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            if not args or type(args[0]) is not ShapeTensor or args[0].root:
                return NotImplemented
            x = args[0]
            rest = args[1:]
            if kwargs:  # chunk(2, dim=1)
                if len(rest) != 1 or set(kwargs) != {"dim"}:
                    return NotImplemented
                rest = (*rest, kwargs["dim"])
            if list in map(type, rest):
                rest = tuple([tuple(a) if type(a) is list else a for a in rest])
            key = (func, x.dtype, x.shape, x.strides, rest)
            try:
                known = engine.memo.get(key)
            except TypeError:
                return NotImplemented
            if known is None:
                known = engine.memo[key] = _looked_at(engine, op, func, x, rest)
            if known is NotImplemented or known is None:
                return NotImplemented
            if known is _COPIED:
                return rule(engine, (_copied(engine, "aten.clone", x), *rest), {})
            counts, shapes, several = known
            if counts is None:
                return x
            trace, name = engine.trace, DTYPE_NAMES[x.dtype]
            if not several:
                shape, strides = shapes[0]
                value = trace.value(shape, name, alias=x.value)
                trace.event(op, counts, (x.value,), (value,))
                return engine.make(shape, x.dtype, value, strides)
            values = tuple([trace.value(shape, name, alias=x.value) for shape, _ in shapes])
            trace.event(op, counts, (x.value,), values)
            return tuple(
                [
                    engine.make(shape, x.dtype, value, strides)
                    for value, (shape, strides) in zip(values, shapes, strict=True)
                ]
            )

        return rule

    return make


def _looked_at(
    engine: ShapeEngine, op: str, func: Any, x: ShapeTensor, rest: tuple[Any, ...]
) -> Any:
    """(counts, [(shape, strides)], several) of a view; no counts where the result is ``x`` itself."""
    if not all(type(a) in (int, tuple, torch.Size) for a in rest):
        return NotImplemented
    strides = x.stride() if x.strides is None else x.strides
    meta = torch.empty_strided(x.shape, strides, dtype=x.dtype, device="meta")
    out = func(meta, *rest)
    if out is meta:
        return (None, [], False)
    several = not isinstance(out, torch.Tensor)
    results = list(out) if several else [out]
    if not all(tensor._is_view() for tensor in results):
        return _COPIED if "reshape" in func.__name__ else NotImplemented
    operands = tuple(Operand(tuple(t.shape), DTYPE_NAMES[x.dtype]) for t in results)
    draft = apply_rule(engine.rules, Call(op, (Operand(x.shape), *rest), {}, operands))
    return (
        counted(draft),
        [(t.shape, None if t.is_contiguous() else t.stride()) for t in results],
        several,
    )


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
