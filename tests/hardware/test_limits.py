"""The parts of the bounds against every way of doing it."""

from itertools import product
from math import ceil, prod

from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import problems

from steelyard.hardware.limits import elements, least_rounds
from steelyard.hardware.problem import Problem


def brute_rounds(sizes, axes) -> int:
    """Every way of sharing every axis out among the dimensions."""
    names = [dim for dim, _ in sizes]
    per_axis = [
        [
            factors
            for factors in product(*(range(1, size + 1) for _ in names))
            if prod(factors) <= size
            and all(f == 1 or d in dims for f, d in zip(factors, names, strict=True))
        ]
        for size, dims in axes
    ]
    return min(
        prod(
            ceil(size / prod(factors[i] for factors in chosen)) for i, (_, size) in enumerate(sizes)
        )
        for chosen in product(*per_axis)
    )


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(
        st.tuples(st.integers(1, 6), st.sets(st.sampled_from("MCP"), min_size=1)),
        min_size=1,
        max_size=2,
    ),
)
def test_least_rounds_against_every_way(sizes, axes) -> None:
    named = tuple(zip("MCP", sizes, strict=False))
    axes = tuple((size, "".join(sorted(dims))) for size, dims in axes)
    assert least_rounds(named, axes) == brute_rounds(named, axes)


def test_the_example_of_the_physical_array() -> None:
    # six-fold parallelism in one dimension: an array of 3 x 4 has no axis for it, one of 2 x 6 has
    sizes = (("M", 6), ("P", 2))
    assert least_rounds(sizes, ((3, "P"), (4, "M"))) == 2
    assert least_rounds(sizes, ((2, "P"), (6, "M"))) == 1


@given(problems())
@settings(max_examples=200, deadline=None)
def test_elements_are_those_that_are_touched(problem: Problem) -> None:
    n, g, m, c, p, q, r, s = problem.sizes

    def touched(window, outputs, taps) -> set[int]:
        places = {
            o * window.stride + t * window.dilation - window.before
            for o in range(outputs)
            for t in range(taps)
        }
        return {place for place in places if 0 <= place < window.size}

    inputs = n * g * c * len(touched(problem.rows, p, r)) * len(touched(problem.columns, q, s))
    assert elements(problem) == {"I": inputs, "W": g * m * c * r * s, "O": n * g * m * p * q}
