"""Sliding windows as ONNX describes them: explicit pads, ``auto_pad``, ``ceil_mode``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.errors import ShapeError

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a convolution or pooling along every spatial axis.

    Attributes:
        kernel, stride, dilation: per axis.
        pads: (before, after) per axis.
        out: output size per axis.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    out: tuple[int, ...]


def spread(value: object, rank: int, default: int, name: str) -> tuple[int, ...]:
    """A list attribute with one entry per axis, or ``default`` for each.

    Raises:
        ShapeError: another number of entries.
    """
    if value is None or value == []:
        return (default,) * rank
    if (
        not isinstance(value, list)
        or len(value) != rank
        or not all(isinstance(v, int) for v in value)
    ):
        raise ShapeError(f"attribute {name} is {str(value)[:80]}", expected=f"{rank} integers")
    return tuple(value)


def window(size: Sequence[int], kernel: Sequence[int], attrs: Mapping[str, object]) -> Window:
    """The window over a map of ``size`` per axis, padding resolved.

    ``SAME_UPPER`` and ``SAME_LOWER`` give ceil(size / stride) outputs and put the odd element of
    padding at the end or the beginning; windows that would start in the padding after the map are
    left out in ``ceil_mode`` (ONNX operator Conv-22 and MaxPool-22).

    Raises:
        ShapeError: attributes that do not fit, or a kernel larger than the padded map.
    """
    rank = len(size)
    stride = spread(attrs.get("strides"), rank, 1, "strides")
    dilation = spread(attrs.get("dilations"), rank, 1, "dilations")
    flat = spread(attrs.get("pads"), 2 * rank, 0, "pads")
    auto = attrs.get("auto_pad") or "NOTSET"
    if len(kernel) != rank or min((*stride, *dilation, *kernel, 1)) < 1:
        raise ShapeError(
            f"kernel {tuple(kernel)}, strides {stride}, dilations {dilation}",
            expected=f"{rank} sizes each, all >= 1",
        )
    pads, out = [], []
    for i in range(rank):
        extent = dilation[i] * (kernel[i] - 1) + 1
        before, after = flat[i], flat[i + rank]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            count = -(-size[i] // stride[i])
            total = max((count - 1) * stride[i] + extent - size[i], 0)
            before, after = total // 2, total - total // 2
            if auto == "SAME_LOWER":
                before, after = after, before
        else:
            if auto == "VALID":
                before = after = 0
            room = size[i] + before + after - extent
            if room < 0:
                raise ShapeError(
                    f"a kernel of {kernel[i]} (dilation {dilation[i]}) on axis {i} of a map of "
                    f"{size[i]} with padding ({before}, {after})",
                    expected="a kernel that fits in the padded map",
                )
            count = room // stride[i] + 1
            if attrs.get("ceil_mode") and auto == "NOTSET":
                count = -(-room // stride[i]) + 1
                if (count - 1) * stride[i] >= size[i] + before:
                    count -= 1
        pads.append((before, after))
        out.append(count)
    return Window(tuple(kernel), stride, dilation, tuple(pads), tuple(out))


def transposed_window(
    size: Sequence[int], kernel: Sequence[int], attrs: Mapping[str, object]
) -> Window:
    """The window of ConvTranspose: out = stride (size - 1) + extent + output_padding - pads.

    Raises:
        ShapeError: attributes that do not fit.
    """
    rank = len(size)
    stride = spread(attrs.get("strides"), rank, 1, "strides")
    dilation = spread(attrs.get("dilations"), rank, 1, "dilations")
    extra = spread(attrs.get("output_padding"), rank, 0, "output_padding")
    flat = spread(attrs.get("pads"), 2 * rank, 0, "pads")
    auto = attrs.get("auto_pad") or "NOTSET"
    wanted = attrs.get("output_shape")
    if isinstance(wanted, list) and len(wanted) == rank + 2:
        wanted = wanted[2:]
    if len(kernel) != rank or min((*stride, *dilation, *kernel, 1)) < 1:
        raise ShapeError(
            f"kernel {tuple(kernel)}, strides {stride}, dilations {dilation}",
            expected=f"{rank} sizes each, all >= 1",
        )
    pads, out = [], []
    for i in range(rank):
        full = stride[i] * (size[i] - 1) + dilation[i] * (kernel[i] - 1) + 1 + extra[i]
        before, after = flat[i], flat[i + rank]
        if wanted or auto in ("SAME_UPPER", "SAME_LOWER"):
            count = spread(wanted, rank, 1, "output_shape")[i] if wanted else size[i] * stride[i]
            total = full - count
            before, after = total // 2, total - total // 2
            if auto == "SAME_LOWER":
                before, after = after, before
        elif auto == "VALID":
            before, after, count = 0, 0, full
        else:
            count = full - before - after
        pads.append((before, after))
        out.append(count)
    if min(out, default=1) < 0:
        raise ShapeError(f"a transposed convolution with output size {tuple(out)}")
    return Window(tuple(kernel), stride, dilation, tuple(pads), tuple(out))
