"""Local response normalisation against the formula written out, and against Caffe's and PyTorch's convention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from steelyard.errors import UsageError
from steelyard.layers.local_response_norm import LocalResponseNorm


def by_loops(x: Tensor, size: int, alpha: float, beta: float, k: float, *, within: bool) -> Tensor:
    """The formula of Krizhevsky et al. 2012, sec. 3.3, one element at a time; alpha multiplies the sum."""
    out, reach = torch.empty_like(x), size // 2
    n, c, h, w = x.shape
    for b in range(n):
        for i in range(c):
            for p in range(h):
                for q in range(w):
                    rows = slice(max(0, p - reach), p + reach + 1)
                    columns = slice(max(0, q - reach), q + reach + 1)
                    window = (
                        x[b, i, rows, columns]
                        if within
                        else x[b, max(0, i - reach) : i + reach + 1, p, q]
                    )
                    out[b, i, p, q] = x[b, i, p, q] / (k + alpha * window.square().sum()) ** beta
    return out


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("region", ["across", "within"])
def test_both_kinds_follow_the_formula(region: str, size: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 7, 6, 4, dtype=torch.float64)
    within = region == "within"
    kind = "within" if within else "across"
    layer = LocalResponseNorm(size, 0.2, 0.75, 2.0, region=kind, mean=False)
    torch.testing.assert_close(layer(x), by_loops(x, size, 0.2, 0.75, 2.0, within=within))
    full = size**2 if within else size
    layer = LocalResponseNorm(size, 0.2 * full, 0.75, 2.0, region=kind)
    torch.testing.assert_close(layer(x), by_loops(x, size, 0.2, 0.75, 2.0, within=within))


def test_alexnets_alpha_is_a_fifth_of_pytorchs() -> None:
    x = torch.randn(1, 9, 3, 3)
    paper = LocalResponseNorm(5, 1e-4, 0.75, 2.0, mean=False)
    torch.testing.assert_close(paper(x), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(x))


def test_an_even_window_is_refused() -> None:
    with pytest.raises(UsageError, match="a window of 4 has no middle"):
        LocalResponseNorm(4)
