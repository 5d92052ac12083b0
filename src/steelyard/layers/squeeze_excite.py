"""Squeeze-and-excitation: channels weighed by what the whole map holds.

Hu et al. 2017 (arXiv:1709.01507), sec. 3. Module names are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Average over the map, two 1x1 convolutions, gate: (N, C, H, W) -> (N, C, H, W).

    ``y = x * gate(fc2(activation(fc1(mean of x over H and W))))``: equations 2 to 4 of the paper,
    where ``activation`` is ReLU and ``gate`` the logistic function.

    Args:
        channels: C.
        hidden: channels between the two convolutions, C / r in the paper.
        activation: after the first convolution; ReLU if None.
        gate: after the second, values in 0 to 1; logistic if None.
        bias: whether the convolutions have biases.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        activation: nn.Module | None = None,
        gate: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.activation = nn.ReLU(inplace=True) if activation is None else activation
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)
        self.gate = nn.Sigmoid() if gate is None else gate

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        y = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        out: Tensor = x * self.gate(y)
        return out
