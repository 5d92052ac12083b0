"""The formulas that rules of all front ends share: shapes in, loop nests and operation counts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from steelyard.capture.rules.table import Call, Draft, Rule
from steelyard.errors import ShapeError
from steelyard.workload import LoopNest

Shape = Sequence[int]


def conv_nest(
    x: Shape,
    weight: Shape,
    out: Shape,
    *,
    stride: Shape,
    padding: Sequence[tuple[int, int]],
    dilation: Shape,
    groups: int,
    transposed: bool = False,
) -> LoopNest:
    """The nest of a convolution from its shapes.

    Args:
        x: input (N, C, *spatial).
        weight: (M, C/G, *kernel), or (C, M/G, *kernel) when transposed.
        out: output (N, M, *spatial).
        padding: (before, after) per axis.

    Raises:
        ShapeError: ranks or channels do not fit.
    """
    rank = len(weight) - 2
    if rank < 1 or len(x) != rank + 2 or len(out) != rank + 2:
        raise ShapeError(
            f"a convolution of input {tuple(x)} with weight {tuple(weight)}",
            expected=f"an input of {rank + 2} dimensions (N, C, ...)",
        )
    return LoopNest(
        N=x[0],
        G=groups,
        M=out[1],
        C=x[1],
        out=tuple(out[2:]),
        kernel=tuple(weight[2:]),
        input=tuple(x[2:]),
        stride=tuple(stride),
        dilation=tuple(dilation),
        padding=tuple((a, b) for a, b in padding),
        transposed=transposed,
    )


def linear_nest(x: Shape, out_features: int) -> LoopNest:
    """``x`` (..., in_features) times weights (in_features, out_features)."""
    return LoopNest.linear(prod(x[:-1]), x[-1], out_features)


def matmul_nest(a: Shape, b: Shape) -> LoopNest:
    """``a @ b`` with NumPy's rules: vectors promoted, leading dimensions broadcast.

    >>> matmul_nest((8, 12, 197, 64), (8, 12, 64, 197)).macs == 8 * 12 * 197 * 64 * 197
    True

    Raises:
        ShapeError: the inner sizes differ.
    """
    left = (1, *a) if len(a) == 1 else tuple(a)
    right = (*b, 1) if len(b) == 1 else tuple(b)
    if not a or not b or left[-1] != right[-2]:
        raise ShapeError(f"a matrix product of {tuple(a)} and {tuple(b)}")
    rows, inner, columns = left[-2], left[-1], right[-1]
    if len(right) == 2:  # every row of the left operand meets the same matrix
        return LoopNest.linear(prod(left[:-1]), inner, columns)
    batch = 1
    lead_a, lead_b = left[:-2], right[:-2]
    for i in range(max(len(lead_a), len(lead_b))):
        size_a = lead_a[-1 - i] if i < len(lead_a) else 1
        size_b = lead_b[-1 - i] if i < len(lead_b) else 1
        batch *= size_b if size_a == 1 else size_a
    return LoopNest.matmul(batch, rows, inner, columns)


def product_nest(call: Call, a: Shape, b: Shape, *, weights: bool) -> Draft:
    """Draft of a matrix product; ``linear`` where the second operand is a weight matrix."""
    return Draft("linear" if weights else "matmul", (matmul_nest(a, b),))


def elementwise(kind: str, per_element: int = 1) -> Rule:
    """A rule that counts ``per_element`` operations for each output element."""

    def rule(call: Call) -> Draft:
        return Draft(kind, ops=per_element * call.out_elements)

    return rule


def per_input(kind: str, per_element: int = 1) -> Rule:
    """A rule that counts ``per_element`` operations for each element of the first operand."""

    def rule(call: Call) -> Draft:
        return Draft(kind, ops=per_element * prod(call.operand(0).shape))

    return rule


def free(kind: str) -> Callable[[Call], Draft]:
    """A rule for operators that compute nothing (views, copies, creation)."""
    draft = Draft(kind)

    def rule(call: Call) -> Draft:
        return draft

    return rule
