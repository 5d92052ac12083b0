"""`ShiftConv`: a k x k convolution becomes a shift and a 1x1."""

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
)
from steelyard.layers.shift import Shift
from steelyard.layers.sparse_shift import FixedShift


@dataclass(frozen=True, kw_only=True)
class ShiftConv(ConvRule):
    """Each channel moves by one displacement within the window, then 1x1: 1 / (R S) of the weights.

    Wu et al. 2017 (arXiv:1711.08141), sec. 3. With fitted weights each channel goes where its filters
    have most energy and keeps those taps, the nearest of this form in the least squares sense; else the
    channels are shared out evenly over the window.
    """

    name: ClassVar[str] = "shift"

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        if conv.groups != 1:
            return f"it has {conv.groups} groups"
        centred = tuple(
            d * (k // 2) if k % 2 else -1 for k, d in zip(conv.kernel, conv.dilation, strict=True)
        )
        if conv.kernel[0] != conv.kernel[1] or conv.dilation[0] != conv.dilation[1]:
            return "its window is not square"
        if conv.padding != centred:
            return f"its padding {conv.padding} does not centre the window, a shift keeps the map's size"
        return ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        old = conv_of(module)
        conv = conv_spec(old)
        pointwise = conv_like(
            old, conv.in_channels, conv.out_channels, (1, 1), stride=conv.stride, bias=conv.bias
        )
        if not keep_weights or old.weight.is_meta:
            shift: nn.Module = Shift(conv.in_channels, conv.kernel[0], conv.dilation[0])
            return Replacement(nn.Sequential(shift, pointwise).train(module.training), "new")
        weight = old.weight.detach().double()
        taps = weight.flatten(2)  # (M, C, R S)
        best = taps.square().sum(0).argmax(1)
        kept = taps.gather(2, best.expand(len(taps), -1)[..., None])[..., 0]
        put(pointwise, kept[:, :, None, None], old.bias)
        pair = nn.Sequential(FixedShift(_displacements(best, conv)), pointwise)
        norm, lost = taps.square().sum(), taps.square().sum() - kept.square().sum()
        error = float((lost.clamp(min=0) / norm).sqrt()) if norm else 0.0
        return Replacement(pair.train(module.training), "fitted", error)


def _displacements(tap: Tensor, conv: ConvSpec) -> Tensor:
    """(C, 2) from the position of each channel's tap in the window."""
    side, dilation = conv.kernel[1], conv.dilation[0]
    middle = conv.kernel[0] // 2
    return torch.stack([tap // side - middle, tap % side - middle], dim=1) * dilation
