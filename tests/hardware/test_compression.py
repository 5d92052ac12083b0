"""Run lengths and bit masks against real arrays: encoded, enumerated, averaged."""

from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from steelyard.errors import UsageError
from steelyard.hardware.compression import (
    EYERISS,
    RunLength,
    bitmask_ratio,
    csc_ratio,
    mean_run_length_pairs,
    run_length_decode,
    run_length_encode,
    run_length_pairs,
    run_length_ratio,
    stored_ratio,
)


@given(
    arrays.arrays(np.int16, st.integers(0, 200), elements=st.sampled_from([0] * 20 + [1, -3])),
    st.integers(1, 5),
)
def test_the_code_is_lossless_and_counted(values, run_bits):
    code = RunLength(run_bits)
    pairs = run_length_encode(values, code=code)
    assert run_length_decode(pairs) == values.tolist()
    assert len(pairs) == run_length_pairs(values, code=code)
    assert all(run < 2**run_bits for run, _ in pairs)


@pytest.mark.parametrize("density", [0.0, 1e-6, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("run_bits", [1, 2])
@pytest.mark.parametrize("elements", [0, 1, 2, 3, 4, 5, 8, 11])
def test_mean_pairs_is_the_mean_over_all_arrays(elements, density, run_bits):
    code = RunLength(run_bits)
    expected = sum(
        density ** sum(bits)
        * (1 - density) ** (elements - sum(bits))
        * run_length_pairs(bits, code=code)
        for bits in product((0, 1), repeat=elements)
    )
    assert mean_run_length_pairs(elements, density, code=code) == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 400), st.floats(0, 1), st.integers(1, 5))
def test_mean_pairs_against_the_renewal_recursion(elements, density, run_bits):
    block, zero = 2**run_bits, 1 - density
    lengths = [density * zero**k for k in range(block - 1)] + [zero ** (block - 1)]
    means = [0.0]
    for n in range(1, elements + 1):
        means.append(1 + sum(p * means[max(0, n - k)] for k, p in enumerate(lengths, 1)))
    code = RunLength(run_bits)
    assert mean_run_length_pairs(elements, density, code=code) == pytest.approx(means[-1], rel=1e-9)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.6, 0.95])
def test_mean_pairs_against_random_arrays(density):
    generator = np.random.default_rng(7)
    counts = [run_length_pairs(generator.random(5000) < density) for _ in range(200)]
    error = np.std(counts) / np.sqrt(len(counts))
    assert abs(np.mean(counts) - mean_run_length_pairs(5000, density)) < 4 * error


@pytest.mark.parametrize("density", [0.0, 1e-12, 1e-3, 0.1, 0.5, 1.0])
def test_ratio_is_the_limit_of_the_mean(density):
    elements = 10**7
    mean = mean_run_length_pairs(elements, density) * 64 / 3 / (16 * elements)
    assert run_length_ratio(density) == pytest.approx(mean, rel=1e-5)


def test_known_sizes():
    assert EYERISS.pairs_per_word(16) == 3
    assert run_length_ratio(0.0) == pytest.approx(64 / 3 / 16 / 32)
    assert run_length_pairs(np.ones(9)) == 9
    # dense data would grow by a third, so they stay plain
    assert stored_ratio("run_length", 1.0) == 1.0
    assert stored_ratio("bitmask", 1.0) == 1.0
    assert stored_ratio("none", 0.1) == 1.0


@given(arrays.arrays(np.int8, st.integers(1, 200), elements=st.integers(0, 2)), st.integers(1, 32))
def test_bitmask_is_exact(values, bits):
    density = np.count_nonzero(values) / values.size
    size = values.size + bits * np.count_nonzero(values)
    assert bitmask_ratio(density, bits=bits) == pytest.approx(size / (bits * values.size))


@given(st.floats(0, 1), st.floats(0, 1))
def test_sparser_is_never_larger(one, other):
    low, high = sorted((one, other))
    assert run_length_ratio(low) <= run_length_ratio(high) * (1 + 1e-12)


def test_refused():
    for density in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="density"):
            run_length_ratio(density)
    with pytest.raises(UsageError, match="elements"):
        mean_run_length_pairs(-1, 0.5)
    with pytest.raises(UsageError, match="wider"):
        RunLength(5, 16).pairs_per_word(16)
    with pytest.raises(UsageError, match="zip"):
        stored_ratio("zip", 0.5)


@pytest.mark.parametrize("density", [0.05, 0.3, 0.7, 1.0])
def test_csc_is_a_4_bit_run_before_each_value(density):
    source = np.random.default_rng(0)
    values = source.random(200_000) < density
    bits = run_length_pairs(values, code=RunLength(run_bits=4)) * (4 + 8)
    assert csc_ratio(density) == pytest.approx(bits / (8 * values.size), rel=0.01)
    assert stored_ratio("csc", density, bits=8) == min(1, csc_ratio(density))
