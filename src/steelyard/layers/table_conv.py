"""Convolution in which every output map sees its own choice of input maps, given by a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steelyard.errors import UsageError


class TableConv2d(nn.Module):
    """Output map i convolves the input maps ``table[i]``: (N, C, H, W) -> (N, len(table), P, Q).

    Neighbouring rows of equal length run as one grouped convolution over gathered maps, so the MACs
    executed are those of the connections that exist. LeCun et al. 1998, sec. II-B, layer C3.

    Args:
        table: for each output map the input maps that it sees.
        kernel_size: height and width of the filters.

    Raises:
        UsageError: the table or one of its rows is empty, or names a map below 0.
    """

    def __init__(self, table: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        if not table or not all(table) or min(map(min, table)) < 0:
            raise UsageError(
                f"{table!r} is no connection table",
                expected="for each output map the input maps that it sees, e.g. [[0, 1], [1, 2]]",
            )
        runs = [list(rows) for _, rows in groupby(table, key=len)]
        self.sources = [[i for row in rows for i in row] for rows in runs]
        self.groups = [len(rows) for rows in runs]
        self.weights = nn.ParameterList(
            torch.empty(len(rows), len(rows[0]), kernel_size, kernel_size) for rows in runs
        )
        self.biases = nn.ParameterList(torch.empty(len(rows)) for rows in runs)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-2.4 / fan_in, a fan-in for each row length (Appendix A)."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = 2.4 / weight[0].numel()
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, len(table), H - kernel + 1, W - kernel + 1)."""
        maps = torch.split(x, 1, dim=1)
        parts = [
            F.conv2d(torch.cat([maps[i] for i in sources], dim=1), weight, bias, groups=groups)
            for sources, groups, weight, bias in zip(
                self.sources, self.groups, self.weights, self.biases, strict=True
            )
        ]
        return torch.cat(parts, dim=1)
