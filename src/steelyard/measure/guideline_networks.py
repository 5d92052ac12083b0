"""The networks of ShuffleNet V2's guideline experiments (Ma et al. 2018, section 2): ten blocks on 56x56 maps.

What the paper leaves open is chosen so: no biases and no normalisation; the input has the block's channels; G3's
parallel fragments are added, as its tables say that channels are adjusted to keep the FLOPs; G4's bottleneck is
ResNet's, a quarter as wide inside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCKS = 10
SIDE = 56


class Fragments(nn.Module):
    """Pointwise convolutions side by side, added: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, number: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_conv(channels, channels) for _ in range(number))

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the branches."""
        out: Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            out = out + branch(x)
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, a quarter as wide inside: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, *, relu: bool, shortcut: bool) -> None:
        super().__init__()
        inner = channels // 4
        layers = [_conv(channels, inner), _conv(inner, inner, 3), _conv(inner, channels)]
        self.convs = nn.ModuleList(layers)
        self.relu = relu
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """ReLU after every convolution, after the last one only when the shortcut is added."""
        out = x
        for number, conv in enumerate(self.convs):
            out = conv(out)
            if number == 2 and self.shortcut:
                out = out + x
            if self.relu:
                out = torch.relu(out)
        return out


class Trial(nn.Sequential):
    """Ten blocks, all alike."""

    def __init__(self, channels: int, *block: nn.Module) -> None:
        super().__init__(*block)
        self.input_shape = (1, channels, SIDE, SIDE)


def equal_width(c1: int, c2: int) -> Trial:
    """G1: blocks of two pointwise convolutions, c1 -> c2 -> c1."""
    return Trial(c1, *(nn.Sequential(_conv(c1, c2), _conv(c2, c1)) for _ in range(BLOCKS)))


def grouped(channels: int, groups: int) -> Trial:
    """G2: blocks of one pointwise convolution in groups."""
    return Trial(channels, *(_conv(channels, channels, groups=groups) for _ in range(BLOCKS)))


def fragmented(channels: int, number: int, parallel: bool) -> Trial:
    """G3: blocks of pointwise convolutions one after the other, or side by side."""
    if parallel:
        return Trial(channels, *(Fragments(channels, number) for _ in range(BLOCKS)))
    return Trial(channels, *(_conv(channels, channels) for _ in range(BLOCKS * number)))


def bottlenecks(channels: int, relu: bool, shortcut: bool) -> Trial:
    """G4: bottleneck blocks with and without element-wise operators."""
    return Trial(
        channels, *(Bottleneck(channels, relu=relu, shortcut=shortcut) for _ in range(BLOCKS))
    )


def _conv(channels: int, filters: int, size: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, size, padding=size // 2, groups=groups, bias=False)
