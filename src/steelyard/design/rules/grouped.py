"""`Grouped`: a convolution becomes a grouped one and a channel shuffle."""

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
)
from steelyard.layers.channel_shuffle import ChannelShuffle
from steelyard.zoo.config import setting


@dataclass(frozen=True, kw_only=True)
class Grouped(ConvRule):
    """``groups`` convolutions side by side, each over 1 / ``groups`` of the channels, then a shuffle.

    Zhang et al. 2017 (arXiv:1707.01083), sec. 3.1. Filters are ordered so that the shuffle puts every
    output channel where it was; each keeps its weights for the inputs that its group sees (the
    nearest in the least squares sense) and loses the others.
    """

    name: ClassVar[str] = "grouped"
    groups: int = setting(4, "number of groups", low=2, high=65536)
    pointwise: bool = setting(True, "group 1x1 convolutions, too")

    def refusal(self, module: nn.Module) -> str | None:
        """As `Rule.refusal`; 1x1 convolutions are of interest here."""
        if self.pointwise and type(module) is nn.Conv2d and module.kernel_size == (1, 1):
            return self.refuse_conv(conv_spec(module))
        return super().refusal(module)

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        if conv.groups != 1:
            return f"it has {conv.groups} groups already"
        if conv.in_channels % self.groups or conv.out_channels % self.groups:
            return (
                f"{conv.in_channels} and {conv.out_channels} channels do not divide into "
                f"{self.groups} groups"
            )
        return ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        old = conv_of(module)
        conv = conv_spec(old)
        grouped = conv_like(
            old, conv.in_channels, conv.out_channels, conv.kernel, stride=conv.stride,
            padding=conv.padding, dilation=conv.dilation, groups=self.groups, bias=conv.bias,
        )  # fmt: skip
        pair = nn.Sequential(grouped, ChannelShuffle(self.groups)).train(module.training)
        if not keep_weights or old.weight.is_meta:
            return Replacement(pair, "new")
        inputs = conv.in_channels // self.groups
        order = torch.arange(conv.out_channels, device=old.weight.device)
        # the shuffle moves filter i of group g to channel i * groups + g
        order = order.view(-1, self.groups).T.flatten()
        group = (order % self.groups).tolist()
        weight = old.weight.detach()[order].double()
        parts = torch.stack(
            [row[g * inputs : (g + 1) * inputs] for row, g in zip(weight, group, strict=True)]
        )
        put(grouped, parts, None if old.bias is None else old.bias.detach()[order])
        lost = weight.square().sum() - parts.square().sum()
        norm = weight.square().sum()
        error = float((lost.clamp(min=0) / norm).sqrt()) if norm else 0.0
        return Replacement(pair, "fitted", error)
