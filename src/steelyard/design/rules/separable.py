"""`DepthwiseSeparable`: a convolution becomes a depthwise one and a 1x1."""

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
class DepthwiseSeparable(ConvRule):
    """``multiplier`` R x S filters per channel, then 1x1: 1/M + 1/(R S) of the cost with one filter.

    Howard et al. 2017 (arXiv:1704.04861), sec. 3.1. Weights are fitted channel by channel: the M x (R S)
    matrix of what a channel gives to every filter is cut to rank ``multiplier`` (truncated singular
    value decomposition, the best of that rank); exact from min(M, R S) on.
    """

    name: ClassVar[str] = "depthwise_separable"
    multiplier: int = setting(1, "depthwise filters per channel", low=1, high=1024)

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        if conv.groups == conv.in_channels > 1:
            return None
        return f"it has {conv.groups} groups" if conv.groups != 1 else ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        old = conv_of(module)
        conv = conv_spec(old)
        channels, filters, (r, s) = conv.in_channels, conv.out_channels, conv.kernel
        inner = channels * self.multiplier
        depthwise = conv_like(
            old, channels, inner, conv.kernel, stride=conv.stride, padding=conv.padding,
            dilation=conv.dilation, groups=channels,
        )  # fmt: skip
        pointwise = conv_like(old, inner, filters, (1, 1), bias=conv.bias)
        pair = nn.Sequential(depthwise, pointwise).train(module.training)
        if not keep_weights or old.weight.is_meta:
            return Replacement(pair, "new")
        weight = old.weight.detach().double()
        matrices = weight.permute(1, 0, 2, 3).reshape(channels, filters, r * s)
        left, values, right = torch.linalg.svd(matrices, full_matrices=False)
        kept = min(self.multiplier, values.shape[1])
        root = values[:, :kept].sqrt()
        mix, maps = left[:, :, :kept] * root[:, None, :], root[:, :, None] * right[:, :kept]
        error = relative_error(matrices, mix @ maps)
        padding = self.multiplier - kept
        maps = nn.functional.pad(maps, (0, 0, 0, padding))
        mix = nn.functional.pad(mix, (0, padding))
        put(depthwise, maps.reshape(inner, 1, r, s))
        put(pointwise, mix.permute(1, 0, 2).reshape(filters, inner, 1, 1), old.bias)
        return Replacement(pair, "fitted", error)
