"""Shape arithmetic for the commonest modules, so that the fast engine need not ask PyTorch.

Each rule answers exactly what the meta engine would (a test compares them on every network), or
NotImplemented, which sends the call the general way. Only contiguous tensors come here. The layer itself
(kind, loops, operations) always comes from the rule table; results are kept for the length of one capture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from steelyard.capture.engines.network import Owned
from steelyard.capture.engines.shape_common import (
    FLOATS,
    Module,
    one,
    owned_params,
    remember,
)
from steelyard.capture.engines.shape_pools import adaptive_module, avg_pool2d, max_pool2d
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Operand

# ---- convolution, linear, normalisation ----------------------------------------------------------


def _conv(op: str, rank: int) -> Module:
    def rule(engine: ShapeEngine, module: nn.Module, args: tuple[Any, ...]) -> Any:
        x = one(args)
        attributes = module.__dict__
        padding = attributes["padding"]
        if x is None or attributes["padding_mode"] != "zeros" or type(padding) is not tuple:
            return NotImplemented
        parameters = module._parameters
        params = owned_params(engine, parameters["weight"], parameters["bias"])
        if not params:
            return NotImplemented
        stride, dilation, groups = (
            attributes["stride"],
            attributes["dilation"],
            attributes["groups"],
        )
        return conv_layer(engine, op, rank, x, params, stride, padding, dilation, groups)

    return rule


def conv_layer(
    engine: ShapeEngine,
    op: str,
    rank: int,
    x: ShapeTensor,
    params: list[Owned],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """A convolution with the filters, and the bias, among ``params``."""
    filters = params[0]
    if filters.dtype is not x.dtype:
        return NotImplemented
    key = (op, x.dtype, x.shape, filters.shape, stride, padding, dilation, groups)
    known = engine.memo.get(key)
    if known is None:
        out = _conv_size(x.shape, filters.shape, stride, padding, dilation, groups, rank)
        if out is None:
            return NotImplemented
        operands = [Operand(x.shape), Operand(filters.shape, is_param=True), None]
        known = remember(engine, key, out, lambda: [*operands, stride, padding, dilation, groups])
    values = tuple([owned.value for owned in params])
    return engine.emit(op, known[1], (x.value,), known[0], x.dtype, values)


def _conv_size(
    shape: torch.Size,
    weight: torch.Size,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
    rank: int,
) -> tuple[int, ...] | None:
    """Output shape of a convolution, None where it does not fit."""
    if len(shape) != rank + 2 or len(weight) != rank + 2:
        return None
    if shape[1] != weight[1] * groups or weight[0] % groups:
        return None
    out = [shape[0], weight[0]]
    for i in range(rank):
        reach = dilation[i] * (weight[2 + i] - 1)
        out.append((shape[2 + i] + 2 * padding[i] - reach - 1) // stride[i] + 1)
    return None if min(out) < 1 or min(shape) < 1 else tuple(out)


def _linear(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = one(args)
    if x is None:
        return NotImplemented
    parameters = module._parameters
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    return linear_layer(engine, x, params)


def linear_layer(engine: ShapeEngine, x: ShapeTensor, params: list[Owned] | None) -> Any:
    """``x`` times the weight matrix among ``params``."""
    if not params or params[0].dtype is not x.dtype or len(params[0].shape) != 2:
        return NotImplemented
    shape, weight = x.shape, params[0].shape
    key = ("aten.linear", x.dtype, shape, weight)
    known = engine.memo.get(key)
    if known is None:
        if not shape or shape[-1] != weight[1]:
            return NotImplemented
        known = remember(
            engine, key, (*shape[:-1], weight[0]),
            lambda: [Operand(shape), Operand(weight, is_param=True), None],
        )  # fmt: skip
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.linear", known[1], (x.value,), known[0], x.dtype, values)


def _batch_norm(ranks: tuple[int, ...]) -> Module:
    def rule(engine: ShapeEngine, module: nn.Module, args: tuple[Any, ...]) -> Any:
        x = one(args)
        if x is None or module.training or len(x.shape) not in ranks:
            return NotImplemented
        parameters, buffers = module._parameters, module._buffers
        mean, variance = buffers.get("running_mean"), buffers.get("running_var")
        if mean is None or variance is None:
            return NotImplemented
        shape, dtype, known = x.shape, x.dtype, engine.owned
        features = shape[1]
        values: list[int] = []
        for tensor in (parameters.get("weight"), parameters.get("bias"), mean, variance):
            if tensor is None:
                continue
            owned = known.get(id(tensor))
            if owned is None:
                return NotImplemented
            value, size, kind, contiguous, _ = owned
            if kind is not dtype or size[0] != features or not contiguous:
                return NotImplemented
            values.append(value)
        key = ("aten.batch_norm", dtype, shape)
        entry = engine.memo.get(key)
        if entry is None:
            entry = remember(
                engine, key, shape, lambda: [Operand(shape), None, None, None, None, False]
            )
        return engine.emit("aten.batch_norm", entry[1], (x.value,), shape, dtype, tuple(values))

    return rule


def _layer_norm(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    """The result is contiguous whatever the input's layout (as on CPU, see `dispatched.OnMeta`)."""
    x = args[0] if len(args) == 1 else None
    if type(x) is not ShapeTensor or x.root or x.dtype not in FLOATS:
        return NotImplemented
    parameters = module._parameters
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    shape, normalized = x.shape, tuple(module.normalized_shape)
    if params is None or tuple(shape[-len(normalized) :]) != normalized:
        return NotImplemented
    if any(p.dtype is not x.dtype for p in params):
        return NotImplemented
    key = ("aten.layer_norm", x.dtype, shape, normalized)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, shape, lambda: [Operand(shape), normalized])
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.layer_norm", known[1], (x.value,), shape, x.dtype, values)


def _group_norm(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = one(args)
    if x is None or len(x.shape) < 3:
        return NotImplemented
    parameters = module._parameters
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    shape = x.shape
    if params is None or any(p.dtype is not x.dtype or p.shape != shape[1:2] for p in params):
        return NotImplemented
    if shape[1] % module.num_groups:
        return NotImplemented
    key = ("aten.group_norm", x.dtype, shape, module.num_groups)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, shape, lambda: [Operand(shape), module.num_groups])
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.group_norm", known[1], (x.value,), shape, x.dtype, values)


# ---- activations ---------------------------------------------------------------------------------


def _activate(engine: ShapeEngine, op: str, x: ShapeTensor, *, inplace: bool) -> ShapeTensor:
    op = f"{op}_" if inplace else op
    key = (op, x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, x.shape, lambda: [Operand(x.shape)])
    if inplace:
        return engine.overwrite(op, known[1], (x.value,), x)
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


def _activation(op: str) -> Module:
    def rule(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
        x = one(args)
        if x is None:
            return NotImplemented
        return _activate(engine, op, x, inplace=bool(module.__dict__.get("inplace", False)))

    return rule


def activation_function(op: str, *, inplace: bool = False) -> Fast:
    """A rule for an element-wise function of one tensor."""

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = one(args[:1])
        if x is None or len(args) > 1 or (kwargs and set(kwargs) != {"inplace"}):
            return NotImplemented
        return _activate(engine, op, x, inplace=inplace or bool(kwargs.get("inplace", False)))

    return rule


def _identity(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    return NotImplemented if one(args) is None else args[0]


def _nothing(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    """Dropout and stochastic depth at inference."""
    return NotImplemented if module.training or one(args) is None else args[0]


def dropout_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.dropout(x, p, training)`` at inference."""
    training = kwargs.get("training", args[2] if len(args) > 2 else True)
    return NotImplemented if training or type(args[0]) is not ShapeTensor else args[0]


def flatten(engine: ShapeEngine, x: ShapeTensor, start: int, end: int) -> Any:
    """``torch.flatten(x, start, end)``."""
    shape = x.shape
    rank = len(shape)
    if not rank or not -rank <= start < rank or not -rank <= end < rank:
        return NotImplemented
    start, end = start % rank, end % rank
    if start > end:
        return NotImplemented
    if start == end:
        return x
    joined = 1
    for size in shape[start : end + 1]:
        joined *= size
    out = (*shape[:start], joined, *shape[end + 1 :])
    key = ("aten.view", x.dtype, shape, out)
    known = engine.memo.get(key)
    if known is None:
        known = remember(engine, key, out, lambda: [Operand(shape), out])
    return engine.emit("aten.view", known[1], (x.value,), known[0], x.dtype, alias=x.value)


def flatten_module(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    """``nn.Flatten``."""
    x = one(args)
    return NotImplemented if x is None else flatten(engine, x, module.start_dim, module.end_dim)


MODULES: dict[type, Module] = {
    nn.Conv1d: _conv("aten.conv1d", 1),
    nn.Conv2d: _conv("aten.conv2d", 2),
    nn.Conv3d: _conv("aten.conv3d", 3),
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm((2, 3)),
    nn.BatchNorm2d: _batch_norm((4,)),
    nn.BatchNorm3d: _batch_norm((5,)),
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.ReLU: _activation("aten.relu"),
    nn.ReLU6: _activation("aten.hardtanh"),
    nn.Hardtanh: _activation("aten.hardtanh"),
    nn.SiLU: _activation("aten.silu"),
    nn.GELU: _activation("aten.gelu"),
    nn.Sigmoid: _activation("aten.sigmoid"),
    nn.Tanh: _activation("aten.tanh"),
    nn.Hardswish: _activation("aten.hardswish"),
    nn.Hardsigmoid: _activation("aten.hardsigmoid"),
    nn.LeakyReLU: _activation("aten.leaky_relu"),
    nn.Mish: _activation("aten.mish"),
    nn.Identity: _identity,
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    nn.MaxPool2d: max_pool2d,
    nn.AvgPool2d: avg_pool2d,
    nn.AdaptiveAvgPool2d: adaptive_module,
    nn.Flatten: flatten_module,
}
"""Rules by the module's exact class."""
