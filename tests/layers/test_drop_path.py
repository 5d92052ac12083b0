"""Stochastic depth: whole samples, with the stated probability, unbiased; the identity at inference."""

from __future__ import annotations

import pytest
import torch

from steelyard.errors import UsageError
from steelyard.layers.drop_path import DropPath, drop_path


def test_a_sample_loses_everything_or_nothing() -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 3, 2, 2) + 1
    y = DropPath(0.25)(x)
    lost = (y == 0).flatten(1)
    assert torch.equal(lost.any(1), lost.all(1))
    torch.testing.assert_close(y[~lost.any(1)], x[~lost.any(1)] / 0.75)
    assert lost.any(1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (y.mean() / x.mean()).item() == pytest.approx(1, abs=0.03)


def test_identity_at_inference_and_at_rate_zero() -> None:
    x = torch.randn(8, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0)(x) is x
    assert torch.equal(drop_path(x, 1.0), torch.zeros(8, 3))


def test_gradient_is_that_of_what_stayed() -> None:
    torch.manual_seed(1)
    x = torch.randn(64, 5, requires_grad=True)
    y = drop_path(x, 0.5)
    y.sum().backward()
    assert x.grad is not None
    stayed = (y.detach() != 0).any(1, keepdim=True).expand_as(x)
    assert torch.equal(x.grad, 2.0 * stayed)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_probability(rate: float) -> None:
    with pytest.raises(UsageError, match=r"drop_path rate .*\nexpected: 0 to 1"):
        DropPath(rate)
