"""Shape arithmetic for the commonest modules, so that the fast engine need not ask PyTorch.

Each rule answers exactly what the meta engine would (a test compares them on every network), or
NotImplemented, which sends the call the general way. Only contiguous tensors come here. The layer itself
(kind, loops, operations) always comes from the rule table; results are kept for the length of one capture.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from torch import nn

from steelyard.capture.engines.network import Owned
from steelyard.capture.engines.shape_common import (
    Module,
    by_element,
    floating,
    owned_params,
    plain,
    product,
    remember,
)
from steelyard.capture.engines.shape_pools import adaptive_module, avg_pool2d, max_pool2d
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import Fast, ShapeEngine
from steelyard.capture.rules import Operand

# ---- convolution, linear, normalisation ----------------------------------------------------------


def _conv(op: str) -> Module:
    def rule(engine: ShapeEngine, module: nn.Module, x: Any) -> Any:
        held = module.__dict__
        padding = held["padding"]
        if not floating(x) or held["padding_mode"] != "zeros" or type(padding) is not tuple:
            return NotImplemented
        known, parameters = engine.owned, held["_parameters"]
        filters, bias = known.get(id(parameters["weight"])), parameters["bias"]
        if filters is None:
            return NotImplemented
        params: tuple[int, ...] = (filters[0],)
        if bias is not None:
            added = known.get(id(bias))
            if added is None:
                return NotImplemented
            params = (filters[0], added[0])
        return conv_layer(
            engine, op, x, filters, params,
            (held["stride"], padding, held["dilation"], held["groups"]),
        )  # fmt: skip

    return rule


def conv_layer(
    engine: ShapeEngine,
    op: str,
    x: ShapeTensor,
    filters: Owned,
    params: tuple[int, ...],
    settings: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int],
) -> Any:
    """A convolution with these filters; ``settings`` are stride, padding, dilation and groups."""
    _, weight, dtype, contiguous = filters
    shape = x.shape
    stride, padding, dilation, groups = settings
    if dtype is not x.dtype or not contiguous or len(shape) != len(weight) or len(shape) < 3:
        return NotImplemented
    if shape[1] != weight[1] * groups or weight[0] % groups or 0 in shape:
        return NotImplemented
    if len(shape) == 4:  # the usual case, without a loop
        n, _, h, w = shape
        m, c, r, s = weight
        p = (h + 2 * padding[0] - dilation[0] * (r - 1) - 1) // stride[0] + 1
        q = (w + 2 * padding[1] - dilation[1] * (s - 1) - 1) // stride[1] + 1
        if p < 1 or q < 1 or not m:
            return NotImplemented
        made: tuple[int, ...] = (n, m, p, q)
        macs = n * m * p * q * c * r * s
    else:
        axes = zip(shape[2:], weight[2:], stride, padding, dilation, strict=True)
        sizes = [
            (size + 2 * pad - d * (taps - 1) - 1) // step + 1 for size, taps, step, pad, d in axes
        ]
        made = (shape[0], weight[0], *sizes)
        if min(made) < 1:
            return NotImplemented
        macs = prod(made) * prod(weight[1:])
    counts = product(engine, op, "conv", macs, made, (shape, weight, None, *settings))
    if counts is None:
        return NotImplemented
    return engine.emit(op, counts, (x.value,), made, dtype, params)


def _linear(engine: ShapeEngine, module: Any, x: Any) -> Any:
    if not floating(x):
        return NotImplemented
    parameters = module.__dict__["_parameters"]
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    return linear_layer(engine, x, params)


def linear_layer(engine: ShapeEngine, x: ShapeTensor, params: list[Owned] | None) -> Any:
    """``x`` times the weight matrix among ``params``."""
    if not params:
        return NotImplemented
    _, weight, dtype, _ = params[0]
    shape = x.shape
    if dtype is not x.dtype or len(weight) != 2:
        return NotImplemented
    if not shape or shape[-1] != weight[1]:
        return NotImplemented
    *rows, _ = shape
    out = (*rows, weight[0])
    macs = prod(out) * weight[1]
    counts = product(engine, "aten.linear", "linear", macs, out, (shape, weight))
    if counts is None:
        return NotImplemented
    values = tuple([owned[0] for owned in params])
    return engine.emit("aten.linear", counts, (x.value,), out, x.dtype, values)


def _batch_norm(*ranks: int) -> Module:
    def rule(engine: ShapeEngine, module: nn.Module, x: Any) -> Any:
        held = module.__dict__
        if not plain(x) or held["training"] or len(x.shape) not in ranks:
            return NotImplemented
        values = _statistics(engine.owned, held["_parameters"], held["_buffers"], x)
        if values is None:
            return NotImplemented
        shape = x.shape
        counts = by_element(engine, "aten.batch_norm", shape, _NO_STATISTICS)
        if counts is None:
            return NotImplemented
        return engine.emit("aten.batch_norm", counts, (x.value,), shape, x.dtype, values)

    return rule


def _statistics(
    known: dict[int, Owned], parameters: dict[str, Any], buffers: dict[str, Any], x: ShapeTensor
) -> tuple[int, ...] | None:
    """Values of a normalisation's tensors; None unless all that are there fit the channels of ``x``."""
    mean, variance = (
        known.get(id(buffers.get("running_mean"))),
        known.get(id(buffers.get("running_var"))),
    )
    if mean is None or variance is None:
        return None
    first, shape, dtype, _ = mean
    second, size, kind, _ = variance
    if dtype is not x.dtype or kind is not dtype or size != shape or shape != (x.shape[1],):
        return None
    if parameters["weight"] is parameters["bias"] is None:
        return (first, second)
    weight, bias = known.get(id(parameters["weight"])), known.get(id(parameters["bias"]))
    if weight is None or bias is None or weight[1] != shape or bias[1] != shape:
        return None
    if weight[2] is not dtype or bias[2] is not dtype:
        return None
    return (weight[0], bias[0], first, second)


_NO_STATISTICS = (None, None, None, None, False)
"""Arguments of a batch normalisation at inference, as far as its rule looks at them."""


def _layer_norm(engine: ShapeEngine, module: Any, x: Any) -> Any:
    if not floating(x):
        return NotImplemented
    held = module.__dict__
    parameters = held["_parameters"]
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    return layer_norm_layer(engine, x, tuple(held["normalized_shape"]), params)


def layer_norm_layer(
    engine: ShapeEngine, x: ShapeTensor, normalized: tuple[int, ...], params: list[Owned] | None
) -> Any:
    """The result is contiguous whatever the input's layout (as on CPU, see `dispatched.OnMeta`)."""
    shape = x.shape
    if params is None or tuple(shape[-len(normalized) :]) != normalized:
        return NotImplemented
    for _, _, dtype, _ in params:
        if dtype is not x.dtype:
            return NotImplemented
    counts = by_element(engine, "aten.layer_norm", shape, ((1,),))
    if counts is None:
        return NotImplemented
    values = tuple([owned[0] for owned in params])
    return engine.emit("aten.layer_norm", counts, (x.value,), shape, x.dtype, values)


def _group_norm(engine: ShapeEngine, module: Any, x: Any) -> Any:
    if not plain(x) or len(x.shape) < 3:
        return NotImplemented
    parameters = module._parameters
    params = owned_params(engine, parameters.get("weight"), parameters.get("bias"))
    shape = x.shape
    if params is None or any(p[2] is not x.dtype or p[1] != shape[1:2] for p in params):
        return NotImplemented
    if shape[1] % module.num_groups:
        return NotImplemented
    counts = by_element(engine, "aten.group_norm", shape, (1,))
    if counts is None:
        return NotImplemented
    values = tuple([owned[0] for owned in params])
    return engine.emit("aten.group_norm", counts, (x.value,), shape, x.dtype, values)


# ---- activations ---------------------------------------------------------------------------------


def _activate(engine: ShapeEngine, op: str, x: ShapeTensor) -> Any:
    """An element-wise operator; one whose name ends in ``_`` is in place."""
    counts = by_element(engine, op, x.shape)
    if counts is None:
        return NotImplemented
    if op[-1] == "_":
        return engine.overwrite(op, counts, (x.value,), x)
    return engine.emit(op, counts, (x.value,), x.shape, x.dtype)


def _activation(op: str) -> Module:
    over = f"{op}_"

    def rule(engine: ShapeEngine, module: Any, x: Any) -> Any:
        if not plain(x):
            return NotImplemented
        return _activate(engine, over if module.__dict__.get("inplace") else op, x)

    return rule


def activation_function(op: str, *, inplace: bool = False) -> Fast:
    """A rule for an element-wise function of one tensor."""
    over = f"{op}_"

    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if len(args) != 1 or not plain(args[0]) or (kwargs and kwargs.keys() != {"inplace"}):
            return NotImplemented
        return _activate(engine, over if inplace or kwargs.get("inplace") else op, args[0])

    return rule


def _identity(engine: ShapeEngine, module: Any, x: Any) -> Any:
    return x if plain(x) else NotImplemented


def _nothing(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """Dropout and stochastic depth at inference."""
    return NotImplemented if module.training or not plain(x) else x


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


def flatten_module(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """``nn.Flatten``."""
    return flatten(engine, x, module.start_dim, module.end_dim) if plain(x) else NotImplemented


def sequential(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """``nn.Sequential``: what its stock modules hand on to one another is made no tensor of."""
    if not plain(x):
        return NotImplemented
    trace, calls, inside = engine.trace, engine.calls, engine.inside
    outer = trace.module
    try:
        for child in module.__dict__["_modules"].values():
            rule = calls.rule_for(child)
            if rule is not None:
                trace.module = calls.index.get(id(child), outer)
                engine.inside = True
                out = rule(engine, child, x)
                if out is not NotImplemented:
                    x = out
                    continue
            engine.inside, trace.module = False, outer
            x = child(engine.shown(x))
    finally:
        engine.inside, trace.module = inside, outer
    return x if inside else engine.shown(x)


MODULES: dict[type, Module] = {
    nn.Conv1d: _conv("aten.conv1d"),
    nn.Conv2d: _conv("aten.conv2d"),
    nn.Conv3d: _conv("aten.conv3d"),
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm(2, 3),
    nn.BatchNorm2d: _batch_norm(4),
    nn.BatchNorm3d: _batch_norm(5),
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
    nn.Sequential: sequential,
}
"""Rules by the module's exact class."""
