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
        padding=tuple(padding),
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


def product_draft(a: Shape, b: Shape, *, weights: bool) -> Draft:
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


# ---- element operations per element --------------------------------------------------------------
# One each for +, -, *, /, comparison, exp, log, sqrt, erf, tanh and other elementary functions; the
# rest is their sum. ``x * sigmoid(x)`` is negate, exp, add, divide, multiply: 5.

ELEMENT_OPS: dict[str, int] = {
    "relu": 1, "relu6": 2, "hardtanh": 2, "leaky_relu": 2, "prelu": 2, "rrelu": 2, "threshold": 1,
    "sigmoid": 4, "log_sigmoid": 4, "hardsigmoid": 4, "hardswish": 5, "silu": 5, "swish": 5,
    "gelu": 5, "gelu_tanh": 9, "mish": 5, "softplus": 3, "softsign": 3, "tanh": 1, "tanhshrink": 2,
    "hardshrink": 2, "softshrink": 3, "elu": 3, "celu": 4, "selu": 4, "glu": 5, "softmax": 5,
    "log_softmax": 5, "batch_norm": 2, "norm": 7, "local_response_norm": 4,
}  # fmt: skip
"""Element operations per element of the named functions.

``batch_norm`` is the inference form, one multiplication and one addition. ``norm`` is any normalisation
that computes its own statistics (layer, group, instance, batch in training): mean 1, variance 2,
normalise 2, scale and shift 2. ``local_response_norm`` is square, scale, power, divide; the window's
additions come on top.
"""


def pool_ops(kernel: Sequence[int], out_elements: int) -> int:
    """Operations of a pooling layer: one comparison or addition per tap, R S per output element."""
    return prod(kernel) * out_elements


def recurrent_nests(
    gates: int,
    *,
    steps: int,
    batch: int,
    input_size: int,
    hidden_size: int,
    layers: int = 1,
    directions: int = 1,
    projection: int = 0,
) -> tuple[LoopNest, ...]:
    """Loop nests of an RNN (1 gate), GRU (3) or LSTM (4): W_ih x, W_hh h, and the projection W_hr h.

    Rows are ``steps * batch``; the bias and the gates' element-wise arithmetic are no MACs
    (Hochreiter & Schmidhuber 1997; Cho et al. 2014).
    """
    rows = steps * batch
    state = projection or hidden_size
    nests: list[LoopNest] = []
    for layer in range(layers):
        features = input_size if layer == 0 else state * directions
        for _ in range(directions):
            nests.append(LoopNest.linear(rows, features, gates * hidden_size))
            nests.append(LoopNest.linear(rows, state, gates * hidden_size))
            if projection:
                nests.append(LoopNest.linear(rows, hidden_size, projection))
    return tuple(nests)


def attention_nests(q: Shape, k: Shape, v: Shape) -> tuple[LoopNest, LoopNest]:
    """Q K^T and A V for q (..., L, E), k (..., S, E), v (..., S, Ev), heads and batch leading.

    A causal mask does not lower the count; grouped-query attention repeats keys for the MACs.
    (Vaswani et al. 2017, eq. 1.)
    """
    batch = prod(q[:-2])
    return (
        LoopNest.matmul(batch, q[-2], q[-1], k[-2]),
        LoopNest.matmul(batch, q[-2], k[-2], v[-1]),
    )


def einsum_draft(equation: str, shapes: Sequence[Shape], *, weights: bool = False) -> Draft:
    """Draft of ``einsum``; operands are contracted in pairs from left to right.

    Of two operands, labels in both and in the result are groups, labels in both only are inner, the
    rest are rows and columns. Without an inner label it is an element-wise product.

    Raises:
        ShapeError: the equation does not fit the operands.
    """
    terms, result, sizes = _parse_einsum(equation, shapes)
    if len(terms) == 1:
        summed = len(result) < len(terms[0])
        return Draft("reduce", ops=prod(shapes[0])) if summed else Draft("view")
    nests: list[LoopNest] = []
    ops = 0
    left = terms[0]
    for i, right in enumerate(terms[1:], start=1):
        later = set(result).union(*terms[i + 1 :])
        kept = [c for c in dict.fromkeys([*left, *right]) if c in later]
        inner = [c for c in dict.fromkeys(left) if c in right and c not in later]
        both = [c for c in kept if c in left and c in right]
        rows = [c for c in dict.fromkeys(left) if c not in right]
        columns = [c for c in dict.fromkeys(right) if c not in left]
        if inner:
            nests.append(
                LoopNest.matmul(
                    prod(sizes[c] for c in both),
                    prod(sizes[c] for c in rows),
                    prod(sizes[c] for c in inner),
                    prod(sizes[c] for c in columns),
                )
            )
        else:
            ops += prod(sizes[c] for c in dict.fromkeys([*left, *right]))
        left = kept
    if not nests:
        return Draft("elementwise", ops=ops)
    return Draft("linear" if weights else "matmul", tuple(nests), ops)


def _parse_einsum(
    equation: str, shapes: Sequence[Shape]
) -> tuple[list[list[str]], list[str], dict[str, int]]:
    """Labels of the operands, labels of the result, and the size of each label."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms: list[list[str]] = []
    sizes: dict[str, int] = {}
    texts = left.split(",")
    if len(texts) != len(shapes):
        raise ShapeError(f"einsum {equation!r} has {len(texts)} terms for {len(shapes)} operands")
    for text, shape in zip(texts, shapes, strict=True):
        dots = len(shape) - len(text.replace("...", ""))
        if dots < 0 or (dots and "..." not in text):
            raise ShapeError(f"einsum term {text!r} does not fit a tensor of shape {tuple(shape)}")
        ellipsis = [f".{dots - 1 - i}" for i in range(dots)]  # counted from the right
        before, _, after = text.partition("...")
        labels = [*before, *ellipsis, *after]
        for label, size in zip(labels, shape, strict=True):
            if sizes.get(label, 1) not in (1, size) and size != 1:
                raise ShapeError(f"einsum {equation!r}: {label!r} is {sizes[label]} and {size}")
            sizes[label] = max(sizes.get(label, 1), size)
        terms.append(labels)
    dots = max((len(label) > 1 and int(label[1:]) + 1 for t in terms for label in t), default=0)
    leading = [f".{dots - 1 - i}" for i in range(dots)]
    if arrow:
        before, mark, after = right.partition("...")
        result = [*before, *(leading if mark else []), *after]
    else:
        every = [label for term in terms for label in term]
        result = leading + sorted(c for c in set(every) if len(c) == 1 and every.count(c) == 1)
    if missing := [label for label in result if label not in sizes]:
        raise ShapeError(f"einsum {equation!r}: the result's {missing[0]!r} is in no operand")
    return terms, result, sizes


def rules_for(names: str, rule: Rule, namespace: str = "aten") -> dict[str, Rule]:
    """The same rule for several operators, their names separated by blanks."""
    return {f"{namespace}.{name}": rule for name in names.split()}
