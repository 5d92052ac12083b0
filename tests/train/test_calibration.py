"""Calibration errors against their definitions, worked out sample by sample, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from steelyard.errors import InputError, ShapeError, UsageError
from steelyard.train.calibration import calibration


def test_by_hand() -> None:
    # two bins: 0.2, 0.4 | 0.6, 0.9, 1.0
    found = calibration(
        torch.tensor([0.9, 0.2, 0.6, 0.4, 1.0]), torch.tensor([1, 0, 0, 1, 1]), bins=2
    )
    low, high = found.bins
    assert (low.samples, high.samples) == (2, 3)
    assert low.gap == pytest.approx(0.5 - 0.3)
    assert high.gap == pytest.approx(2 / 3 - 2.5 / 3)
    assert found.expected_error == pytest.approx((2 * 0.2 + 3 * 0.5 / 3) / 5)
    assert found.maximum_error == pytest.approx(0.2)


def test_a_bound_belongs_to_the_bin_below_it_and_0_to_the_first() -> None:
    found = calibration(torch.tensor([0.0, 0.5, 0.75, 1.0]), torch.ones(4), bins=4)
    assert [one.samples for one in found.bins] == [1, 1, 1, 1]


def test_bins_of_equal_size_differ_by_one_sample_at_most() -> None:
    values = torch.linspace(0.1, 1, 17) ** 2
    found = calibration(values, values > 0.3, bins=5)
    sizes = [one.samples for one in found.adaptive_bins]
    assert sum(sizes) == 17
    assert max(sizes) - min(sizes) <= 1
    assert len(calibration(values[:3], values[:3] > 0, bins=5).adaptive_bins) == 3


def test_as_scikit_learn_draws_the_curve() -> None:
    rng = np.random.default_rng(0)
    values = rng.beta(5, 2, 4000)
    right = rng.random(4000) < values**1.3
    # quantiles are interpolated there, so that a sample may change its bin
    for strategy, bins, off in (("uniform", "bins", 1e-12), ("quantile", "adaptive_bins", 3e-3)):
        accuracy, confidence = calibration_curve(right, values, n_bins=10, strategy=strategy)
        found = calibration(torch.tensor(values), torch.tensor(right), bins=10)
        ours = [one for one in getattr(found, bins) if one.samples]
        np.testing.assert_allclose([one.accuracy for one in ours], accuracy, atol=off)
        np.testing.assert_allclose([one.confidence for one in ours], confidence, atol=off)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 2**32))
def test_definition_of_guo_et_al_and_any_order(samples: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, right = rng.random(samples), rng.random(samples) < 0.7
    found = calibration(torch.tensor(values), torch.tensor(right), bins=bins)
    gaps, expected = [], 0.0
    for m in range(1, bins + 1):
        inside = [i for i in range(samples) if (m - 1) / bins < values[i] <= m / bins]
        if inside:
            gap = abs(np.mean(right[inside]) - np.mean(values[inside]))
            gaps.append(gap)
            expected += len(inside) / samples * gap
    assert found.expected_error == pytest.approx(expected, abs=1e-12)
    assert found.maximum_error == pytest.approx(max(gaps), abs=1e-12)
    order = rng.permutation(samples)
    other = calibration(torch.tensor(values[order]), torch.tensor(right[order]), bins=bins)
    assert other == found


def test_a_network_that_knows_how_sure_it_may_be() -> None:
    rng = np.random.default_rng(1)
    values = rng.random(200_000)
    found = calibration(torch.tensor(values), torch.tensor(rng.random(200_000) < values))
    assert found.expected_error < 0.01
    assert found.adaptive_error < 0.01


@pytest.mark.parametrize(
    ("values", "right", "bins", "error", "says"),
    [
        ([], [], 15, InputError, "no sample"),
        ([1.5], [1], 15, InputError, "no probability"),
        ([float("nan")], [1], 15, InputError, "no probability"),
        ([0.5], [1, 0], 15, ShapeError, r"\(1,\) and correct of shape \(2,\)"),
        ([0.5], [1], 0, UsageError, "bins=0"),
    ],
)
def test_mistakes(values, right, bins, error, says) -> None:
    with pytest.raises(error, match=says):
        calibration(torch.tensor(values), torch.tensor(right), bins=bins)
