"""`Asymmetric`: a k x k convolution becomes k x 1 and 1 x k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from steelyard.design.rules.base import (
    ConvRule,
    ConvSpec,
    Replacement,
    conv_like,
    conv_of,
    conv_spec,
    put,
    relative_error,
)
from steelyard.zoo.config import setting


@dataclass(frozen=True, kw_only=True)
class Asymmetric(ConvRule):
    """R x 1 over C channels to ``rank`` channels, then 1 x S to M: weights R C rank + S M rank.

    Szegedy et al. 2015 (arXiv:1512.00567), sec. 3.2. Weights are fitted by the truncated singular value
    decomposition of the filter as a (C R) x (S M) matrix, the best of that rank (Jaderberg et al.
    2014, arXiv:1405.3866, scheme 2; Eckart and Young 1936); exact from rank min(C R, S M) on.
    """

    name: ClassVar[str] = "asymmetric"
    rank: int | None = setting(
        None, "channels between the two; by default as many as filters", low=1
    )

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        if 1 in conv.kernel:
            return None
        return f"it has {conv.groups} groups" if conv.groups != 1 else ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        old = conv_of(module)
        conv = conv_spec(old)
        rank = self.rank or conv.out_channels
        (r, s), (p, q), (u, v), (d, e) = conv.kernel, conv.padding, conv.stride, conv.dilation
        first = conv_like(
            old, conv.in_channels, rank, (r, 1), stride=(u, 1), padding=(p, 0), dilation=(d, 1)
        )
        second = conv_like(
            old, rank, conv.out_channels, (1, s), stride=(1, v), padding=(0, q), dilation=(1, e),
            bias=conv.bias,
        )  # fmt: skip
        pair = nn.Sequential(first, second).train(module.training)
        if not keep_weights or old.weight.is_meta:
            return Replacement(pair, "new")
        weight = old.weight.detach().double()
        matrix = weight.permute(1, 2, 3, 0).reshape(conv.in_channels * r, s * conv.out_channels)
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        kept = min(rank, len(values))
        root = values[:kept].sqrt()
        columns = torch.zeros(rank, conv.in_channels * r, dtype=torch.float64, device=weight.device)
        rows = torch.zeros(rank, s * conv.out_channels, dtype=torch.float64, device=weight.device)
        columns[:kept] = (left[:, :kept] * root).T
        rows[:kept] = root[:, None] * right[:kept]
        put(first, columns.view(rank, conv.in_channels, r, 1))
        put(second, rows.view(rank, s, 1, conv.out_channels).permute(3, 0, 2, 1), old.bias)
        error = relative_error(matrix, columns.T @ rows)
        return Replacement(pair, "fitted", error)
