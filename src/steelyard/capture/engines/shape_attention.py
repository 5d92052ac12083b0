"""Shape arithmetic for matrix products, softmax and attention (see `shape_functions`)."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from steelyard.capture.engines.shape_common import by_element, floating, one, product, remember
from steelyard.capture.engines.shape_tensor import FLOATS, ShapeTensor
from steelyard.capture.engines.shapes import ShapeEngine
from steelyard.capture.rules import Operand


def matmul(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``a @ b`` of activations with equal leading dimensions; the result is contiguous."""
    if kwargs or len(args) != 2:
        return NotImplemented
    a, b = args
    if type(a) is not ShapeTensor or type(b) is not ShapeTensor or a.root or b.root:
        return NotImplemented
    if a.dtype is not b.dtype or a.dtype not in FLOATS:
        return NotImplemented
    left, right = a.shape, b.shape
    if len(left) < 2 or len(left) != len(right):
        return NotImplemented
    *lead, rows, inner = left
    *other, size, columns = right
    if lead != other or size != inner:
        return NotImplemented
    out = (*lead, rows, columns)
    macs = prod(out) * inner
    counts = product(engine, "aten.matmul", "matmul", macs, out, (left, right))
    if counts is None:
        return NotImplemented
    return engine.emit("aten.matmul", counts, (a.value, b.value), out, a.dtype)


def softmax(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``softmax(x, dim)``."""
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


def attention(engine: ShapeEngine, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``F.scaled_dot_product_attention(q, k, v)`` without a mask; the result is contiguous."""
    settings = {**dict(zip(_SETTINGS, args[3:], strict=False)), **kwargs}
    if len(args) < 3 or len(args) > 6 or not settings.keys() <= {*_SETTINGS, "scale"}:
        return NotImplemented
    if settings.get("attn_mask") is not None or settings.get("dropout_p"):
        return NotImplemented
    q, k, v = args[:3]
    if not all(floating(tensor) and tensor.dtype is q.dtype for tensor in (q, k, v)):
        return NotImplemented
    of_q, of_k, of_v = q.shape, k.shape, v.shape
    if len(of_q) != 4 or of_k[:2] != of_q[:2] or of_v[:3] != of_k[:3] or of_k[3:] != of_q[3:]:
        return NotImplemented
    if 0 in of_q or 0 in of_k or 0 in of_v:
        return NotImplemented
    key = ("aten.scaled_dot_product_attention", q.dtype, of_q, of_k, of_v)
    known = engine.memo.get(key)
    if known is None:
        operands = [Operand(of_q), Operand(of_k), Operand(of_v)]
        known = remember(engine, key, (*of_q[:3], of_v[3]), lambda: operands)
    return engine.emit(key[0], known[1], (q.value, k.value, v.value), known[0], q.dtype)


_SETTINGS = ("attn_mask", "dropout_p", "is_causal")
