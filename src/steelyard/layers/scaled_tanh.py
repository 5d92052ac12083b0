"""LeCun's squashing function, ``1.7159 tanh(2 x / 3)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScaledTanh(nn.Module):
    """``A tanh(S x)`` with A = 1.7159, S = 2/3, so that f(1) = 1 and f(-1) = -1; any shape.

    LeCun et al. 1998, Appendix A.
    """

    AMPLITUDE = 1.7159
    SLOPE = 2 / 3

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, kept."""
        return self.AMPLITUDE * torch.tanh(self.SLOPE * x)
