"""Shape arithmetic for what joins or resizes tensors (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from steelyard.capture.engines.shape_common import by_element, one
from steelyard.capture.engines.shape_pools import pair
from steelyard.capture.engines.shape_strides import like_channels_last
from steelyard.capture.engines.shape_tensor import ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine

# ---- cat -----------------------------------------------------------------------------------------


def cat(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``torch.cat(tensors, dim)``."""
    if not args or len(args) > 2 or not kwargs.keys() <= {"dim"}:
        return NotImplemented
    tensors = args[0]
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    if type(tensors) not in (list, tuple) or not tensors or type(dim) is not int:
        return NotImplemented
    counts = by_element(engine, "aten.cat", ())
    first = tensors[0]
    if counts is None or not isinstance(first, torch.Tensor):
        return NotImplemented
    dtype, shape = first.dtype, tuple(first.shape)
    rank = len(shape)
    if rank < 2 or not -rank <= dim < rank:
        return NotImplemented
    dim %= rank
    inputs: list[int] = []
    params: list[int] = []
    total, last, channels_last = 0, None, True
    for tensor in tensors:
        if type(tensor) is ShapeTensor and tensor.plain:
            inputs.append(tensor.value)
            channels_last = False
        else:
            lies = _other(engine, tensor, inputs, params)
            if lies is None:
                return NotImplemented
            channels_last = channels_last and lies
        other = tensor.shape
        if tensor.dtype is not dtype:
            return NotImplemented
        if other != last:
            if len(other) != rank or not _fit(other, shape, dim):
                return NotImplemented
            last = other
        total += other[dim]
    if channels_last:
        return NotImplemented  # then the result lies like that, too
    out = (*shape[:dim], total, *shape[dim + 1 :])
    return engine.emit("aten.cat", counts, tuple(inputs), out, dtype, tuple(params))


def _fit(a: tuple[int, ...], b: tuple[int, ...], dim: int) -> bool:
    return a[:dim] == b[:dim] and a[dim + 1 :] == b[dim + 1 :]


def _other(engine: ShapeEngine, tensor: Any, inputs: list[int], params: list[int]) -> bool | None:
    """Notes a tensor that is not plain, and answers whether it lies channels last; None if it may not be."""
    if type(tensor) is not ShapeTensor:
        owned = engine.owned.get(id(tensor))
        if owned is None or not owned[3]:
            return None
        params.append(owned[0])
        return False
    if tensor.root:
        params.append(engine.trace.values.roots[tensor.value])
    else:
        inputs.append(tensor.value)
    return tensor.strides is not None and like_channels_last(tensor.shape, tensor.strides)


# ---- interpolate ---------------------------------------------------------------------------------

_INTERPOLATIONS = {
    "nearest": "aten.upsample_nearest2d", "bilinear": "aten.upsample_bilinear2d",
    "bicubic": "aten.upsample_bicubic2d",
}  # fmt: skip
_SETTINGS = (
    "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias"
)  # fmt: skip


def interpolate(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.interpolate(x, size, scale_factor, mode)`` of images."""
    x = one(args[:1])
    if x is None or len(x.shape) != 4 or len(args) > 7 or not kwargs.keys() <= set(_SETTINGS):
        return NotImplemented
    given = {**dict(zip(_SETTINGS, args[1:], strict=False)), **kwargs}
    mode = given.get("mode", "nearest")
    size, factor = pair(given.get("size")), given.get("scale_factor")
    if mode not in _INTERPOLATIONS or given.get("antialias") or given.get("recompute_scale_factor"):
        return NotImplemented
    if mode == "nearest" and given.get("align_corners") is not None:
        return NotImplemented
    if size is None:
        scale = (factor, factor) if type(factor) is float else pair(factor)
        if scale is None or given.get("size") is not None:
            return NotImplemented
        size = (int(x.shape[2] * scale[0]), int(x.shape[3] * scale[1]))
    elif factor is not None:
        return NotImplemented
    if not all(type(number) is int and number > 0 for number in size) or 0 in x.shape:
        return NotImplemented
    op, out = _INTERPOLATIONS[mode], (*x.shape[:2], *size)
    counts = by_element(engine, op, out)
    if counts is None:
        return NotImplemented
    return engine.emit(op, counts, (x.value,), out, x.dtype)
