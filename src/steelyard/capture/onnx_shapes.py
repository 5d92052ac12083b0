"""Output shapes of ONNX's tensor operators: element-wise, reductions, reshaping, indexing.

Each function takes a `Site` and returns (shape, dtype) per output; `onnx_shapes_table` finds the
one for an operator. Attribute and input forms of all operator-set versions are read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from steelyard.capture.onnx_model import check_dims, dtype_name, short
from steelyard.capture.onnx_value import (
    Result,
    Shape,
    Site,
    axis_of,
    broadcast,
)
from steelyard.errors import ShapeError

ShapeRule = Callable[[Site], list[Result]]


def same(site: Site) -> list[Result]:
    """Every output is like the first input."""
    value = site.value(0)
    return [(value.shape, value.dtype)] * max(site.count, 1)


def elementwise(dtype: str = "", like: int = 0) -> ShapeRule:
    """All inputs broadcast; the result has ``dtype``, or that of input ``like``."""

    def rule(site: Site) -> list[Result]:
        shapes = [v.shape for v in site.inputs if v is not None]
        return [(broadcast(*shapes), dtype or site.dtype(like))]

    return rule


def cast(site: Site) -> list[Result]:
    """``Cast``: the dtype that ``to`` names."""
    return [(site.shape(0), dtype_name(site.int("to", 0), "the target of a cast"))]


def cast_like(site: Site) -> list[Result]:
    """``CastLike``: the dtype of the second input."""
    return [(site.shape(0), site.dtype(1))]


def reduction(dtype: str = "") -> ShapeRule:
    """``Reduce*``: axes from input 1 or the attribute."""

    def rule(site: Site) -> list[Result]:
        shape = site.shape(0)
        axes = site.int_list(1, "axes")
        if not axes:
            if axes is not None and site.int("noop_with_empty_axes", 0):
                return [(shape, dtype or site.dtype())]
            axes = list(range(len(shape)))
        return [(_without(shape, axes, site.int("keepdims", 1)), dtype or site.dtype())]

    return rule


def arg_reduction(site: Site) -> list[Result]:
    """``ArgMax`` and ``ArgMin``."""
    shape = site.shape(0)
    return [(_without(shape, [site.int("axis", 0)], site.int("keepdims", 1)), "int64")]


def _without(shape: Shape, axes: list[int], keep: int) -> Shape:
    gone = {axis_of(axis, len(shape)) for axis in axes}
    if keep:
        return tuple(1 if i in gone else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def reshape(site: Site) -> list[Result]:
    """``Reshape``: 0 copies a size, -1 takes the rest."""
    shape = site.shape(0)
    target = site.int_list(1, "shape")
    if target is None:
        raise ShapeError("no target shape is given")
    sizes: list[int] = []
    for i, size in enumerate(target):
        if size == 0 and not site.int("allowzero", 0):
            if i >= len(shape):
                raise ShapeError(f"target {short(tuple(target))} copies size {i} of {short(shape)}")
            size = shape[i]
        sizes.append(size)
    count, fixed = prod(shape), prod(s for s in sizes if s != -1)
    if sizes.count(-1) == 1 and fixed and count % fixed == 0:
        sizes[sizes.index(-1)] = count // fixed
    elif sizes.count(-1) == 1 and not fixed and count == 0:
        sizes[sizes.index(-1)] = 0
    if min(sizes, default=0) < 0 or prod(sizes) != count:
        raise ShapeError(f"{short(shape)} cannot be reshaped to {short(tuple(target))}")
    return [(tuple(sizes), site.dtype())]


def flatten(site: Site) -> list[Result]:
    """``Flatten`` to two dimensions."""
    shape = site.shape(0)
    axis = site.int("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ShapeError(f"axis {axis} of a tensor of {len(shape)} dimensions")
    axis = axis + len(shape) if axis < 0 else axis
    return [((prod(shape[:axis]), prod(shape[axis:])), site.dtype())]


def squeeze(site: Site) -> list[Result]:
    """``Squeeze``: the given axes, or all of size 1."""
    shape = site.shape(0)
    axes = site.int_list(1, "axes")
    if axes is None:
        return [(tuple(s for s in shape if s != 1), site.dtype())]
    gone = {axis_of(axis, len(shape)) for axis in axes}
    if any(shape[i] != 1 for i in gone):
        raise ShapeError(f"axes {axes} of shape {short(shape)} are squeezed", expected="size 1")
    return [(tuple(s for i, s in enumerate(shape) if i not in gone), site.dtype())]


def unsqueeze(site: Site) -> list[Result]:
    """``Unsqueeze``: axes count in the result."""
    shape = site.shape(0)
    axes = site.int_list(1, "axes") or []
    rank = len(shape) + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise ShapeError(f"axes {axes} repeat")
    rest = iter(shape)
    return [(tuple(1 if i in new else next(rest) for i in range(rank)), site.dtype())]


def transpose(site: Site) -> list[Result]:
    """``Transpose``: reversed by default."""
    shape = site.shape(0)
    perm = site.ints("perm") or list(range(len(shape)))[::-1]
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(f"permutation {perm} of {len(shape)} dimensions")
    return [(tuple(shape[i] for i in perm), site.dtype())]


def concat(site: Site) -> list[Result]:
    """``Concat``."""
    shapes = [v.shape for v in site.inputs if v is not None]
    first = site.shape(0, at_least=1)
    axis = site.axis("axis", 1, len(first))
    total = 0
    for shape in shapes:
        if len(shape) != len(first) or any(
            a != b for i, (a, b) in enumerate(zip(first, shape, strict=True)) if i != axis
        ):
            raise ShapeError(f"{short(first)} and {short(shape)} are joined along axis {axis}")
        total += shape[axis]
    return [((*first[:axis], total, *first[axis + 1 :]), site.dtype())]


def split(site: Site) -> list[Result]:
    """``Split``: given sizes, else equal ones with the last smaller."""
    shape = site.shape(0, at_least=1)
    axis = site.axis("axis", 0, len(shape))
    parts = site.int_list(1, "split")
    if not parts:
        count = max(site.int("num_outputs", site.count), 1)
        if count > 100_000:
            raise ShapeError(f"a split into {count} parts")
        size = -(-shape[axis] // count)
        parts = [max(min(size, shape[axis] - i * size), 0) for i in range(count)]
    if sum(parts) != shape[axis] or min(parts) < 0:
        raise ShapeError(f"sizes {parts[:8]} of axis {axis} of {short(shape)}")
    return [((*shape[:axis], part, *shape[axis + 1 :]), site.dtype()) for part in parts]


def slices(site: Site) -> list[slice]:
    """``Slice`` as Python slices, one per axis."""
    shape = site.shape(0)
    starts, ends = site.int_list(1, "starts"), site.int_list(2, "ends")
    if starts is None or ends is None:
        raise ShapeError("starts or ends are missing")
    axes, steps = site.int_list(3, "axes"), site.int_list(4, "steps")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ShapeError(
            f"starts {starts[:8]}, ends {ends[:8]}, axes {axes[:8]}, steps {steps[:8]}"
        )
    cuts = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis_of(axis, len(shape))]
        # an end before the first element, which Python would count from the back
        stop = None if step < 0 and end < -size else end
        cuts[axis_of(axis, len(shape))] = slice(start, stop, step)
    return cuts


def slice_(site: Site) -> list[Result]:
    """``Slice``."""
    shape = site.shape(0)
    cuts = slices(site)
    sizes = tuple(len(range(*cut.indices(s))) for cut, s in zip(cuts, shape, strict=True))
    return [(sizes, site.dtype())]


def gather(site: Site) -> list[Result]:
    """``Gather``: the indices' shape in place of one axis."""
    shape, picks = site.shape(0, at_least=1), site.shape(1)
    axis = site.axis("axis", 0, len(shape))
    return [((*shape[:axis], *picks, *shape[axis + 1 :]), site.dtype())]


def gather_nd(site: Site) -> list[Result]:
    """``GatherND``."""
    shape, picks = site.shape(0, at_least=1), site.shape(1, at_least=1)
    start = site.int("batch_dims", 0) + picks[-1]
    if not 0 <= start <= len(shape):
        raise ShapeError(f"indices {short(picks)} into {short(shape)}")
    return [((*picks[:-1], *shape[start:]), site.dtype())]


def expand(site: Site) -> list[Result]:
    """``Expand``: broadcasting with a given shape."""
    target = check_dims(tuple(site.int_list(1, "shape") or []), "the target of an expansion")
    return [(broadcast(site.shape(0), target), site.dtype())]


def tile(site: Site) -> list[Result]:
    """``Tile``."""
    shape = site.shape(0)
    repeats = site.int_list(1, "repeats") or []
    if len(repeats) != len(shape):
        raise ShapeError(f"{len(repeats)} repeats for {len(shape)} dimensions")
    return [(tuple(s * r for s, r in zip(shape, repeats, strict=True)), site.dtype())]


def pad(site: Site) -> list[Result]:
    """``Pad``: pads from input 1, ``pads`` or (opset 1) ``paddings``; negative ones crop."""
    shape = site.shape(0)
    pads = site.int_list(1, "pads") or site.ints("paddings") or []
    axes = [axis_of(a, len(shape)) for a in site.int_list(3, "") or range(len(shape))]
    if len(pads) != 2 * len(axes):
        raise ShapeError(f"{len(pads)} pads for {len(axes)} axes")
    sizes = list(shape)
    for i, axis in enumerate(axes):
        sizes[axis] += pads[i] + pads[i + len(axes)]
    if min(sizes, default=0) < 0:
        raise ShapeError(f"pads {pads[:8]} crop more than {short(shape)} has")
    return [(tuple(sizes), site.dtype())]


def shape_op(site: Site) -> list[Result]:
    """``Shape``: as many elements as dimensions kept."""
    rank = len(site.shape(0))
    start, end = site.int("start", 0), site.int("end", rank)
    return [((len(range(*slice(start, end).indices(rank))),), "int64")]


def scalar(dtype: str) -> ShapeRule:
    """A result of rank 0."""
    return lambda site: [((), dtype)]


def top_k(site: Site) -> list[Result]:
    """``TopK``."""
    shape = site.shape(0, at_least=1)
    axis = site.axis("axis", -1, len(shape))
    k = site.int_list(1, "k")
    if not k:
        raise ShapeError("k is missing")
    if not 0 <= k[0] <= shape[axis]:
        raise ShapeError(f"the top {k[0]} of {shape[axis]}")
    out = (*shape[:axis], k[0], *shape[axis + 1 :])
    return [(out, site.dtype()), (out, "int64")]


def depth_to_space(site: Site) -> list[Result]:
    """``DepthToSpace``."""
    n, c, h, w = site.shape(0, rank=4)
    b = site.int("blocksize", 1)
    if b < 1 or c % (b * b):
        raise ShapeError(f"{c} channels in blocks of {b}x{b}")
    return [((n, c // (b * b), h * b, w * b), site.dtype())]


def space_to_depth(site: Site) -> list[Result]:
    """``SpaceToDepth``."""
    n, c, h, w = site.shape(0, rank=4)
    b = site.int("blocksize", 1)
    if b < 1 or h % b or w % b:
        raise ShapeError(f"a map of {h}x{w} in blocks of {b}x{b}")
    return [((n, c * b * b, h // b, w // b), site.dtype())]


def det(site: Site) -> list[Result]:
    """``Det`` of the last two dimensions."""
    return [(site.shape(0, at_least=2)[:-2], site.dtype())]


def center_crop_pad(site: Site) -> list[Result]:
    """``CenterCropPad``."""
    sizes = list(site.shape(0))
    target = site.int_list(1, "") or []
    axes = site.ints("axes") or list(range(len(sizes)))
    if len(target) != len(axes):
        raise ShapeError(f"{len(target)} sizes for {len(axes)} axes")
    for axis, size in zip(axes, target, strict=True):
        sizes[axis_of(axis, len(sizes))] = size
    return [(tuple(sizes), site.dtype())]
