"""Convolution, batch normalisation, activation: the step that mobile networks are chains of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from steelyard.layers.activations import Activation, activation
from steelyard.layers.same_padding import SameConv2d


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvStyle:
    """What all steps of a network have in common.

    Attributes:
        activation: its name.
        padding: "torch": half the kernel on every side; "same": TensorFlow's, which is larger at the
            bottom and right where a stride is above 1 (`steelyard.layers.same_padding`).
        bn_eps: added to the variance.
        bn_momentum: share of the new statistics in the running ones.
    """

    activation: Activation = "relu6"
    padding: Literal["torch", "same"] = "torch"
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1

    def conv(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> nn.Conv2d:
        """The convolution alone, without bias: (N, C, H, W) -> (N, M, ceil(H/U), ceil(W/U))."""
        if self.padding == "same" and stride > 1:
            return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        return nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )

    def norm(self, channels: int) -> nn.BatchNorm2d:
        """The batch normalisation alone: (N, C, H, W) -> (N, C, H, W)."""
        return nn.BatchNorm2d(channels, eps=self.bn_eps, momentum=self.bn_momentum)


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    *,
    style: ConvStyle,
    linear: bool = False,
) -> nn.Sequential:
    """Convolution, normalisation and, unless ``linear``, activation.

    (N, C, H, W) -> (N, M, ceil(H/U), ceil(W/U)). ``kernel`` is odd.
    """
    steps = nn.Sequential(
        style.conv(in_channels, out_channels, kernel, stride, groups), style.norm(out_channels)
    )
    if not linear:
        steps.append(activation(style.activation))
    return steps
