"""Classifiers for the middle of a network: pooling and a linear layer, or two convolutions before them.

The latter is that of Huang et al. 2017 (arXiv:1703.09844), appendix A, with the names of kalviny/MSDNet-PyTorch.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelyard.layers.multi_scale_dense import ConvUnit


class LinearExit(nn.Module):
    """The mean over all places and a linear layer: (N, C, H, W), (N, tokens, C) or (N, C) -> (N, classes)."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), (N, tokens, C) or (N, C) -> (N, classes)."""
        places: dict[int, tuple[int, ...]] = {3: (1,), 4: (2, 3)}
        out: Tensor = self.linear(x.mean(places[x.dim()]) if x.dim() in places else x)
        return out


class ConvExit(nn.Module):
    """Two 3x3 convolutions with stride 2, global average pooling, linear layer: (N, C, H, W) -> (N, classes).

    Args:
        in_channels: C.
        channels: of both convolutions.
        num_classes: outputs.
    """

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.m = nn.Sequential(
            ConvUnit(in_channels, channels, stride=2),
            ConvUnit(channels, channels, stride=2),
            nn.AdaptiveAvgPool2d(1),
        )
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        out: Tensor = self.linear(self.m(x).flatten(1))
        return out
