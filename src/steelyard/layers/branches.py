"""Modules side by side on one input, their outputs concatenated: the frame of every inception module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Branches(nn.Module):
    """(N, C, H, W) -> (N, sum of the branches' channels, P, Q).

    Every branch must give maps of the same size. The branches are children under their names, in order.

    Args:
        branches: name -> module.
    """

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, sum of the branches' channels, P, Q)."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)
