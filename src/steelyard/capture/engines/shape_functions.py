"""`FUNCTIONS`: shape arithmetic for the commonest functions (see `shape_layers`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from steelyard.capture.engines.shape_arithmetic import arithmetic
from steelyard.capture.engines.shape_attention import attention, matmul, softmax
from steelyard.capture.engines.shape_common import (
    by_element,
    floating,
    one,
    owned_params,
    plain,
    remember,
)
from steelyard.capture.engines.shape_copies import cat, interpolate
from steelyard.capture.engines.shape_indexing import getitem, select, setitem
from steelyard.capture.engines.shape_layers import (
    activation_function,
    conv_layer,
    dropout_function,
    flatten,
    layer_norm_layer,
    linear_layer,
)
from steelyard.capture.engines.shape_pools import (
    adaptive_function,
    avg_pool2d_function,
    max_pool2d_function,
    pair,
)
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shape_views import contiguous, roll, view
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Operand


def _flatten_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = one(args[:1])
    if x is None or len(args) > 3 or not set(kwargs) <= {"start_dim", "end_dim"}:
        return NotImplemented
    start = args[1] if len(args) > 1 else kwargs.get("start_dim", 0)
    end = args[2] if len(args) > 2 else kwargs.get("end_dim", -1)
    return flatten(engine, x, start, end)


def _linear_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.linear(x, weight, bias)`` with the network's own weights."""
    bias = args[2] if len(args) == 3 else kwargs.get("bias")
    if not 2 <= len(args) <= 3 or not kwargs.keys() <= {"bias"} or not floating(args[0]):
        return NotImplemented
    params = owned_params(engine, args[1], bias)
    return linear_layer(engine, args[0], params)


def _layer_norm_function(
    engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """``F.layer_norm(x, normalized_shape, weight, bias, eps)`` with the network's own weights."""
    names = ("weight", "bias")
    if not 2 <= len(args) <= 5 or not kwargs.keys() <= {*names, "eps"} or not floating(args[0]):
        return NotImplemented
    if not isinstance(args[1], (tuple, list)):
        return NotImplemented
    held = [*args[2:4], *[kwargs.get(name) for name in names[len(args) - 2 :]]][:2]
    params = owned_params(engine, *held)
    return layer_norm_layer(engine, args[0], tuple(args[1]), params)


def _conv2d_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.conv2d(x, weight, bias, stride, padding, dilation, groups)`` with the network's own weights."""
    if kwargs or len(args) < 2 or not floating(args[0]):
        return NotImplemented
    x = args[0]
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


def _new_zeros(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.new_zeros(2, 3)``."""
    if kwargs or len(args) < 2 or not floating(args[0]):
        return NotImplemented
    given = args[1] if len(args) == 2 and isinstance(args[1], (tuple, list)) else args[1:]
    sizes = tuple(given)
    if not all(type(size) is int and size >= 0 for size in sizes):
        return NotImplemented
    counts = by_element(engine, "aten.new_zeros", sizes)
    if counts is None:
        return NotImplemented
    x = args[0]
    return engine.emit("aten.new_zeros", counts, (x.value,), sizes, x.dtype)


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
    torch.cat: cat,
    torch.concat: cat,
    torch.roll: roll,
    _TENSOR.roll: roll,
    _TENSOR.contiguous: contiguous,
    F.linear: _linear_function,
    F.layer_norm: _layer_norm_function,
    F.interpolate: interpolate,
    F.scaled_dot_product_attention: attention,
    _TENSOR.new_zeros: _new_zeros,
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
    torch.matmul: matmul,
    _TENSOR.matmul: matmul,
    _TENSOR.__matmul__: matmul,
    F.softmax: softmax,
    torch.softmax: softmax,
    _TENSOR.softmax: softmax,
    torch.mean: _mean,
    _TENSOR.mean: _mean,
    torch.flatten: _flatten_function,
    _TENSOR.flatten: _flatten_function,
    F.max_pool2d: max_pool2d_function,
    torch.max_pool2d: max_pool2d_function,
    F.avg_pool2d: avg_pool2d_function,
    F.adaptive_avg_pool2d: adaptive_function,
    **{
        func: view(op, name)
        for name, (op, functions) in {
            "view": ("aten.view", (_TENSOR.view,)),
            "reshape": ("aten.view", (_TENSOR.reshape, torch.reshape)),
            "unflatten": ("aten.view", (_TENSOR.unflatten, torch.unflatten)),
            "permute": ("aten.permute", (_TENSOR.permute, torch.permute)),
            "transpose": ("aten.transpose", (_TENSOR.transpose, torch.transpose)),
            "unsqueeze": ("aten.unsqueeze", (_TENSOR.unsqueeze, torch.unsqueeze)),
            "squeeze": ("aten.squeeze", (_TENSOR.squeeze, torch.squeeze)),
            "expand": ("aten.expand", (_TENSOR.expand,)),
            "chunk": ("aten.split", (_TENSOR.chunk, torch.chunk)),
            "unbind": ("aten.unbind", (_TENSOR.unbind, torch.unbind)),
        }.items()
        for func in functions
    },
}
"""Rules by the function that PyTorch was asked for."""
