"""Strides: when a reshape can look at the same storage, and when it must copy."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from steelyard.capture.rules import Call, Draft, Operand

_RESHAPES = frozenset({"reshape", "flatten", "reshape_as", "ravel"})


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides, in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def view_strides(
    shape: Sequence[int], strides: Sequence[int], new_shape: Sequence[int]
) -> tuple[int, ...] | None:
    """Strides with which a tensor can be looked at as ``new_shape``, or None where it must be copied.

    Neighbouring axes that are contiguous with one another form a block, and each block must be the
    product of consecutive new axes (the rule that ``torch.Tensor.view`` documents).

    >>> view_strides((2, 3, 4), (12, 4, 1), (6, 4)), view_strides((3, 2), (1, 3), (6,))
    ((4, 1), None)
    """
    if prod(shape) != prod(new_shape):
        return None
    if 0 in shape or not shape:
        return tuple(strides) if tuple(shape) == tuple(new_shape) else contiguous_strides(new_shape)
    result: list[int] = []
    rest = list(new_shape)
    for size, step in reversed(_blocks(shape, strides)):
        # take new axes from the right until they fill this block
        filled = 1
        while rest and (filled < size or rest[-1] == 1):
            result.append(filled * step)
            filled *= rest.pop()
        if filled != size:
            return None
    return tuple(reversed(result))


def _blocks(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(elements, stride of the innermost axis) of each run of axes that are contiguous together.

    An axis of one place, whose stride says nothing, goes with the axes inside it.
    """
    blocks: list[tuple[int, int]] = []
    for size, step in zip(reversed(shape), reversed(strides), strict=True):
        if blocks and (size == 1 or step == blocks[-1][0] * blocks[-1][1]):
            blocks[-1] = (blocks[-1][0] * size, blocks[-1][1])
        else:
            blocks.append((size, step))
    return blocks[::-1]


def can_view(shape: Sequence[int], strides: Sequence[int], new_shape: Sequence[int]) -> bool:
    """Whether ``tensor.view(new_shape)`` works on a tensor of this shape and these strides."""
    return view_strides(shape, strides, new_shape) is not None


def same_layout(a: Operand, b: Operand) -> bool:
    """Whether two tensors of known strides have the same shape and step alike along axes that matter."""
    if a.shape != b.shape or a.strides is None or b.strides is None:
        return False
    steps = zip(a.shape, a.strides, b.strides, strict=True)
    return all(x == y for size, x, y in steps if size > 1)


def settle(call: Call, draft: Draft) -> Draft:
    """``draft`` with view and copy told apart by strides, for operators that are one or the other.

    ``reshape`` and ``flatten`` copy where no view exists; ``contiguous`` copies unless it changes
    nothing. Without strides the draft stays as it is.
    """
    if draft.kind not in ("view", "copy") or not call.args or not call.outputs:
        return draft
    x, out = call.args[0], call.outputs[0]
    if not isinstance(x, Operand) or x.strides is None:
        return draft
    base = call.op.split(".")[1] if "." in call.op else call.op
    if base in _RESHAPES:
        return draft._replace(kind="view" if can_view(x.shape, x.strides, out.shape) else "copy")
    if base == "contiguous" and out.strides is not None:
        return draft._replace(kind="view" if same_layout(x, out) else "copy")
    return draft
