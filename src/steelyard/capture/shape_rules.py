"""Shape arithmetic for the commonest modules and functions, so that the fast engine need not ask PyTorch.

Each rule answers exactly what the meta engine would (a test compares them on every network), or
NotImplemented, which sends the call the general way. Only contiguous tensors come here. The layer itself
(kind, loops, operations) always comes from the rule table; results are kept for the length of one capture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from steelyard.capture.recorder import DTYPE_NAMES, apply_rule
from steelyard.capture.rules import Call, Draft, Operand
from steelyard.capture.shapes import Fast, Owned, ShapeEngine, ShapeTensor

Module = Callable[[ShapeEngine, nn.Module, tuple[Any, ...]], Any]
Sizes = tuple[int, ...]

_FLOATS = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.float64})


def _one(args: tuple[Any, ...]) -> ShapeTensor | None:
    """The only argument, if it is a contiguous activation of a floating-point type."""
    if len(args) != 1:
        return None
    x = args[0]
    if type(x) is ShapeTensor and x.strides is None and not x.root and x.dtype in _FLOATS:
        return x
    return None


def _known(engine: ShapeEngine, key: Any, out: Sizes, args: Callable[[], list[Any]]) -> tuple[torch.Size, Draft]:
    """Result shape and draft for a call, asked from the rule table once per key ``(op, dtype, ...)``."""
    size = torch.Size(out)
    dtype = DTYPE_NAMES[key[1]]
    call = Call(key[0], tuple(args()), {}, (Operand(size, dtype),))
    entry = engine.memo[key] = (size, apply_rule(engine.rules, call))
    return entry


def _params(engine: ShapeEngine, *tensors: torch.Tensor | None) -> list[Owned] | None:
    """What the engine knows of a module's tensors; None if it does not know one."""
    found: list[Owned] = []
    for tensor in tensors:
        if tensor is None:
            continue
        owned = engine.owned.get(id(tensor))
        if owned is None or not owned.contiguous:
            return None
        found.append(owned)
    return found


# ---- convolution, linear, normalisation ----------------------------------------------------------


def _conv(op: str, rank: int) -> Module:
    def rule(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
        x = _one(args)
        if x is None or module.padding_mode != "zeros" or type(module.padding) is not tuple:
            return NotImplemented
        parameters = module._parameters
        params = _params(engine, parameters.get("weight"), parameters.get("bias"))
        if not params or params[0].dtype is not x.dtype:
            return NotImplemented
        shape, weight = x.shape, params[0].shape
        stride, padding, dilation = module.stride, module.padding, module.dilation
        groups = module.groups
        key = (op, x.dtype, shape, weight, stride, padding, dilation, groups)
        known = engine.memo.get(key)
        if known is None:
            if len(shape) != rank + 2 or shape[1] != weight[1] * groups or weight[0] % groups:
                return NotImplemented
            out = [shape[0], weight[0]]
            for i in range(rank):
                reach = dilation[i] * (weight[2 + i] - 1)
                out.append((shape[2 + i] + 2 * padding[i] - reach - 1) // stride[i] + 1)
            if min(out) < 1 or min(shape) < 1:
                return NotImplemented
            operands = [Operand(x.shape), Operand(weight, is_param=True), None]
            known = _known(engine, key, tuple(out), lambda: [*operands, stride, padding, dilation, groups])
        values = tuple(owned.value for owned in params)
        return engine.emit(op, known[1], (x.value,), known[0], x.dtype, values)

    return rule


def _linear(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    if x is None:
        return NotImplemented
    parameters = module._parameters
    params = _params(engine, parameters.get("weight"), parameters.get("bias"))
    return _linear_layer(engine, x, params)


def _linear_layer(engine: ShapeEngine, x: ShapeTensor, params: list[Owned] | None) -> Any:
    if not params or params[0].dtype is not x.dtype or len(params[0].shape) != 2:
        return NotImplemented
    shape, weight = x.shape, params[0].shape
    key = ("aten.linear", x.dtype, shape, weight)
    known = engine.memo.get(key)
    if known is None:
        if not shape or shape[-1] != weight[1]:
            return NotImplemented
        known = _known(
            engine, key, (*shape[:-1], weight[0]),
            lambda: [Operand(shape), Operand(weight, is_param=True), None],
        )  # fmt: skip
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.linear", known[1], (x.value,), known[0], x.dtype, values)


def _batch_norm(ranks: tuple[int, ...]) -> Module:
    def rule(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
        x = _one(args)
        if x is None or module.training or len(x.shape) not in ranks:
            return NotImplemented
        parameters, buffers = module._parameters, module._buffers
        mean, variance = buffers.get("running_mean"), buffers.get("running_var")
        if mean is None or variance is None:
            return NotImplemented
        params = _params(engine, parameters.get("weight"), parameters.get("bias"), mean, variance)
        shape = x.shape
        if params is None or any(p.shape != shape[1:2] or p.dtype is not x.dtype for p in params):
            return NotImplemented
        key = ("aten.batch_norm", x.dtype, shape)
        known = engine.memo.get(key)
        if known is None:
            known = _known(engine, key, shape, lambda: [Operand(shape), None, None, None, None, False])
        values = tuple(owned.value for owned in params)
        return engine.emit("aten.batch_norm", known[1], (x.value,), shape, x.dtype, values)

    return rule


def _layer_norm(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    """The result is contiguous whatever the input's layout (as on CPU, see `dispatched.OnMeta`)."""
    x = args[0] if len(args) == 1 else None
    if type(x) is not ShapeTensor or x.root or x.dtype not in _FLOATS:
        return NotImplemented
    parameters = module._parameters
    params = _params(engine, parameters.get("weight"), parameters.get("bias"))
    shape, normalized = x.shape, tuple(module.normalized_shape)
    if params is None or tuple(shape[-len(normalized) :]) != normalized:
        return NotImplemented
    if any(p.dtype is not x.dtype for p in params):
        return NotImplemented
    key = ("aten.layer_norm", x.dtype, shape, normalized)
    known = engine.memo.get(key)
    if known is None:
        known = _known(engine, key, shape, lambda: [Operand(shape), normalized])
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.layer_norm", known[1], (x.value,), shape, x.dtype, values)


def _group_norm(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    if x is None or len(x.shape) < 3:
        return NotImplemented
    parameters = module._parameters
    params = _params(engine, parameters.get("weight"), parameters.get("bias"))
    shape = x.shape
    if params is None or any(p.dtype is not x.dtype or p.shape != shape[1:2] for p in params):
        return NotImplemented
    if shape[1] % module.num_groups:
        return NotImplemented
    key = ("aten.group_norm", x.dtype, shape, module.num_groups)
    known = engine.memo.get(key)
    if known is None:
        known = _known(engine, key, shape, lambda: [Operand(shape), module.num_groups])
    values = tuple(owned.value for owned in params)
    return engine.emit("aten.group_norm", known[1], (x.value,), shape, x.dtype, values)


# ---- activations ---------------------------------------------------------------------------------


def _activate(engine: ShapeEngine, op: str, x: ShapeTensor, *, inplace: bool) -> ShapeTensor:
    op = f"{op}_" if inplace else op
    key = (op, x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = _known(engine, key, x.shape, lambda: [Operand(x.shape)])
    if inplace:
        return engine.overwrite(op, known[1], (x.value,), x)
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


def _activation(op: str) -> Module:
    def rule(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
        x = _one(args)
        if x is None:
            return NotImplemented
        return _activate(engine, op, x, inplace=bool(module.__dict__.get("inplace", False)))

    return rule


def _activation_function(op: str, *, inplace: bool = False) -> Fast:
    def rule(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = _one(args[:1])
        if x is None or len(args) > 1 or (kwargs and set(kwargs) != {"inplace"}):
            return NotImplemented
        return _activate(engine, op, x, inplace=inplace or bool(kwargs.get("inplace", False)))

    return rule


def _nothing(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    """Dropout and stochastic depth at inference."""
    return NotImplemented if module.training or _one(args) is None else args[0]


def _nothing_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.dropout(x, p, training)`` at inference."""
    training = kwargs.get("training", args[2] if len(args) > 2 else True)
    return NotImplemented if training or type(args[0]) is not ShapeTensor else args[0]


# ---- pools ---------------------------------------------------------------------------------------


def _pair(value: Any) -> tuple[int, int] | None:
    if type(value) is int:
        return (value, value)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return (value[0], value[1])
    return None


def _pool(
    engine: ShapeEngine, op: str, x: ShapeTensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    key = (op, x.dtype, x.shape, kernel, stride, padding, dilation, ceil_mode)
    known = engine.memo.get(key)
    if known is None:
        k, p, d = _pair(kernel), _pair(padding), _pair(dilation)
        s = _pair(stride) if stride not in (None, [], ()) else k
        if not (k and s and p and d) or len(x.shape) != 4 or any(2 * p[i] > k[i] for i in (0, 1)):
            return NotImplemented
        out = [x.shape[0], x.shape[1]]
        for i in (0, 1):
            room = x.shape[2 + i] + 2 * p[i] - d[i] * (k[i] - 1) - 1
            steps = -(-room // s[i]) if ceil_mode else room // s[i]
            if ceil_mode and steps * s[i] >= x.shape[2 + i] + p[i]:
                steps -= 1  # the last window must start inside the image
            out.append(steps + 1)
        if min(out) < 1:
            return NotImplemented
        known = _known(engine, key, tuple(out), lambda: [Operand(x.shape), k])
    return engine.emit(op, known[1], (x.value,), known[0], x.dtype)


def _max_pool2d(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    if x is None or module.return_indices:
        return NotImplemented
    return _pool(
        engine, "aten.max_pool2d", x, module.kernel_size, module.stride, module.padding,
        module.dilation, module.ceil_mode,
    )  # fmt: skip


def _avg_pool2d(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    if x is None:
        return NotImplemented
    return _pool(
        engine, "aten.avg_pool2d", x, module.kernel_size, module.stride, module.padding, 1,
        module.ceil_mode,
    )  # fmt: skip


def _max_pool2d_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``torch.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)`` and F's keyword form."""
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    x = _one(args[:1])
    if x is None or len(args) > 6 or not set(kwargs) <= {*names, "return_indices"}:
        return NotImplemented
    values = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, **kwargs}
    values |= dict(zip(names, args[1:], strict=False))
    if values.pop("return_indices", False) or "kernel_size" not in values:
        return NotImplemented
    return _pool(engine, "aten.max_pool2d", x, *(_frozen(values[name]) for name in names))


def _avg_pool2d_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, ...)``."""
    names = ("kernel_size", "stride", "padding", "ceil_mode")
    x = _one(args[:1])
    allowed = {*names, "count_include_pad", "divisor_override"}
    if x is None or not set(kwargs) <= allowed:
        return NotImplemented
    values = {"stride": None, "padding": 0, "ceil_mode": False, **kwargs}
    values |= dict(zip(names, args[1:], strict=False))
    if "kernel_size" not in values:
        return NotImplemented
    kernel, stride, padding, ceil_mode = (_frozen(values[name]) for name in names)
    return _pool(engine, "aten.avg_pool2d", x, kernel, stride, padding, 1, ceil_mode)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _adaptive(engine: ShapeEngine, x: ShapeTensor, size: Any) -> Any:
    """Adaptive average pooling to ``size``: an int, or a pair in which None keeps the input's."""
    pair = _pair(size)
    if pair is None or len(x.shape) != 4:
        return NotImplemented
    key = ("aten.adaptive_avg_pool2d", x.dtype, x.shape, pair)
    known = engine.memo.get(key)
    if known is None:
        wanted = [x.shape[2 + i] if pair[i] is None else pair[i] for i in (0, 1)]
        known = _known(engine, key, (*x.shape[:2], *wanted), lambda: [Operand(x.shape), wanted])
    return engine.emit("aten.adaptive_avg_pool2d", known[1], (x.value,), known[0], x.dtype)


def _adaptive_module(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    return NotImplemented if x is None else _adaptive(engine, x, module.output_size)


def _adaptive_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = _one(args[:1])
    if x is None or kwargs or len(args) != 2:
        return NotImplemented
    return _adaptive(engine, x, args[1])


# ---- arithmetic and layout -----------------------------------------------------------------------


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
        if x.dtype is not y.dtype or x.dtype not in _FLOATS:
            return NotImplemented
        out = _larger(x.shape, y.shape)
        if out is None or (inplace and out != x.shape):
            return NotImplemented
        key = (op, x.dtype, x.shape, y.shape)
        known = engine.memo.get(key)
        if known is None:
            known = _known(engine, key, out, lambda: [Operand(x.shape), Operand(y.shape)])
        if inplace:
            return engine.overwrite(op, known[1], (x.value, y.value), x)
        return engine.emit(op, known[1], (x.value, y.value), out, x.dtype)

    return rule


def _with_number(engine: ShapeEngine, op: str, x: ShapeTensor, y: Any, *, inplace: bool) -> Any:
    """``x + 0.5``."""
    if type(y) not in (int, float) or x.strides is not None or x.root or x.dtype not in _FLOATS:
        return NotImplemented
    key = (op, x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = _known(engine, key, x.shape, lambda: [Operand(x.shape), y])
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
        known = _known(engine, key, out, lambda: [[Operand(t.shape) for t in tensors], dim])
    values = tuple(tensor.value for tensor in tensors)
    return engine.emit("aten.cat", known[1], values, known[0], first.dtype)


def _flatten(engine: ShapeEngine, x: ShapeTensor, start: int, end: int) -> Any:
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
        known = _known(engine, key, out, lambda: [Operand(shape), out])
    return engine.emit("aten.view", known[1], (x.value,), known[0], x.dtype, alias=x.value)


def _flatten_module(engine: ShapeEngine, module: Any, args: tuple[Any, ...]) -> Any:
    x = _one(args)
    return NotImplemented if x is None else _flatten(engine, x, module.start_dim, module.end_dim)


def _flatten_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = _one(args[:1])
    if x is None or len(args) > 3 or not set(kwargs) <= {"start_dim", "end_dim"}:
        return NotImplemented
    start = args[1] if len(args) > 1 else kwargs.get("start_dim", 0)
    end = args[2] if len(args) > 2 else kwargs.get("end_dim", -1)
    return _flatten(engine, x, start, end)


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


def _looked_at(engine: ShapeEngine, op: str, func: Any, x: ShapeTensor, rest: tuple[Any, ...]) -> Any:
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
        known = _known(engine, key, x.shape, lambda: [Operand(x.shape)])
    return engine.emit(op, known[1], (x.value,), x.shape, x.dtype)


def _contiguous(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if len(args) != 1 or kwargs or type(args[0]) is not ShapeTensor or args[0].root:
        return NotImplemented
    return args[0] if args[0].strides is None else _copied(engine, "aten.clone", args[0])


def _roll(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = _one(args[:1])
    return NotImplemented if x is None else _copied(engine, "aten.roll", x)


def _linear_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.linear(x, weight, bias)`` with the network's own weights."""
    x = _one(args[:1])
    bias = args[2] if len(args) == 3 else kwargs.get("bias")
    if x is None or not 2 <= len(args) <= 3 or not set(kwargs) <= {"bias"}:
        return NotImplemented
    params = _params(engine, args[1], bias)
    return _linear_layer(engine, x, params)


def _matmul(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``a @ b`` of contiguous activations with equal leading dimensions."""
    if kwargs or len(args) != 2 or type(args[1]) is not ShapeTensor:
        return NotImplemented
    a, b = _one(args[:1]), _one(args[1:])
    if a is None or b is None or a.dtype is not b.dtype:
        return NotImplemented
    left, right = a.shape, b.shape
    if len(left) < 2 or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return NotImplemented
    key = ("aten.matmul", a.dtype, left, right)
    known = engine.memo.get(key)
    if known is None:
        out = (*left[:-1], right[-1])
        known = _known(engine, key, out, lambda: [Operand(left), Operand(right)])
    return engine.emit("aten.matmul", known[1], (a.value, b.value), known[0], a.dtype)


def _softmax(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = _one(args[:1])
    dim = args[1] if len(args) == 2 else kwargs.get("dim")
    if x is None or len(args) > 2 or not set(kwargs) <= {"dim"} or type(dim) is not int:
        return NotImplemented
    if not x.shape or not -len(x.shape) <= dim < len(x.shape):
        return NotImplemented
    key = ("aten.softmax", x.dtype, x.shape)
    known = engine.memo.get(key)
    if known is None:
        known = _known(engine, key, x.shape, lambda: [Operand(x.shape), dim])
    return engine.emit("aten.softmax", known[1], (x.value,), x.shape, x.dtype)


def _mean(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``x.mean(dims, keepdim)``."""
    x = _one(args[:1])
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    keep = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if x is None or len(args) > 3 or not set(kwargs) <= {"dim", "keepdim"}:
        return NotImplemented
    axes = (dims,) if type(dims) is int else dims
    rank = len(x.shape)
    if type(axes) not in (tuple, list) or not axes or any(not -rank <= i < rank for i in axes):
        return NotImplemented
    gone = {i % rank for i in axes}
    key = ("aten.mean", x.dtype, x.shape, tuple(sorted(gone)), bool(keep))
    known = engine.memo.get(key)
    if known is None:
        out = [1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone]
        known = _known(engine, key, tuple(out), lambda: [Operand(x.shape), axes, keep])
    return engine.emit("aten.mean", known[1], (x.value,), known[0], x.dtype)


# ---- the tables ----------------------------------------------------------------------------------

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
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    nn.MaxPool2d: _max_pool2d,
    nn.AvgPool2d: _avg_pool2d,
    nn.AdaptiveAvgPool2d: _adaptive_module,
    nn.Flatten: _flatten_module,
}
"""Rules by the module's exact class."""

_TENSOR = torch.Tensor

FUNCTIONS: dict[Any, Fast] = {
    F.relu: _activation_function("aten.relu"),
    torch.relu: _activation_function("aten.relu"),
    torch.relu_: _activation_function("aten.relu", inplace=True),
    _TENSOR.relu: _activation_function("aten.relu"),
    _TENSOR.relu_: _activation_function("aten.relu", inplace=True),
    F.silu: _activation_function("aten.silu"),
    F.gelu: _activation_function("aten.gelu"),
    torch.sigmoid: _activation_function("aten.sigmoid"),
    _TENSOR.sigmoid: _activation_function("aten.sigmoid"),
    F.dropout: _nothing_function,
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
    F.max_pool2d: _max_pool2d_function,
    torch.max_pool2d: _max_pool2d_function,
    F.avg_pool2d: _avg_pool2d_function,
    F.adaptive_avg_pool2d: _adaptive_function,
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
