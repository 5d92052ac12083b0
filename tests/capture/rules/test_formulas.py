"""Formulas against brute force: loops counted one by one, and NumPy's own arithmetic."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.capture.rules.formulas import (
    attention_nests,
    conv_nest,
    einsum_draft,
    matmul_nest,
    product_draft,
    recurrent_nests,
)
from steelyard.errors import ShapeError

SIZES = st.integers(1, 4)


def multiplications(equation: str, shapes: list[tuple[int, ...]]) -> int:
    """Of one pair of operands: one for every combination of their labels."""
    terms = equation.split("->")[0].split(",")
    sizes = {label: n for term, shape in zip(terms, shapes, strict=True) for label, n in zip(term, shape, strict=True)}  # fmt: skip
    return prod(sizes.values())


@pytest.mark.parametrize(
    "equation", ["ij,jk->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "nchw,oc->nohw", "i,i->", "ij,ij->i", "abc,cd->da"]
)  # fmt: skip
@given(st.data())
def test_einsum_multiplies_every_combination_of_labels(equation: str, data: st.DataObject) -> None:
    terms = equation.split("->")[0].split(",")
    sizes = {label: data.draw(SIZES) for label in dict.fromkeys("".join(terms))}
    shapes = [tuple(sizes[label] for label in term) for term in terms]
    draft = einsum_draft(equation, shapes)
    assert draft.kind == "matmul"
    assert sum(nest.macs for nest in draft.nests) == multiplications(equation, shapes)


def test_einsum_without_an_inner_label_only_multiplies_elements() -> None:
    assert einsum_draft("i,j->ij", [(3,), (4,)]) == ("elementwise", (), 12)
    assert einsum_draft("ij->ji", [(3, 4)]).kind == "view"
    assert einsum_draft("ij->i", [(3, 4)]) == ("reduce", (), 12)


def test_einsum_of_three_goes_from_left_to_right() -> None:
    draft = einsum_draft("ij,jk,kl->il", [(2, 3), (3, 5), (5, 7)])
    assert [nest.macs for nest in draft.nests] == [2 * 3 * 5, 2 * 5 * 7]


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3)], "has 2 terms for 1 operands"),
        ("ij->i", [(2, 3, 4)], "does not fit a tensor of shape"),
        ("ij,jk->ik", [(2, 3), (4, 5)], "'j' is 3 and 4"),
        ("ij,jk->iz", [(2, 3), (3, 5)], "the result's 'z' is in no operand"),
    ],
)
def test_einsum_that_does_not_fit(equation: str, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        einsum_draft(equation, shapes)


@given(st.lists(SIZES, max_size=2), st.lists(SIZES, max_size=2), SIZES, SIZES, SIZES, st.data())
def test_a_product_has_rows_times_inner_times_columns_per_pair(
    lead_a: list[int], lead_b: list[int], i: int, k: int, j: int, data: st.DataObject
) -> None:
    numpy = pytest.importorskip("numpy")
    for axis in range(1, min(len(lead_a), len(lead_b)) + 1):  # make them broadcast
        if lead_a[-axis] != lead_b[-axis]:
            (lead_a if data.draw(st.booleans()) else lead_b)[-axis] = 1
    a, b = (*lead_a, i, k), (*lead_b, k, j)
    out = numpy.matmul(numpy.ones(a), numpy.ones(b)).shape
    assert matmul_nest(a, b).macs == prod(out) * k
    vector = numpy.matmul(numpy.ones(a), numpy.ones(k)).shape
    assert matmul_nest(a, (k,)).macs == prod(vector) * k
    assert product_draft(a, b, weights=True).kind == "linear"


def test_a_product_of_other_sizes() -> None:
    with pytest.raises(ShapeError, match=r"a matrix product of \(2, 3\) and \(4, 5\)"):
        matmul_nest((2, 3), (4, 5))
    with pytest.raises(ShapeError):
        matmul_nest((), (4,))


@given(SIZES, SIZES, SIZES, SIZES, SIZES)
def test_attention_is_two_products(b: int, q: int, s: int, e: int, v: int) -> None:
    nests = attention_nests((b, q, e), (b, s, e), (b, s, v))
    assert [nest.macs for nest in nests] == [b * q * e * s, b * q * s * v]


def test_recurrent_layers_gate_by_gate() -> None:
    """Two bidirectional LSTM layers with projection: W_ih, W_hh and W_hr of each direction."""
    nests = recurrent_nests(4, steps=7, batch=2, input_size=3, hidden_size=5, layers=2, directions=2, projection=4)  # fmt: skip
    first, second = 4 * 5 * (3 + 4) + 5 * 4, 4 * 5 * (8 + 4) + 5 * 4
    assert sum(nest.macs for nest in nests) == 7 * 2 * 2 * (first + second)


@given(st.integers(1, 3), SIZES, SIZES, st.integers(1, 3), st.integers(1, 3))
def test_a_convolution_counted_tap_by_tap(n: int, c: int, m: int, groups: int, stride: int) -> None:
    c, m, size, kernel = c * groups, m * groups, 7, 3
    out = (size - kernel) // stride + 1
    nest = conv_nest(
        (n, c, size), (m, c // groups, kernel), (n, m, out), stride=(stride,), padding=[(0, 0)],
        dilation=(1,), groups=groups,
    )  # fmt: skip
    taps = sum(
        1
        for _ in range(n) for filt in range(m) for _ in range(out)
        for channel in range(c) if channel // (c // groups) == filt // (m // groups)
        for _ in range(kernel)
    )  # fmt: skip
    assert nest.macs == taps


def test_a_convolution_of_the_wrong_rank() -> None:
    with pytest.raises(ShapeError) as caught:
        conv_nest((1, 3, 8), (4, 3, 3, 3), (1, 4, 6, 6), stride=(1, 1), padding=[(0, 0)] * 2, dilation=(1, 1), groups=1)  # fmt: skip
    assert caught.value.given == "a convolution of input (1, 3, 8) with weight (4, 3, 3, 3)"
    assert caught.value.expected == "an input of 4 dimensions (N, C, ...)"
