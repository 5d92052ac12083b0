"""`Bottleneck`: a k x k convolution becomes 1x1, k x k on fewer channels, 1x1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

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
from steelyard.zoo.config import scaled, setting


@dataclass(frozen=True, kw_only=True)
class Bottleneck(ConvRule):
    """C -> C/r by 1x1, C/r -> M/r by k x k, M/r -> M by 1x1.

    He et al. 2015 (arXiv:1512.03385), fig. 5, without the non-linearities between. Weights are fitted by
    the Tucker-2 decomposition of the filter (Kim et al. 2016, arXiv:1511.06530): the leading
    singular vectors of its unfoldings along inputs and filters (higher-order SVD), which is near the
    best and exact where the filter has so low ranks.
    """

    name: ClassVar[str] = "bottleneck"
    reduction: float = setting(4.0, "r: channels outside for each one inside", low=1, high=1024)

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        return f"it has {conv.groups} groups" if conv.groups != 1 else ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        old = conv_of(module)
        conv = conv_spec(old)
        inner_in = scaled(conv.in_channels, 1 / self.reduction)
        inner_out = scaled(conv.out_channels, 1 / self.reduction)
        reduce = conv_like(old, conv.in_channels, inner_in, (1, 1))
        middle = conv_like(
            old, inner_in, inner_out, conv.kernel, stride=conv.stride, padding=conv.padding,
            dilation=conv.dilation,
        )  # fmt: skip
        expand = conv_like(old, inner_out, conv.out_channels, (1, 1), bias=conv.bias)
        three = nn.Sequential(reduce, middle, expand).train(module.training)
        if not keep_weights or old.weight.is_meta:
            return Replacement(three, "new")
        weight = old.weight.detach().double()
        filters = _leading(weight.flatten(1), inner_out)
        inputs = _leading(weight.transpose(0, 1).flatten(1), inner_in)
        core = torch.einsum("mcrs,mo,ci->oirs", weight, filters, inputs)
        put(reduce, inputs.T[:, :, None, None])
        put(middle, core)
        put(expand, filters[:, :, None, None], old.bias)
        near = torch.einsum("oirs,mo,ci->mcrs", core, filters, inputs)
        return Replacement(three, "fitted", relative_error(weight, near))


def _leading(matrix: Tensor, count: int) -> Tensor:
    """The first ``count`` left singular vectors, as columns.

    Those are the last eigenvectors of the Gram matrix, found in a fraction of the time of a
    singular value decomposition.
    """
    vectors: Tensor = torch.linalg.eigh(matrix @ matrix.T).eigenvectors
    return vectors.flip(1)[:, :count]
