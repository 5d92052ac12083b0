"""Radial basis function output: how far the features are from a fixed code of each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RBFOutput(nn.Module):
    """``y_i = -|x - code_i|^2``: (N, features) -> (N, classes), the largest output being the class.

    The distances of LeCun et al. 1998, eq. 7, are penalties, smallest for the class; they are negated
    here so that they are read like every other network's logits. Computed as
    ``2 x.code - |x|^2 - |code|^2``, one multiply-accumulate per code element. The codes are a
    buffer: the paper keeps them fixed.

    Args:
        codes: one row of +1 and -1 per class.
    """

    codes: Tensor

    def __init__(self, codes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.register_buffer("codes", torch.tensor(codes, dtype=torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) -> (N, classes)."""
        cross = F.linear(x, self.codes)
        return 2 * cross - x.square().sum(1, keepdim=True) - self.codes.square().sum(1)
