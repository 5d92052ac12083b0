"""Computes what an ONNX file fixes: shape arithmetic on small constants, with NumPy.

A node is folded when its shape is known, its result is small and every operand's elements are known;
then it is no layer, as it would be none in a compiled network.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.capture.onnx_model import Tensor
from steelyard.capture.onnx_read import SMALL
from steelyard.capture.onnx_shapes import slices
from steelyard.capture.onnx_value import Result, Site, axis_of

Array = NDArray[Any]
Fold = Callable[[Site, list[Array], list[Result]], list[Array]]

NUMPY: dict[str, Any] = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16, "int64": np.int64,
    "int32": np.int32, "int16": np.int16, "int8": np.int8, "uint64": np.uint64,
    "uint32": np.uint32, "uint16": np.uint16, "uint8": np.uint8, "bool": np.bool_,
    "bfloat16": np.float32,
}  # fmt: skip


def fold(site: Site, results: list[Result], filling: Array | None) -> list[Array] | None:
    """Elements of each output, or None where they cannot be computed.

    Args:
        results: shape and dtype of the outputs.
        filling: the element that ``ConstantOfShape`` repeats.
    """
    op = site.node.full_op
    if any(prod(shape) > SMALL or dtype not in NUMPY for shape, dtype in results):
        return None
    if op == "onnx.Shape":  # needs no elements
        start, end = site.int("start", 0), site.int("end", 64)
        return [np.array(site.shape(0)[slice(start, end)], np.int64)]
    if op == "onnx.Size":
        return [np.array(site.value(0).numel, np.int64)]
    rule = FOLDS.get(op)
    if rule is None:
        return None
    given = [v for v in site.inputs if v is not None]
    if any(v.data is None or v.items is not None for v in given):
        return None
    data = [v.data for v in given if v.data is not None]
    if op == "onnx.ConstantOfShape":
        data = [*data, filling if filling is not None else np.zeros(1, np.float32)]
    try:
        with np.errstate(all="ignore"):
            arrays = rule(site, data, results)
            return [
                np.asarray(array).astype(NUMPY[dtype], copy=False).reshape(shape)
                for array, (shape, dtype) in zip(arrays, results, strict=False)
            ]
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError):
        return None  # not computable: the result's elements stay unknown


def ufunc(function: Callable[..., Any]) -> Fold:
    """A NumPy function of all operands."""
    return lambda site, data, results: [function(*data)]


def _chain(function: Callable[..., Any]) -> Fold:
    def rule(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
        total = data[0]
        for array in data[1:]:
            total = function(total, array)
        return [total]

    return rule


def _div(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    a, b = data
    if a.dtype.kind not in "iu":
        return [a / b]
    quotient = a // b  # NumPy rounds down, ONNX towards zero
    wrong = (a % b != 0) & ((a < 0) != (b < 0))
    return [quotient + wrong]


def _mod(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.fmod(*data) if site.int("fmod", 0) else np.mod(*data)]


def _reshaped(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [data[0]]  # `fold` gives every result its shape


def _transpose(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.transpose(data[0], site.ints("perm"))]


def _gather(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.take(data[0], data[1], axis=site.axis("axis", 0, data[0].ndim))]


def _gather_elements(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.take_along_axis(data[0], data[1], axis=site.axis("axis", 0, data[0].ndim))]


def _gather_nd(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    if site.int("batch_dims", 0):
        raise ValueError("batch_dims")
    return [data[0][tuple(np.moveaxis(data[1], -1, 0))]]


def _scatter_nd(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    if site.text("reduction", "none") != "none":
        raise ValueError("reduction")
    out = data[0].copy()
    out[tuple(np.moveaxis(data[1], -1, 0))] = data[2]
    return [out]


def _scatter_elements(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    if site.text("reduction", "none") != "none":
        raise ValueError("reduction")
    out = data[0].copy()
    np.put_along_axis(out, data[1], data[2], axis=site.axis("axis", 0, out.ndim))
    return [out]


def _concat(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.concatenate(data, axis=site.axis("axis", 1, data[0].ndim))]


def _split(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    axis = site.axis("axis", 0, data[0].ndim)
    cuts = np.cumsum([shape[axis] for shape, _ in results])[:-1]
    return list(np.split(data[0], cuts, axis=axis))


def _slice(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [data[0][tuple(slices(site))]]


def _expand(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.broadcast_to(data[0], results[0][0])]


def _tile(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.tile(data[0], [int(v) for v in data[1]])]


def _fill(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    return [np.full(results[0][0], data[-1].reshape(-1)[0])]


def _range(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    start, delta = data[0].reshape(-1)[0], data[2].reshape(-1)[0]
    return [start + delta * np.arange(results[0][0][0])]


def _cumsum(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    if site.int("exclusive", 0) or site.int("reverse", 0):
        raise ValueError("direction")
    return [np.cumsum(data[0], axis=int(data[1].reshape(-1)[0]))]


def _clip(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    low = site.const(1) if site.has(1) else site.attrs.get("min")
    high = site.const(2) if site.has(2) else site.attrs.get("max")
    out = data[0] if low is None else np.maximum(data[0], low)
    return [out if high is None else np.minimum(out, high)]


def _trilu(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
    k = int(data[1].reshape(-1)[0]) if len(data) > 1 else 0
    return [np.triu(data[0], k) if site.int("upper", 1) else np.tril(data[0], k)]


def _reduce(function: Callable[..., Any]) -> Fold:
    def rule(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
        axes = site.int_list(1, "axes")
        if not axes:
            if axes is not None and site.int("noop_with_empty_axes", 0):
                return [data[0]]
            return [function(data[0])]
        return [function(data[0], axis=tuple(axis_of(a, data[0].ndim) for a in axes))]

    return rule


def _arg(function: Callable[..., Any]) -> Fold:
    def rule(site: Site, data: list[Array], results: list[Result]) -> list[Array]:
        return [function(data[0], axis=site.axis("axis", 0, data[0].ndim))]

    return rule


FOLDS: dict[str, Fold] = {
    f"onnx.{op}": rule
    for op, rule in {
        **dict.fromkeys(
            ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "CastLike"],
            _reshaped,
        ),
        "Abs": ufunc(np.abs),
        "Add": ufunc(np.add),
        "And": ufunc(np.logical_and),
        "ArgMax": _arg(np.argmax),
        "ArgMin": _arg(np.argmin),
        "Ceil": ufunc(np.ceil),
        "Clip": _clip,
        "Concat": _concat,
        "ConstantOfShape": _fill,
        "CumSum": _cumsum,
        "Div": _div,
        "Equal": ufunc(np.equal),
        "Exp": ufunc(np.exp),
        "Expand": _expand,
        "Floor": ufunc(np.floor),
        "Gather": _gather,
        "GatherElements": _gather_elements,
        "GatherND": _gather_nd,
        "Greater": ufunc(np.greater),
        "GreaterOrEqual": ufunc(np.greater_equal),
        "Less": ufunc(np.less),
        "LessOrEqual": ufunc(np.less_equal),
        "Log": ufunc(np.log),
        "Max": _chain(np.maximum),
        "Min": _chain(np.minimum),
        "Mod": _mod,
        "Mul": ufunc(np.multiply),
        "Neg": ufunc(np.negative),
        "Not": ufunc(np.logical_not),
        "Or": ufunc(np.logical_or),
        "Pow": ufunc(np.power),
        "Range": _range,
        "ReduceMax": _reduce(np.max),
        "ReduceMean": _reduce(np.mean),
        "ReduceMin": _reduce(np.min),
        "ReduceProd": _reduce(np.prod),
        "ReduceSum": _reduce(np.sum),
        "Reciprocal": ufunc(np.reciprocal),
        "Round": ufunc(np.round),
        "ScatterElements": _scatter_elements,
        "ScatterND": _scatter_nd,
        "Sign": ufunc(np.sign),
        "Slice": _slice,
        "Split": _split,
        "Sqrt": ufunc(np.sqrt),
        "Sub": ufunc(np.subtract),
        "Sum": _chain(np.add),
        "Tile": _tile,
        "Transpose": _transpose,
        "Trilu": _trilu,
        "Where": ufunc(np.where),
        "Xor": ufunc(np.logical_xor),
    }.items()
}
"""How the operators that shape arithmetic is made of are computed."""


def filling_of(site: Site) -> Tensor | None:
    """The ``value`` tensor of ``ConstantOfShape``."""
    value = site.attrs.get("value")
    return value if isinstance(value, Tensor) else None
