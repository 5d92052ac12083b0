"""Shape arithmetic for pooling, as modules and as functions (see `shape_layers`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard.capture.engines.shape_common import floating, one, plain, remember
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.rules import Operand


def pair(value: Any) -> tuple[int, int] | None:
    """An int or a pair of them as a pair."""
    if type(value) is int:
        return (value, value)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return (value[0], value[1])
    return None


def _pool(
    engine: ShapeEngine,
    op: str,
    x: ShapeTensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Any:
    key = (op, x.dtype, x.shape, kernel, stride, padding, dilation, ceil_mode)
    known = engine.memo.get(key)
    if known is None:
        k, p, d = pair(kernel), pair(padding), pair(dilation)
        s = pair(stride) if stride not in (None, [], ()) else k
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
        known = remember(engine, key, tuple(out), lambda: [Operand(x.shape), k])
    return engine.emit(op, known[1], (x.value,), known[0], x.dtype)


def max_pool2d(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """``nn.MaxPool2d``."""
    if not plain(x) or module.return_indices:
        return NotImplemented
    return _pool(
        engine,
        "aten.max_pool2d",
        x,
        _frozen(module.kernel_size),
        _frozen(module.stride),
        _frozen(module.padding),
        _frozen(module.dilation),
        module.ceil_mode,
    )


def avg_pool2d(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """``nn.AvgPool2d``."""
    if not plain(x):
        return NotImplemented
    return _pool(
        engine,
        "aten.avg_pool2d",
        x,
        _frozen(module.kernel_size),
        _frozen(module.stride),
        _frozen(module.padding),
        1,
        module.ceil_mode,
    )


def max_pool2d_function(
    engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """``torch.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)`` and F's keyword form."""
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    x = one(args[:1])
    if x is None or len(args) > 6 or not set(kwargs) <= {*names, "return_indices"}:
        return NotImplemented
    values = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, **kwargs}
    values |= dict(zip(names, args[1:], strict=False))
    if values.pop("return_indices", False) or "kernel_size" not in values:
        return NotImplemented
    return _pool(engine, "aten.max_pool2d", x, *(_frozen(values[name]) for name in names))


def avg_pool2d_function(
    engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """``F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, ...)``."""
    names = ("kernel_size", "stride", "padding", "ceil_mode")
    x = one(args[:1])
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
    wanted = pair(size)
    if wanted is None or len(x.shape) != 4:
        return NotImplemented
    if not plain(x) and (wanted != (1, 1) or not floating(x)):
        return NotImplemented  # a larger result may keep the layout
    key = ("aten.adaptive_avg_pool2d", x.dtype, x.shape, wanted)
    known = engine.memo.get(key)
    if known is None:
        out = [x.shape[2 + i] if wanted[i] is None else wanted[i] for i in (0, 1)]
        known = remember(engine, key, (*x.shape[:2], *out), lambda: [Operand(x.shape), out])
    return engine.emit("aten.adaptive_avg_pool2d", known[1], (x.value,), known[0], x.dtype)


def adaptive_module(engine: ShapeEngine, module: Any, x: Any) -> Any:
    """``nn.AdaptiveAvgPool2d``."""
    return _adaptive(engine, x, module.output_size) if floating(x) else NotImplemented


def adaptive_function(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.adaptive_avg_pool2d(x, output_size)``."""
    if kwargs or len(args) != 2 or not floating(args[0]):
        return NotImplemented
    return _adaptive(engine, args[0], args[1])
