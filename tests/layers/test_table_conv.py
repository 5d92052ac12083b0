"""A connection table equals a dense convolution whose missing connections are zero."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from steelyard.errors import UsageError
from steelyard.layers.table_conv import TableConv2d

rows = st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True)


@given(st.lists(rows, min_size=1, max_size=8), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_equals_a_masked_dense_convolution(table: list[list[int]], kernel: int) -> None:
    torch.manual_seed(0)
    layer = TableConv2d(table, kernel)
    dense = torch.zeros(len(table), 5, kernel, kernel)
    filters = [f for weight in layer.weights for f in weight]
    for i, row in enumerate(table):
        dense[i, row] = filters[i]
    bias = torch.cat(list(layer.biases))
    image = torch.randn(2, 5, 6, 6)
    torch.testing.assert_close(layer(image), F.conv2d(image, dense, bias), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in layer.parameters()) == len(table) + kernel**2 * sum(
        map(len, table)
    )


@pytest.mark.parametrize("table", [[], [[]], [[0], []], [[0, -1]]])
def test_refused_tables(table: list[list[int]]) -> None:
    with pytest.raises(UsageError, match="is no connection table"):
        TableConv2d(table, 3)


def test_initial_weights_follow_the_fan_in() -> None:
    """Appendix A of LeCun et al. 1998: uniform in +-2.4 / fan_in, whatever the row's length."""
    layer = TableConv2d([(0,)] * 100 + [(0, 1, 2)] * 100, 5)
    for weight, inputs in zip(layer.weights, (1, 3), strict=True):
        bound = 2.4 / (25 * inputs)
        assert 0.95 * bound < weight.abs().max().item() <= bound
