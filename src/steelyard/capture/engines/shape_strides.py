"""`LOOKS`: which shapes and strides the views of a tensor have, by the operator that makes them.

Each takes the tensor's shape and strides and the operator's other arguments, and answers the views,
or None where the arguments are not of the usual kind or PyTorch would refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from math import prod
from typing import Any

from steelyard.capture.layout import contiguous_strides, view_strides

Sizes = tuple[int, ...]
View = tuple[Sizes, Sizes]
"""Shape and strides."""

Look = Callable[..., list[View] | None]


def is_contiguous(shape: Sizes, strides: Sizes) -> bool:
    """True if the strides are row-major, whatever those of axes of one place, or nothing is there."""
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def like_channels_last(shape: Sizes, strides: Sizes) -> bool:
    """True for images and volumes whose channels lie innermost, as ``Tensor.suggest_memory_format`` says.

    Where only axes of one place tell, the usual order is meant.
    """
    rank = len(shape)
    if rank not in (4, 5) or 0 in shape or not strides[1]:
        return False
    least = 0
    for axis in (1, *range(rank - 1, 1, -1), 0):
        if strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * shape[axis]
    return True


def broadcast(shapes: list[Sizes]) -> Sizes | None:
    """The shape to which all of these broadcast (NumPy's rules); None if they do not."""
    if len(shapes) == 1:
        return shapes[0]
    made: list[int] = []
    for sizes in zip_longest(*[reversed(shape) for shape in shapes], fillvalue=1):
        others = set(sizes) - {1}
        if len(others) > 1:
            return None
        made.append(others.pop() if others else 1)
    return tuple(made[::-1])


def combined(out: Sizes, shapes: list[Sizes], strides: list[Sizes | None]) -> Any:
    """Strides of what an element-wise operator makes of operands (None: contiguous).

    The axes lie in memory in the order in which they lie in the first operand that tells two apart,
    which an operand does not along whose axis it is repeated, and there are no gaps (PyTorch's
    TensorIterator). Operands that all lie alike and without gaps hand their strides on.

    NotImplemented where the result has axes of one place and no operand lies in memory as a whole: then
    their strides decide, which are not kept of contiguous tensors.
    """
    pairs = list(zip(shapes, strides, strict=True))
    if 1 in out and not any(shape == out and 0 not in (steps or ()) for shape, steps in pairs):
        return NotImplemented
    if all(steps is None for steps in strides):
        return None
    rank = len(out)
    laid = []
    for shape, steps in pairs:
        own = contiguous_strides(shape) if steps is None else steps
        more = rank - len(shape)
        repeated = [0 if size == 1 != out[more + i] else own[i] for i, size in enumerate(shape)]
        laid.append([0] * more + repeated)
    order = list(range(rank))[::-1]  # innermost first
    for i in range(1, rank):
        at = i
        for other in range(i - 1, -1, -1):
            verdict = _outer(order[other], order[at], laid, out)
            if verdict > 0:
                order[other], order[at] = order[at], order[other]
                at = other
            elif verdict < 0:
                break
    made, step = [0] * rank, 1
    for axis in order:
        made[axis] = step
        step *= out[axis]
    first = tuple(laid[0])
    alike = all(tuple(steps) == first for steps in laid)
    if alike and all(a == b for size, a, b in zip(out, made, first, strict=True) if size > 1):
        return None if is_contiguous(out, first) else first
    return None if is_contiguous(out, tuple(made)) else tuple(made)


def _outer(a: int, b: int, laid: list[list[int]], out: Sizes) -> int:
    """1 if axis ``a`` lies outside axis ``b``, -1 if inside, 0 if no operand tells."""
    for strides in laid:
        if strides[a] and strides[b]:
            if strides[a] != strides[b]:
                return 1 if strides[a] > strides[b] else -1
            if out[a] > out[b]:
                return 1
    return 0


def _axis(axis: Any, rank: int) -> int | None:
    return axis % rank if type(axis) is int and -rank <= axis < rank else None


def _sizes(sizes: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The numbers of ``f(2, 3)`` or ``f((2, 3))``."""
    if len(sizes) == 1 and isinstance(sizes[0], tuple):
        sizes = sizes[0]
    return sizes if all(type(size) is int for size in sizes) else None


def _permute(shape: Sizes, strides: Sizes, *given: Any) -> list[View] | None:
    rank, axes = len(shape), _sizes(given)
    if axes is None or len(axes) != rank:
        return None
    places = [_axis(axis, rank) for axis in axes]
    if None in places or len(set(places)) < rank:
        return None
    return [(tuple([shape[i] for i in places]), tuple([strides[i] for i in places]))]  # type: ignore[index]


def _transpose(shape: Sizes, strides: Sizes, a: Any = None, b: Any = None) -> list[View] | None:
    i, j = _axis(a, len(shape)), _axis(b, len(shape))
    if i is None or j is None:
        return None
    sizes, steps = list(shape), list(strides)
    sizes[i], sizes[j], steps[i], steps[j] = sizes[j], sizes[i], steps[j], steps[i]
    return [(tuple(sizes), tuple(steps))]


def _unsqueeze(shape: Sizes, strides: Sizes, axis: Any = None) -> list[View] | None:
    i = _axis(axis, len(shape) + 1)
    if i is None:
        return None
    step = shape[i] * strides[i] if i < len(shape) else 1
    return [((*shape[:i], 1, *shape[i:]), (*strides[:i], step, *strides[i:]))]


def _squeeze(shape: Sizes, strides: Sizes, axis: Any = None) -> list[View] | None:
    i = _axis(axis, len(shape))
    if i is None:
        return None
    if shape[i] != 1:
        return [(shape, strides)]
    return [(shape[:i] + shape[i + 1 :], strides[:i] + strides[i + 1 :])]


def _select(shape: Sizes, strides: Sizes, axis: Any = None, place: Any = None) -> list[View] | None:
    i = _axis(axis, len(shape))
    if i is None or _axis(place, shape[i]) is None:
        return None
    return [(shape[:i] + shape[i + 1 :], strides[:i] + strides[i + 1 :])]


def _expand(shape: Sizes, strides: Sizes, *given: Any) -> list[View] | None:
    wanted = _sizes(given)
    if not wanted or not shape or min(wanted) < -1 or 0 in wanted:
        return None
    more = len(wanted) - len(shape)
    if more < 0 or -1 in wanted[:more]:
        return None
    sizes, steps = list(wanted), [0] * len(wanted)
    for i in reversed(range(len(wanted))):
        old = shape[i - more] if i >= more else 1
        if old not in (1, sizes[i]) and sizes[i] != -1:
            return None
        if sizes[i] in (-1, old):
            sizes[i] = old
            # a new axis of one place goes on where the next one ends
            inner = sizes[i + 1] * steps[i + 1] if i + 1 < len(sizes) else 1
            steps[i] = strides[i - more] if i >= more else inner
    return [(tuple(sizes), tuple(steps))]


def _view(shape: Sizes, strides: Sizes, *given: Any) -> list[View] | None:
    """Also of a reshape; see `must_copy`."""
    wanted = _inferred(shape, given)
    steps = None if wanted is None else view_strides(shape, strides, wanted)
    return None if wanted is None or steps is None else [(wanted, steps)]


def must_copy(shape: Sizes, strides: Sizes, *given: Any) -> bool:
    """True if a reshape that is right has no view that shows it."""
    wanted = _inferred(shape, given)
    return wanted is not None and view_strides(shape, strides, wanted) is None


def _inferred(shape: Sizes, given: tuple[Any, ...]) -> Sizes | None:
    """The new shape, with the size that is left for -1."""
    wanted = _sizes(given)
    if not wanted or 0 in shape or min(wanted) < -1 or 0 in wanted:
        return None
    total, known = prod(shape), prod(wanted)
    if -1 in wanted:
        if known > 0 or total % -known:  # an even number of them, or a remainder
            return None
        wanted = tuple([total // -known if size == -1 else size for size in wanted])
        known = prod(wanted)
    return wanted if known == total else None


def _unflatten(
    shape: Sizes, strides: Sizes, axis: Any = None, given: Any = None
) -> list[View] | None:
    i = _axis(axis, len(shape))
    if i is None or not isinstance(given, tuple) or 0 in shape:
        return None
    sizes = _inferred((shape[i],), given)
    return None if sizes is None else _view(shape, strides, (*shape[:i], *sizes, *shape[i + 1 :]))


def _chunk(shape: Sizes, strides: Sizes, count: Any = None, axis: Any = 0) -> list[View] | None:
    i = _axis(axis, len(shape))
    if i is None or type(count) is not int or count < 1 or not shape[i]:
        return None
    each = -(-shape[i] // count)
    sizes = [min(each, shape[i] - at) for at in range(0, shape[i], each)]
    return [((*shape[:i], size, *shape[i + 1 :]), strides) for size in sizes]


def _unbind(shape: Sizes, strides: Sizes, axis: Any = 0) -> list[View] | None:
    i = _axis(axis, len(shape))
    if i is None or not shape[i]:
        return None
    return [(shape[:i] + shape[i + 1 :], strides[:i] + strides[i + 1 :])] * shape[i]


LOOKS: dict[str, Look] = {
    "permute": _permute,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "select": _select,
    "expand": _expand,
    "view": _view,
    "reshape": _view,
    "unflatten": _unflatten,
    "chunk": _chunk,
    "unbind": _unbind,
}
"""By the function's name."""

SEVERAL = frozenset({"chunk", "unbind"})
"""Those that answer a tuple of tensors."""
