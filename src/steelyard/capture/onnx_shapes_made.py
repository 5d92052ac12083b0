"""Output shapes of ONNX operators that make tensors, or as many entries as the data says.

Where the data decides, the shape is the largest possible one (`UPPER_BOUND` lists these operators).
"""

from __future__ import annotations

from math import prod

import numpy as np

from steelyard.capture.onnx_model import DTYPES, Tensor, dtype_name
from steelyard.capture.onnx_value import Result, Site, axis_of
from steelyard.errors import ShapeError


def constant_of_shape(site: Site) -> list[Result]:
    """``ConstantOfShape``: the dtype of ``value``."""
    if not site.has(0):
        raise ShapeError("input 0 is missing")
    value = site.attrs.get("value")
    dtype = value.dtype if isinstance(value, Tensor) else "float32"
    return [(tuple(site.int_list(0, "") or []), dtype)]


def filled(site: Site) -> list[Result]:
    """``RandomNormal``, ``RandomUniform``: shape and dtype are attributes."""
    dtype = dtype_name(site.int("dtype", 1), "a random tensor")
    return [(tuple(site.ints("shape") or []), dtype)]


def filled_like(site: Site) -> list[Result]:
    """``RandomNormalLike``, ``EyeLike``, ``Bernoulli``: shape of the input."""
    code = site.int("dtype", 0)
    return [(site.shape(0), DTYPES.get(code, site.dtype()) if code else site.dtype())]


def range_(site: Site) -> list[Result]:
    """``Range``: ceil((limit - start) / delta) elements."""
    bounds = [site.const(i) for i in range(3)]
    if any(b is None or b.size != 1 for b in bounds):
        raise ShapeError("start, limit or delta is no scalar")
    start, limit, delta = (float(b.reshape(-1)[0]) for b in bounds if b is not None)
    if delta == 0 or not np.isfinite([start, limit, delta]).all():
        raise ShapeError(f"a range from {start} to {limit} in steps of {delta}")
    return [((max(int(np.ceil((limit - start) / delta)), 0),), site.dtype())]


def one_hot(site: Site) -> list[Result]:
    """``OneHot``: a new axis of ``depth`` entries."""
    shape = site.shape(0)
    depth = site.const(1)
    if depth is None or depth.size != 1:
        raise ShapeError("depth is no scalar")
    axis = axis_of(site.int("axis", -1), len(shape) + 1)
    return [((*shape[:axis], int(depth.reshape(-1)[0]), *shape[axis:]), site.dtype(2))]


def non_zero(site: Site) -> list[Result]:
    """``NonZero``: at most every element."""
    value = site.value(0)
    return [((max(value.rank, 1), value.numel), "int64")]


def unique(site: Site) -> list[Result]:
    """``Unique``: at most every entry."""
    shape = site.shape(0)
    first: tuple[int, ...]
    if "axis" not in site.attrs:
        first, count = (prod(shape),), prod(shape)
    else:
        count = shape[site.axis("axis", 0, len(shape))]
        first = shape
    return [(first, site.dtype()), *([((count,), "int64")] * 3)]


def compress(site: Site) -> list[Result]:
    """``Compress``: at most every entry."""
    shape = site.shape(0)
    if "axis" not in site.attrs:
        return [((min(prod(shape), site.value(1).numel),), site.dtype())]
    axis = site.axis("axis", 0, len(shape))
    size = min(shape[axis], site.value(1).numel)
    return [((*shape[:axis], size, *shape[axis + 1 :]), site.dtype())]


def non_max_suppression(site: Site) -> list[Result]:
    """``NonMaxSuppression``: at most ``max_output_boxes_per_class`` for every image and class."""
    boxes, scores = site.shape(0, rank=3), site.shape(1, rank=3)
    limit = site.const(2)
    per_class = int(limit.reshape(-1)[0]) if limit is not None and limit.size else 0
    return [((scores[0] * scores[1] * max(0, min(per_class, boxes[1])), 3), "int64")]


UPPER_BOUND = frozenset({"NonZero", "Unique", "Compress", "NonMaxSuppression"})
"""Operators whose result is as large as the data makes it; counted at the largest possible size."""
