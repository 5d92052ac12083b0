"""`Stack3x3`: a k x k convolution becomes (k - 1) / 2 of 3x3, with the same receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from steelyard.design.rules.base import (
    ConvRule,
    ConvSpec,
    Replacement,
    conv_like,
    conv_of,
    conv_spec,
)
from steelyard.layers import init
from steelyard.zoo.config import setting


@dataclass(frozen=True, kw_only=True)
class Stack3x3(ConvRule):
    """n convolutions 3x3 for one of (2n + 1) x (2n + 1): 9 n C^2 weights for (2n + 1)^2 C^2.

    Simonyan and Zisserman 2014 (arXiv:1409.1556), sec. 2.3; Szegedy et al. 2015 (arXiv:1512.00567),
    fig. 1. Between two stands batch normalisation and ReLU, hence no weights can be kept: they are
    drawn anew. The first carries the stride, as in the stems of Inception v3 and its followers, which
    widens the receptive field; with the stride at the last it stays the same and costs far more.
    """

    name: ClassVar[str] = "stack3x3"
    between: Literal["bn_relu", "relu"] = setting("bn_relu", "what stands between two convolutions")

    stride_at: Literal["first", "last"] = setting("first", "which convolution carries the stride")

    def refuse_conv(self, conv: ConvSpec) -> str | None:
        """As `Rule.refusal`."""
        side = conv.kernel[0]
        if side == 3 and conv.kernel[1] == 3:
            return None
        if conv.kernel[1] != side or side % 2 == 0:
            return f"a {side}x{conv.kernel[1]} kernel is no square of odd side"
        if conv.groups != 1:
            return f"it has {conv.groups} groups"
        strided = max(conv.stride) > 1 and self.stride_at == "first"
        if strided and any(
            p != d * (side // 2) for p, d in zip(conv.padding, conv.dilation, strict=True)
        ):
            return (
                f"with padding {conv.padding} only the last can carry the stride (stride_at=last)"
            )
        return ""

    def replacement(self, module: nn.Module, *, keep_weights: bool) -> Replacement:
        """As `Rule.replacement`."""
        del keep_weights
        old = conv_of(module)
        conv = conv_spec(old)
        count = (conv.kernel[0] - 1) // 2
        rows, columns = (_spread(side, count) for side in conv.padding)
        strided = 0 if self.stride_at == "first" else count - 1
        stack, channels = nn.Sequential(), conv.in_channels
        for i in range(count):
            last = i == count - 1
            stack.append(
                conv_like(
                    old, channels, conv.out_channels, (3, 3),
                    stride=conv.stride if i == strided else (1, 1),
                    padding=(rows[i], columns[i]),
                    dilation=conv.dilation,
                    bias=conv.bias if last else self.between == "relu",
                )
            )  # fmt: skip
            channels = conv.out_channels
            if not last and self.between == "bn_relu":
                norm = nn.BatchNorm2d(channels, device=old.weight.device)
                stack.append(norm.to(old.weight.dtype))
            if not last:
                stack.append(nn.ReLU(inplace=True))
        stack.apply(init.he)
        return Replacement(stack.train(module.training), "new")


def _spread(padding: int, count: int) -> list[int]:
    """``padding`` shared out over ``count`` layers, the surplus to the first."""
    return [padding // count + (i < padding % count) for i in range(count)]
