"""Shape arithmetic for the commonest functions: arithmetic, products, views, copies (see `shape_layers`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from steelyard.capture.engines.recorder import DTYPE_NAMES, apply_rule
from steelyard.capture.engines.shape_common import FLOATS, one, owned_params, remember
from steelyard.capture.engines.shape_layers import (
    activation_function,
    dropout_function,
    flatten,
    linear_layer,
)
from steelyard.capture.engines.shape_pools import (
    adaptive_function,
    avg_pool2d_function,
    max_pool2d_function,
)
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Call, Operand


def _arithmetic(op: str, *, inplace: bool = False) -> Fast:
    """``x + y``: both contiguous, of one type, and one of them as large as the result."""

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs or len(args) != 2:
            return NotImplemented
        x, y = args
        if type(x) is not ShapeTensor:
            return NotImplemented
        if type(y) is not ShapeTensor:
            return _with_number(engine, op, x, y, inplace=inplace)
        if x.strides is not None or y.strides is not None or x.root or y.root:
            return NotImplemented
        if x.dtype is not y.dtype or x.dtype not in FLOATS:
            return NotImplemented
        out = _larger(x.shape, y.shape)
        if out is None or (inplace and out != x.shape):
            return NotImplemented
        key = (op, x.dtype, x.shape, y.shape)
        known = engine.memo.get(key)
        if known is None:
            known = remember(engine, key, out, lambda: [Operand(x.shape), Operand(y.shape)])
        if inplace:
            return engine.overwrite(op, known[1], (x.value, y.value), x)
        return engine.emit(op, known[1], (x.value, y.value), out, x.dtype)

    return rule


def _with_number(engine: ShapeEngine, op: str, x: ShapeTensor, y: Any, *, inplace: bool) -> Any:
    """``x + 0.5``."""
    if type(y) not in (int, float) or x.strides is not None or x.root or x.dtype not in FLOATS:
        return NotImplemented
    key = (op, x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape), y])
    if inplace:
        return engine.overwrite(op, known[1], (x.value,), x)
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


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


def _cat(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``torch.cat(tensors, dim)``."""
    if not args or len(args) > 2 or not set(kwargs) <= {"dim"}:
        return NotImplemented
    tensors = args[0]
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    if type(tensors) not in (list, tuple) or not tensors or type(dim) is not int:
        return NotImplemented
    first = tensors[0]
    for tensor in tensors:
        if type(tensor) is not ShapeTensor or tensor.strides is not None or tensor.root:
            return NotImplemented
        if tensor.dtype is not first.dtype:
            return NotImplemented
    shape = first.shape
    rank = len(shape)
    if rank < 2 or not -rank <= dim < rank:
        return NotImplemented
    dim %= rank
    total = 0
    for tensor in tensors:
        other = tensor.shape
        if other[:dim] != shape[:dim] or other[dim + 1 :] != shape[dim + 1 :]:
            return NotImplemented
        total += other[dim]
    out = (*shape[:dim], total, *shape[dim + 1 :])
    key = ("aten.cat", first.dtype, out, dim, len(tensors))
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, out, lambda: [[Operand(t.shape) for t in tensors], dim])
    values = tuple(tensor.value for tensor in tensors)
    return engine.emit("aten.cat", known[1], values, known[0], first.dtype)


def _flatten_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = one(args[:1])
    if x is None or len(args) > 3 or not set(kwargs) <= {"start_dim", "end_dim"}:
        return NotImplemented
    start = args[1] if len(args) > 1 else kwargs.get("start_dim", 0)
    end = args[2] if len(args) > 2 else kwargs.get("end_dim", -1)
    return flatten(engine, x, start, end)


def _view(op: str) -> Callable[[Any], Fast]:
    """A function that only looks at its tensor in another way; PyTorch itself says which, on meta."""

    def make(func: Any) -> Fast:
        def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            if not args or type(args[0]) is not ShapeTensor or args[0].root or kwargs:
                return NotImplemented
            x = args[0]
            rest = tuple(tuple(a) if type(a) is list else a for a in args[1:])
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
                x = _copied(engine, "aten.clone", x)
                return rule(engine, (x, *rest), kwargs)
            draft, shapes, several = known
            if draft is None:
                return x
            trace, name = engine.trace, DTYPE_NAMES[x.dtype]
            values = tuple(trace.value(shape, name, alias=x.value) for shape, _ in shapes)
            trace.event(op, draft, (x.value,), values)
            made = tuple(
                engine.make(shape, x.dtype, value, strides)
                for value, (shape, strides) in zip(values, shapes, strict=True)
            )
            return made if several else made[0]

        return rule

    return make


def _looked_at(
    engine: ShapeEngine, op: str, func: Any, x: ShapeTensor, rest: tuple[Any, ...]
) -> Any:
    """(draft, [(shape, strides)], several) of a view; no draft where the result is ``x`` itself."""
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
        draft,
        [(t.shape, None if t.is_contiguous() else t.stride()) for t in results],
        several,
    )


_COPIED = object()
"""Stands for a reshape that has to copy first."""


def _copied(engine: ShapeEngine, op: str, x: ShapeTensor) -> ShapeTensor:
    """A contiguous copy of the same shape."""
    key = (op, x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape)])
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


def _contiguous(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if len(args) != 1 or kwargs or type(args[0]) is not ShapeTensor or args[0].root:
        return NotImplemented
    return args[0] if args[0].strides is None else _copied(engine, "aten.clone", args[0])


def _roll(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = one(args[:1])
    return NotImplemented if x is None else _copied(engine, "aten.roll", x)


def _linear_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.linear(x, weight, bias)`` with the network's own weights."""
    x = one(args[:1])
    bias = args[2] if len(args) == 3 else kwargs.get("bias")
    if x is None or not 2 <= len(args) <= 3 or not set(kwargs) <= {"bias"}:
        return NotImplemented
    params = owned_params(engine, args[1], bias)
    return linear_layer(engine, x, params)


def _matmul(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``a @ b`` of contiguous activations with equal leading dimensions."""
    if kwargs or len(args) != 2 or type(args[1]) is not ShapeTensor:
        return NotImplemented
    a, b = one(args[:1]), one(args[1:])
    if a is None or b is None or a.dtype is not b.dtype:
        return NotImplemented
    left, right = a.shape, b.shape
    if len(left) < 2 or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return NotImplemented
    key = ("aten.matmul", a.dtype, left, right)
    known = engine.memo.get(key)
    if known is None:
        out = (*left[:-1], right[-1])
        known = remember(engine, key, out, lambda: [Operand(left), Operand(right)])
    return engine.emit("aten.matmul", known[1], (a.value, b.value), known[0], a.dtype)


def _softmax(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = one(args[:1])
    dim = args[1] if len(args) == 2 else kwargs.get("dim")
    if x is None or len(args) > 2 or not set(kwargs) <= {"dim"} or type(dim) is not int:
        return NotImplemented
    if not x.shape or not -len(x.shape) <= dim < len(x.shape):
        return NotImplemented
    key = ("aten.softmax", x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape), dim])
    return engine.emit("aten.softmax", known[1], (x.value,), x.shape, x.dtype)


def _mean(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.mean(dims, keepdim)``."""
    x = one(args[:1])
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    keep = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if x is None or len(args) > 3 or not set(kwargs) <= {"dim", "keepdim"}:
        return NotImplemented
    axes = (dims,) if type(dims) is int else dims
    rank = len(x.shape)
    if type(axes) not in (tuple, list) or not axes or any(not -rank <= i < rank for i in axes):
        return NotImplemented
    gone = {i % rank for i in axes}
    if len(gone) < len(axes):
        return NotImplemented  # PyTorch refuses an axis named twice
    key = ("aten.mean", x.dtype, x.shape, tuple(sorted(gone)), bool(keep))
    known = engine.memo.get(key)
    if known is None:
        out = [1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone]
        known = remember(engine, key, tuple(out), lambda: [Operand(x.shape), axes, keep])
    return engine.emit("aten.mean", known[1], (x.value,), known[0], x.dtype)


_TENSOR = torch.Tensor

FUNCTIONS: dict[Any, Fast] = {
    F.relu: activation_function("aten.relu"),
    torch.relu: activation_function("aten.relu"),
    torch.relu_: activation_function("aten.relu", inplace=True),
    _TENSOR.relu: activation_function("aten.relu"),
    _TENSOR.relu_: activation_function("aten.relu", inplace=True),
    F.silu: activation_function("aten.silu"),
    F.gelu: activation_function("aten.gelu"),
    torch.sigmoid: activation_function("aten.sigmoid"),
    _TENSOR.sigmoid: activation_function("aten.sigmoid"),
    F.dropout: dropout_function,
    torch.add: _arithmetic("aten.add"),
    _TENSOR.add: _arithmetic("aten.add"),
    _TENSOR.__add__: _arithmetic("aten.add"),
    _TENSOR.add_: _arithmetic("aten.add_", inplace=True),
    _TENSOR.__iadd__: _arithmetic("aten.add_", inplace=True),
    torch.mul: _arithmetic("aten.mul"),
    _TENSOR.mul: _arithmetic("aten.mul"),
    _TENSOR.__mul__: _arithmetic("aten.mul"),
    torch.sub: _arithmetic("aten.sub"),
    _TENSOR.sub: _arithmetic("aten.sub"),
    _TENSOR.__sub__: _arithmetic("aten.sub"),
    torch.div: _arithmetic("aten.div"),
    _TENSOR.div: _arithmetic("aten.div"),
    _TENSOR.__truediv__: _arithmetic("aten.div"),
    torch.cat: _cat,
    torch.roll: _roll,
    _TENSOR.roll: _roll,
    _TENSOR.contiguous: _contiguous,
    F.linear: _linear_function,
    torch.matmul: _matmul,
    _TENSOR.matmul: _matmul,
    _TENSOR.__matmul__: _matmul,
    F.softmax: _softmax,
    torch.softmax: _softmax,
    _TENSOR.softmax: _softmax,
    torch.mean: _mean,
    _TENSOR.mean: _mean,
    torch.flatten: _flatten_function,
    _TENSOR.flatten: _flatten_function,
    F.max_pool2d: max_pool2d_function,
    torch.max_pool2d: max_pool2d_function,
    F.avg_pool2d: avg_pool2d_function,
    F.adaptive_avg_pool2d: adaptive_function,
    **{
        func: _view(op)(func)
        for op, functions in {
            "aten.view": (_TENSOR.view, _TENSOR.reshape, torch.reshape),
            "aten.permute": (_TENSOR.permute, torch.permute),
            "aten.transpose": (_TENSOR.transpose, torch.transpose),
            "aten.unsqueeze": (_TENSOR.unsqueeze, torch.unsqueeze),
            "aten.expand": (_TENSOR.expand,),
            "aten.split": (_TENSOR.chunk, torch.chunk),
        }.items()
        for func in functions
    },
}
"""Rules by the function that PyTorch was asked for."""
