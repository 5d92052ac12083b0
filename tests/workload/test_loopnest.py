"""The formulas of `LoopNest` against loops that count."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.errors import InputError
from steelyard.workload import LoopNest


@st.composite
def convolutions(draw, *, transposed=False):
    rank = draw(st.integers(1, 3))
    largest = {1: 7, 2: 5, 3: 3}[rank]

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    kernel, stride, dilation = sizes(1, 3), sizes(1, 3), sizes(1, 2)
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(rank))
    groups = draw(st.integers(1, 3))
    if transposed:
        spatial = sizes(1, largest)
        out = tuple(  # every input element scatters its taps; what is padded is cut off
            max(0, (s - 1) * u + d * (k - 1) + 1 - sum(p))
            for s, u, d, k, p in zip(spatial, stride, dilation, kernel, padding, strict=True)
        )
    else:
        least = (d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
        spatial = tuple(draw(st.integers(low, low + largest - 1)) for low in least)
        out = tuple(
            len(starts(*axis))
            for axis in zip(spatial, kernel, stride, dilation, padding, strict=True)
        )
    return LoopNest(
        N=draw(st.integers(1, 2)),
        G=groups,
        M=groups * draw(st.integers(1, 2)),
        C=groups * draw(st.integers(1, 2)),
        out=out,
        kernel=kernel,
        input=spatial,
        stride=stride,
        dilation=dilation,
        padding=padding,
        transposed=transposed,
    )


def starts(size, kernel, stride, dilation, padding):
    """Where windows start in the padded input, found by trying every place."""
    padded = size + sum(padding)
    return [
        at
        for at in range(padded)
        if at % stride == 0 and all(at + dilation * r < padded for r in range(kernel))
    ]


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_convolution_by_counting(nest):
    macs, weights, read, written = 0, set(), set(), set()
    per_m, per_c = nest.M // nest.G, nest.C // nest.G
    windows = [
        starts(*axis)
        for axis in zip(
            nest.input, nest.kernel, nest.stride, nest.dilation, nest.padding, strict=True
        )
    ]
    for n, g, m, c in product(range(nest.N), range(nest.G), range(per_m), range(per_c)):
        for place in product(*windows):
            for tap in product(*map(range, nest.kernel)):
                macs += 1
                weights.add((g, m, c, tap))
                written.add((n, g, m, place))
                at = tuple(
                    p + d * r - before
                    for p, d, r, (before, _) in zip(
                        place, nest.dilation, tap, nest.padding, strict=True
                    )
                )
                if all(0 <= a < s for a, s in zip(at, nest.input, strict=True)):
                    read.add((n, g, c, at))
    assert nest.macs == macs
    assert nest.weights == len(weights)
    assert nest.output_elements == len(written)
    # with a stride or dilation some elements may be skipped; they are counted as moved all the same
    assert nest.input_elements >= len(read)
    if set(nest.stride) | set(nest.dilation) == {1}:
        assert nest.input_elements == len(read)
    assert nest.access_elements == nest.input_elements + len(written) + len(weights)


@given(convolutions(transposed=True))
@settings(max_examples=60, deadline=None)
def test_transposed_convolution_by_counting(nest):
    macs, weights, read, written = 0, set(), set(), set()
    per_m, per_c = nest.M // nest.G, nest.C // nest.G
    for n, g, m, c in product(range(nest.N), range(nest.G), range(per_m), range(per_c)):
        for place in product(*map(range, nest.input)):
            for tap in product(*map(range, nest.kernel)):
                macs += 1
                weights.add((g, m, c, tap))
                read.add((n, g, c, place))
                at = tuple(
                    a * u + d * r - before
                    for a, u, d, r, (before, _) in zip(
                        place, nest.stride, nest.dilation, tap, nest.padding, strict=True
                    )
                )
                if all(0 <= a < s for a, s in zip(at, nest.out, strict=True)):
                    written.add((n, g, m, at))
    assert nest.macs == macs
    assert nest.weights == len(weights)
    assert nest.input_elements == len(read)
    assert nest.output_elements >= len(written)


@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_matmul_by_counting(batch, rows, inner, columns):
    nest = LoopNest.matmul(batch, rows, inner, columns)
    count = sum(1 for _ in product(*map(range, (batch, rows, inner, columns))))
    assert nest.macs == count
    if batch:
        assert nest.input_elements == batch * rows * inner
        assert nest.output_elements == batch * rows * columns
        assert nest.weights == batch * inner * columns  # the second operand


@given(st.integers(0, 5), st.integers(1, 5), st.integers(1, 5))
def test_linear_is_a_1x1_convolution(rows, inner, columns):
    nest = LoopNest.linear(rows, inner, columns)
    assert nest.macs == sum(1 for _ in product(range(rows), range(inner), range(columns)))
    assert (nest.weights, nest.is_pointwise, nest.is_depthwise) == (inner * columns, True, False)


@given(convolutions(), st.integers(1, 5))
def test_scaling_multiplies_macs(nest, factor):
    rows, groups = nest.scaled(rows=(factor, 1)), nest.scaled(groups=(factor, 1))
    assert rows.macs == groups.macs == factor * nest.macs
    assert (rows.weights, groups.weights) == (nest.weights, factor * nest.weights)
    assert rows.scaled(rows=(1, factor)) == nest == groups.scaled(groups=(1, factor))


def test_depthwise_and_axis_names():
    nest = LoopNest(
        N=1, G=8, M=8, C=8, out=(5, 6), kernel=(3, 2), input=(7, 7),
        stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)),
    )  # fmt: skip
    assert nest.is_depthwise and not nest.is_pointwise
    assert (nest.P, nest.Q, nest.R, nest.S, nest.H, nest.W) == (5, 6, 3, 2, 7, 7)
    line = LoopNest(1, 1, 2, 2, out=(4,), kernel=(3,), input=(6,))
    assert (line.P, line.Q, line.R, line.S, line.H, line.W) == (1, 4, 1, 3, 1, 6)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"G": 3}, "3 groups do not divide C=4 and M=4"),
        ({"G": 0}, "0 groups do not divide"),
        ({"N": -1}, "negative size"),
        ({"out": (2, 2)}, "differ in rank"),
    ],
)
def test_nonsense_is_refused(sizes, text):
    with pytest.raises(InputError, match=text):
        LoopNest(**{"N": 1, "G": 1, "M": 4, "C": 4, **sizes})


def test_a_fraction_must_give_whole_sizes():
    with pytest.raises(InputError, match="3 x 1/2 is not a whole number"):
        LoopNest.linear(3, 2, 2).scaled(rows=(1, 2))
