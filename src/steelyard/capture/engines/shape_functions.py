"""`FUNCTIONS`: shape arithmetic for the commonest functions (see `shape_layers`)."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from steelyard.capture.engines.shape_arithmetic import arithmetic
from steelyard.capture.engines.shape_common import (
    by_element,
    one,
    owned_params,
    plain,
    product,
    remember,
)
from steelyard.capture.engines.shape_indexing import getitem, select, setitem
from steelyard.capture.engines.shape_layers import (
    activation_function,
    conv_layer,
    dropout_function,
    flatten,
    linear_layer,
)
from steelyard.capture.engines.shape_pools import (
    adaptive_function,
    avg_pool2d_function,
    max_pool2d_function,
    pair,
)
from steelyard.capture.engines.shape_tensor import FLOATS, ShapeTensor
from steelyard.capture.engines.shape_views import contiguous, roll, view
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Operand


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


def _linear_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.linear(x, weight, bias)`` with the network's own weights."""
    x = one(args[:1])
    bias = args[2] if len(args) == 3 else kwargs.get("bias")
    if x is None or not 2 <= len(args) <= 3 or not set(kwargs) <= {"bias"}:
        return NotImplemented
    params = owned_params(engine, args[1], bias)
    return linear_layer(engine, x, params)


def _conv2d_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.conv2d(x, weight, bias, stride, padding, dilation, groups)`` with the network's own weights."""
    x = one(args[:1])
    if x is None or kwargs or len(args) < 2:
        return NotImplemented
    params = owned_params(engine, *args[1:3])
    if not params:
        return NotImplemented
    settings = (*args[3:], *_CONV_DEFAULTS[len(args) - 3 :]) if len(args) > 2 else _CONV_DEFAULTS
    stride, padding, dilation = (pair(setting) for setting in settings[:3])
    if not (stride and padding and dilation) or type(settings[3]) is not int or len(x.shape) != 4:
        return NotImplemented
    values = tuple([owned[0] for owned in params])
    return conv_layer(
        engine, "aten.conv2d", x, params[0], values, (stride, padding, dilation, settings[3])
    )


_CONV_DEFAULTS: tuple[Any, ...] = (1, 0, 1, 1)


def _zero_padded(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.pad(x, (left, right, top, ...))`` with zeros or another number; sizes may also shrink."""
    x = one(args[:1])
    if x is None or not 2 <= len(args) <= 4 or not set(kwargs) <= {"mode", "value"}:
        return NotImplemented
    pads = args[1]
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    if mode != "constant" or type(pads) not in (tuple, list) or set(map(type, pads)) != {int}:
        return NotImplemented
    if len(pads) % 2 or len(pads) > 2 * len(x.shape):
        return NotImplemented
    out = list(x.shape)
    for i in range(0, len(pads), 2):
        out[-1 - i // 2] += pads[i] + pads[i + 1]
    if min(out) < 1 or min(pads) < 0:
        return NotImplemented
    key = ("aten.constant_pad_nd", x.dtype, x.shape, *pads)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, tuple(out), lambda: [Operand(x.shape), list(pads), 0])
    return engine.emit(key[0], known[1], (x.value,), known[0], x.dtype)


def _matmul(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``a @ b`` of activations with equal leading dimensions; the result is contiguous."""
    if kwargs or len(args) != 2:
        return NotImplemented
    a, b = args
    if type(a) is not ShapeTensor or type(b) is not ShapeTensor or a.root or b.root:
        return NotImplemented
    if a.dtype is not b.dtype or a.dtype not in FLOATS:
        return NotImplemented
    left, right = a.shape, b.shape
    if len(left) < 2 or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return NotImplemented
    out = (*left[:-1], right[-1])
    counts = product(engine, "aten.matmul", "matmul", prod(out) * right[-2], out, left, right)
    if counts is None:
        return NotImplemented
    return engine.emit("aten.matmul", counts, (a.value, b.value), out, a.dtype)


def _masked_fill(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.masked_fill(mask, number)`` with a mask of the same shape."""
    if kwargs or len(args) != 3 or type(args[2]) not in (int, float):
        return NotImplemented
    x, mask, _ = args
    if type(x) is not ShapeTensor or not x.plain or type(mask) is not ShapeTensor:
        return NotImplemented
    if mask.shape != x.shape or mask.strides or mask.root or mask.dtype is not torch.bool:
        return NotImplemented
    counts = by_element(engine, "aten.masked_fill", x.shape)
    if counts is None:
        return NotImplemented
    return engine.emit("aten.masked_fill", counts, (x.value, mask.value), x.shape, x.dtype)


def _comparison(op: str) -> Fast:
    """``x == 0``."""

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs or len(args) != 2 or not plain(args[0]) or type(args[1]) not in (int, float):
            return NotImplemented
        counts = by_element(engine, op, args[0].shape)
        if counts is None:
            return NotImplemented
        return engine.emit(op, counts, (args[0].value,), args[0].shape, torch.bool)

    return rule


def _softmax(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = one(args[:1])
    dim = args[1] if len(args) == 2 else kwargs.get("dim")
    if x is None or len(args) > 2 or type(dim) is not int:
        return NotImplemented
    if kwargs.get("dtype") is not None or not kwargs.keys() <= {"dim", "dtype", "_stacklevel"}:
        return NotImplemented
    if not x.shape or not -len(x.shape) <= dim < len(x.shape):
        return NotImplemented
    counts = by_element(engine, "aten.softmax", x.shape, (-1,))
    if counts is None:
        return NotImplemented
    return engine.emit("aten.softmax", counts, (x.value,), x.shape, x.dtype)


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


def _local_response_norm(
    engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """``F.local_response_norm(x, size, ...)``; PyTorch's own way on meta tensors imports its compiler."""
    x = one(args[:1])
    if x is None or len(args) > 5 or not set(kwargs) <= {"size", "alpha", "beta", "k"}:
        return NotImplemented
    size = args[1] if len(args) > 1 else kwargs.get("size")
    if type(size) is not int or size < 1 or len(x.shape) < 3 or 0 in x.shape:
        return NotImplemented
    key = ("aten.local_response_norm", x.dtype, x.shape, size)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape), size])
    return engine.emit(key[0], known[1], (x.value,), x.shape, x.dtype)


def _assert(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``torch._assert(condition, message)`` that holds."""
    return None if args and args[0] is True else NotImplemented


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
    torch.add: arithmetic("aten.add"),
    _TENSOR.add: arithmetic("aten.add"),
    _TENSOR.__add__: arithmetic("aten.add"),
    _TENSOR.add_: arithmetic("aten.add_", inplace=True),
    _TENSOR.__iadd__: arithmetic("aten.add_", inplace=True),
    torch.mul: arithmetic("aten.mul"),
    _TENSOR.mul: arithmetic("aten.mul"),
    _TENSOR.__mul__: arithmetic("aten.mul"),
    torch.sub: arithmetic("aten.sub"),
    _TENSOR.sub: arithmetic("aten.sub"),
    _TENSOR.__sub__: arithmetic("aten.sub"),
    torch.div: arithmetic("aten.div"),
    _TENSOR.div: arithmetic("aten.div"),
    _TENSOR.__truediv__: arithmetic("aten.div"),
    torch.cat: _cat,
    torch.roll: roll,
    _TENSOR.roll: roll,
    _TENSOR.contiguous: contiguous,
    F.linear: _linear_function,
    torch.conv2d: _conv2d_function,
    F.pad: _zero_padded,
    F.local_response_norm: _local_response_norm,
    torch._assert: _assert,
    _TENSOR.__getitem__: getitem,
    _TENSOR.__setitem__: setitem,
    _TENSOR.select: select,
    _TENSOR.masked_fill: _masked_fill,
    _TENSOR.eq: _comparison("aten.eq"),
    _TENSOR.__eq__: _comparison("aten.eq"),
    _TENSOR.ne: _comparison("aten.ne"),
    _TENSOR.__ne__: _comparison("aten.ne"),
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
        func: view(op)(func)
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
