"""Stochastic depth: in training, a residual branch is left out of some samples of the batch.

Huang et al. 2016 (arXiv:1603.09382), sec. 3. The branch that stays is divided by the probability that
it stays, so that nothing changes at inference; the paper multiplies at inference instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelyard.errors import UsageError


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Zero for each sample with probability ``rate``, else x / (1 - rate): (N, ...) -> (N, ...)."""
    if rate == 0:
        return x
    if rate == 1:
        return torch.zeros_like(x)
    kept = torch.empty(x.shape[0], dtype=x.dtype, device=x.device).bernoulli_(1 - rate)
    return x * kept.reshape(-1, *[1] * (x.ndim - 1)) / (1 - rate)


class DropPath(nn.Module):
    """`drop_path` in training, the identity else: (N, ...) -> (N, ...).

    Args:
        rate: probability that a sample loses the branch, 0 to 1.

    Raises:
        UsageError: a rate outside 0 to 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate <= 1:
            raise UsageError(f"drop_path rate {rate!r}", expected="0 to 1")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        return drop_path(x, self.rate) if self.training else x

    def extra_repr(self) -> str:
        """The argument."""
        return f"rate={self.rate}"
