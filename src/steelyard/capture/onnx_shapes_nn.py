"""Output shapes of ONNX's network layers: convolution, pooling, products, recurrent, attention, quantised.

Keys are full operator names; ``com.microsoft`` holds the fused operators that ONNX Runtime writes
(https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from steelyard.capture.onnx_model import DTYPES, dtype_name, short
from steelyard.capture.onnx_value import (
    Result,
    Shape,
    Site,
    axis_of,
    broadcast,
)
from steelyard.capture.rules.onnx_window import spread, transposed_window, window
from steelyard.errors import ShapeError

ShapeRule = Callable[[Site], list[Result]]


def conv(weight: int, dtype: str | int = 0) -> ShapeRule:
    """A convolution whose filters (M, C/G, *kernel) are input ``weight``.

    ``dtype`` is that of the result, or the input that has it.
    """

    def rule(site: Site) -> list[Result]:
        filters = site.shape(weight, at_least=3)
        x = site.shape(0, rank=len(filters))
        kernel = filters[2:]
        group = site.int("group", 1)
        given = site.ints("kernel_shape")
        if given and tuple(given) != kernel:
            raise ShapeError(f"kernel_shape {given} for filters of shape {short(filters)}")
        if group < 1 or filters[1] * group != x[1] or filters[0] % group:
            raise ShapeError(
                f"{x[1]} channels in {group} groups meet filters of shape {short(filters)}",
                expected="filters (M, C / groups, ...) with groups that divide M",
            )
        out = window(x[2:], kernel, site.attrs).out
        kind = dtype if isinstance(dtype, str) else site.dtype(dtype)
        return [((x[0], filters[0], *out), kind)]

    return rule


def conv_transpose(site: Site) -> list[Result]:
    """``ConvTranspose``: filters (C, M/G, *kernel)."""
    filters = site.shape(1, at_least=3)
    x = site.shape(0, rank=len(filters))
    group = site.int("group", 1)
    if filters[0] != x[1] or group < 1 or x[1] % group:
        raise ShapeError(
            f"{x[1]} channels in {group} groups meet filters of shape {short(filters)}",
            expected="filters (C, M / groups, ...)",
        )
    out = transposed_window(x[2:], filters[2:], site.attrs).out
    return [((x[0], filters[1] * group, *out), site.dtype())]


def pool(site: Site) -> list[Result]:
    """``MaxPool``, ``AveragePool``, ``LpPool``."""
    x = site.shape(0, at_least=3)
    kernel = spread(site.ints("kernel_shape"), len(x) - 2, 1, "kernel_shape")
    out = (*x[:2], *window(x[2:], kernel, site.attrs).out)
    return [(out, site.dtype()), (out, "int64")]


def global_pool(site: Site) -> list[Result]:
    """``Global*Pool``: every spatial size becomes 1."""
    x = site.shape(0, at_least=2)
    return [((*x[:2], *(1 for _ in x[2:])), site.dtype())]


def max_unpool(site: Site) -> list[Result]:
    """``MaxUnpool``: given output shape, else the inverse of the pooling."""
    x = site.shape(0, at_least=3)
    wanted = site.int_list(2, "")
    if wanted is not None:
        return [(tuple(wanted), site.dtype())]
    rank = len(x) - 2
    kernel = spread(site.ints("kernel_shape"), rank, 1, "kernel_shape")
    stride = spread(site.ints("strides"), rank, 1, "strides")
    pads = spread(site.ints("pads"), 2 * rank, 0, "pads")
    out = ((x[2 + i] - 1) * stride[i] + kernel[i] - pads[i] - pads[i + rank] for i in range(rank))
    return [((*x[:2], *out), site.dtype())]


def roi_pool(site: Site) -> list[Result]:
    """``RoiAlign`` (output_height, output_width) and ``MaxRoiPool`` (pooled_shape)."""
    x, rois = site.shape(0, rank=4), site.shape(1, rank=2)
    size = site.ints("pooled_shape") or [site.int("output_height", 1), site.int("output_width", 1)]
    return [((rois[0], x[1], *size), site.dtype())]


def gemm(site: Site) -> list[Result]:
    """``Gemm``: (M, K) x (K, N), each possibly transposed."""
    a, b = site.shape(0, rank=2), site.shape(1, rank=2)
    a = a[::-1] if site.int("transA", 0) else a
    b = b[::-1] if site.int("transB", 0) else b
    if a[1] != b[0]:
        raise ShapeError(f"a product of {short(a)} and {short(b)}")
    return [((a[0], b[1]), site.dtype())]


def product(a: Shape, b: Shape) -> Shape:
    """Shape of ``a @ b``.

    Raises:
        ShapeError: the inner sizes differ.
    """
    if not a or not b:
        raise ShapeError(f"a product of {short(a)} and {short(b)}", expected="no scalars")
    left = (1, *a) if len(a) == 1 else a
    right = (*b, 1) if len(b) == 1 else b
    if left[-1] != right[-2]:
        raise ShapeError(f"a product of {short(a)} and {short(b)}")
    out = broadcast(left[:-2], right[:-2])
    out += (left[-2],) if len(a) > 1 else ()
    return out + ((right[-1],) if len(b) > 1 else ())


def matmul(b: int = 1, dtype: str | int = 0) -> ShapeRule:
    """``MatMul`` of input 0 and input ``b``; com.microsoft's transposes are attributes."""

    def rule(site: Site) -> list[Result]:
        left, right = site.shape(0), site.shape(b)
        left = (*left[:-2], *left[:-3:-1]) if site.int("transA", 0) else left
        right = (*right[:-2], *right[:-3:-1]) if site.int("transB", 0) else right
        kind = dtype if isinstance(dtype, str) else site.dtype(dtype)
        return [(product(left, right), kind)]

    return rule


def matmul_nbits(site: Site) -> list[Result]:
    """``MatMulNBits``: packed weights; sizes K and N are attributes."""
    x = site.shape(0, at_least=1)
    if site.int("K", 0) != x[-1]:
        raise ShapeError(f"{x[-1]} features meet weights of K={site.int('K', 0)}")
    return [((*x[:-1], site.int("N", 0)), site.dtype())]


def einsum(site: Site) -> list[Result]:
    """``Einsum``: each label has one size."""
    left, arrow, right = site.text("equation", "").replace(" ", "").partition("->")
    shapes = [v.shape for v in site.inputs if v is not None]
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ShapeError(f"{len(terms)} terms for {len(shapes)} operands")
    sizes: dict[str, int] = {}
    dots: Shape = ()
    for term, shape in zip(terms, shapes, strict=True):
        before, ellipsis, after = term.partition("...")
        extra = len(shape) - len(before) - len(after)
        if extra < 0 or (extra and not ellipsis):
            raise ShapeError(f"term {term!r} for a tensor of shape {short(shape)}")
        dots = broadcast(dots, shape[len(before) : len(before) + extra])
        kept = (*shape[: len(before)], *shape[len(before) + extra :])
        for label, size in zip(before + after, kept, strict=True):
            if 1 not in (size, sizes.get(label, 1)) and sizes[label] != size:
                raise ShapeError(f"label {label!r} is {sizes[label]} and {size}")
            sizes[label] = max(size, sizes.get(label, size)) if size != 1 else sizes.get(label, 1)
    if not arrow:
        every = left.replace(",", "").replace(".", "")
        right = "..." + "".join(sorted(c for c in sizes if every.count(c) == 1))
    before, ellipsis, after = right.partition("...")
    if any(label not in sizes for label in before + after):
        raise ShapeError(f"the result {right!r} has a label that no operand has")
    middle = dots if ellipsis else ()
    out = (*(sizes[c] for c in before), *middle, *(sizes[c] for c in after))
    return [(out, site.dtype())]


def batch_norm(site: Site) -> list[Result]:
    """``BatchNormalization``; further outputs are statistics in training."""
    x = site.shape(0, at_least=2)
    for i in range(1, 5):
        if site.shape(i) != (x[1],):
            raise ShapeError(
                f"input {i} of shape {short(site.shape(i))} for {x[1]} channels",
                expected=f"({x[1]},)",
            )
    return [(x, site.dtype()), *([((x[1],), site.dtype(1))] * 4)]


def layer_norm(site: Site) -> list[Result]:
    """``LayerNormalization``: outputs 1 and 2 are mean and inverse deviation."""
    x = site.shape(0, at_least=1)
    axis = axis_of(site.int("axis", -1), len(x))
    stats = (*x[:axis], *(1 for _ in x[axis:]))
    return [(x, site.dtype()), (stats, "float32"), (stats, "float32")]


def skip_layer_norm(site: Site) -> list[Result]:
    """com.microsoft ``Skip*LayerNormalization``: output 3 is the sum."""
    x = site.shape(0, at_least=1)
    stats = (*x[:-1], 1)
    return [(x, site.dtype()), (stats, "float32"), (stats, "float32"), (x, site.dtype())]


def dropout(site: Site) -> list[Result]:
    """``Dropout`` and its mask."""
    return [(site.shape(0), site.dtype()), (site.shape(0), "bool")]


def quantize(site: Site) -> list[Result]:
    """``QuantizeLinear``: the zero point's dtype, else ``output_dtype``, else uint8."""
    code = site.int("output_dtype", 0)
    kind = site.dtype(2) if site.has(2) else dtype_name(code, "a quantisation") if code else "uint8"
    return [(site.shape(0), kind)]


def dynamic_quantize(site: Site) -> list[Result]:
    """``DynamicQuantizeLinear``: quantised tensor, scale, zero point."""
    return [(site.shape(0), "uint8"), ((), "float32"), ((), "uint8")]


def resize(site: Site) -> list[Result]:
    """``Resize`` (scales, sizes) and ``Upsample`` (scales as input or attribute)."""
    shape = site.shape(0)
    old = site.node.op == "Upsample" or len(site.inputs) == 2
    scales = site.attrs.get("scales")
    if scales is None:
        data = site.const(1 if old else 2)
        scales = [float(v) for v in data.reshape(-1)] if data is not None else None
    sizes = site.int_list(3, "")
    axes = [axis_of(a, len(shape)) for a in site.ints("axes") or range(len(shape))]
    given = sizes if sizes else scales
    if not isinstance(given, list) or len(given) != len(axes):
        raise ShapeError("scales or sizes do not fit the input", expected="one for each dimension")
    out = list(shape)
    if sizes:
        policy = site.text("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch" and all(shape[a] for a in axes):
            ratios = [s / shape[a] for s, a in zip(sizes, axes, strict=True)]
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            sizes = [int(shape[a] * ratio + 0.5) for a in axes]
        for axis, size in zip(axes, sizes, strict=True):
            out[axis] = size
    else:
        for axis, scale in zip(axes, given, strict=True):
            if not np.isfinite(scale) or not 0 < scale < 2**31:
                raise ShapeError(f"a scale of {scale}")
            out[axis] = int(np.floor(shape[axis] * np.float32(scale)))
    return [(tuple(out), site.dtype())]


def grid_sample(site: Site) -> list[Result]:
    """``GridSample``: the grid's spatial sizes."""
    return [((*site.shape(0, at_least=3)[:2], *site.shape(1, at_least=3)[1:-1]), site.dtype())]


def affine_grid(site: Site) -> list[Result]:
    """``AffineGrid``: (N, *spatial, axes)."""
    size = site.int_list(1, "") or []
    if len(size) < 3:
        raise ShapeError(f"a grid for {len(size)} dimensions")
    return [((size[0], *size[2:], len(size) - 2), site.dtype())]


def col2im(site: Site) -> list[Result]:
    """``Col2Im``: (N, C, *image)."""
    x = site.shape(0, rank=3)
    image, block = site.int_list(1, "") or [], site.int_list(2, "") or []
    taps = prod(block)
    if taps < 1 or x[1] % taps:
        raise ShapeError(f"{x[1]} columns in blocks of {block}")
    return [((x[0], x[1] // taps, *image), site.dtype())]


def dequantize(site: Site) -> list[Result]:
    """``DequantizeLinear``: the scale's dtype, else ``output_dtype``."""
    code = site.int("output_dtype", 0)
    return [(site.shape(0), DTYPES.get(code, site.dtype(1)))]
